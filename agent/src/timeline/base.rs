//! What a rate is reckoned from: a reading that is old enough.
//!
//! Two readings may be milliseconds apart: the last row is taken when the run
//! ends, just after a tick perhaps, and the tick after one that came late is on
//! time again. Over milliseconds a rate says nothing: a request or none, a
//! thread that ran or did not, is a spike of a hundred times the truth or a
//! hole. Such a rate is over the time since the reading before, and its row
//! stands for as little time as lies between the two, so that the sum over all
//! rows of rate times time stays what it was.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The part of a tick that a rate is over at least.
const MIN_PART: u32 = 4;

/// Readings that are kept at most, should they ever come thick and fast.
const MAX_KEPT: usize = 8;

/// The last readings, of which one is old enough.
#[derive(Debug)]
pub(crate) struct Bases<T> {
    /// In the order of time; the first is the base of what comes next.
    kept: VecDeque<(Instant, T)>,
}

impl<T> Default for Bases<T> {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
        }
    }
}

impl<T> Bases<T> {
    /// The base of a reading that is taken now: the newest that is a quarter of
    /// a tick old, or the only one there is. `None` before the first.
    pub(crate) fn of(&mut self, now: Instant, tick: Duration) -> Option<&(Instant, T)> {
        let is_old =
            |(then, _): &(Instant, T)| now.saturating_duration_since(*then) >= tick / MIN_PART;
        while self.kept.get(1).is_some_and(is_old) || self.kept.len() >= MAX_KEPT {
            self.kept.pop_front();
        }
        self.kept.front()
    }

    /// What was read after the base, the newest last.
    pub(crate) fn since(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().skip(1).map(|(_, reading)| reading)
    }

    /// Keeps a reading for those that follow, once its base is known.
    pub(crate) fn push(&mut self, now: Instant, reading: T) {
        self.kept.push_back((now, reading));
    }

    /// Forgets all: what follows begins anew.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().map(|(_, reading)| reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_quarter_of_a_tick_old_however_readings_come() {
        let (start, tick) = (Instant::now(), Duration::from_millis(1_000));
        let mut random = 11_u64;
        let mut bases = Bases::default();
        let (mut now, mut times) = (0_u64, Vec::new());
        for _ in 0..10_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            now +=
                [1, 5, 60, 249, 250, 400, 940, 1_000, 1_060, 1_940][(random >> 33) as usize % 10];
            let at = start + Duration::from_millis(now);
            let base = bases.of(at, tick).map(|(_, then)| *then);
            // The newest of all that are old enough, or else the first.
            let old = times.iter().rev().find(|then| now - **then >= 250);
            let wanted = old.or(times.first()).copied();
            assert_eq!(base, wanted, "{now} {times:?}");
            bases.push(at, now);
            times.push(now);
            if times.len() > 7 {
                times.remove(0);
            }
        }
    }
}
