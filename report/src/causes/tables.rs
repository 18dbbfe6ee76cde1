//! Tables that double: a `HashMap`, a `Vec` or a slab that is filled and never
//! emptied is allocated anew, twice as large, each time it is full.
//!
//! Filled at a steady rate, it doubles after times that double. So the last two
//! doublings say when the next one is due. Until then nobody can know by the
//! table alone whether it is still filled; where the next is overdue, it is not.

use super::holdings::{Held, Holding};

/// Between two sizes of one table lies at least this factor: some collections
/// grow by half.
const GROWN: f64 = 1.3;

/// A table that has less than this part of its largest size was emptied.
const EMPTIED: f64 = 0.7;

/// In the time judged it must have doubled at least once, or nearly …
const GROWN_SINCE: f64 = 1.7;
/// … and in all, as far as it was seen, twice.
const GROWN_IN_ALL: f64 = 3.0;

/// A doubling is overdue when this part more than the time to it has passed.
const OVERDUE: f64 = 1.3;

/// Filled at less than this part of the rate before, it may be filling up.
const SLOWER: f64 = 0.5;

/// A table that grew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Table {
    /// Growth since the base, in bytes, and its variance.
    pub(super) bytes: f64,
    pub(super) variance: f64,
    /// When it doubled last, in seconds.
    pub(super) last: f64,
    /// When it will next, if it is filled as it was.
    pub(super) due: f64,
    /// How often it grew, as far as that was seen.
    pub(super) jumps: u64,
    /// It was filled ever more slowly.
    pub(super) slows: bool,
}

impl Table {
    /// The table of these profiles, if it grew since the one at `base`.
    pub(super) fn of(holding: &Holding, base: f64) -> Option<Table> {
        let held = &holding.held;
        let last = held.last()?;
        if holding.falls() {
            return None;
        }
        let jumps = jumps(held);
        let [.., before, newest] = jumps[..] else {
            return None;
        };
        let then = held
            .iter()
            .rfind(|held| held.seconds <= base)
            .cloned()
            .unwrap_or_default();
        let grown = newest.largest >= GROWN_SINCE * then.largest
            && newest.largest >= GROWN_IN_ALL * jumps[0].largest
            && last.bytes >= GROWN_SINCE * then.bytes;
        if !grown || newest.born <= before.born {
            return None;
        }
        // It holds half of its size at the moment it doubles.
        let rate = |from: &Held, to: &Held| (to.largest - from.largest) / (to.born - from.born);
        let last_rate = rate(before, newest);
        let slows = match jumps[..] {
            [.., first, before, newest] if before.born > first.born => {
                rate(before, newest) < SLOWER * rate(first, before)
            }
            _ => false,
        };
        Some(Table {
            bytes: last.bytes - then.bytes,
            variance: last.variance + then.variance,
            last: newest.born,
            due: newest.born + newest.largest / last_rate,
            jumps: jumps.len() as u64 - 1,
            slows,
        })
    }

    /// Whether it would have doubled by this second, were it still filled.
    pub(super) fn is_full(&self, now: f64) -> bool {
        now > self.last + OVERDUE * (self.due - self.last)
    }
}

/// Where it was larger than at the profile before, the first one it is at among
/// them.
fn jumps(held: &[Held]) -> Vec<&Held> {
    let mut jumps: Vec<&Held> = Vec::new();
    for now in held.iter().filter(|held| held.largest > 0.0) {
        if jumps
            .last()
            .is_none_or(|before| now.largest >= GROWN * before.largest)
        {
            jumps.push(now);
        }
    }
    jumps
}

impl Holding {
    /// Whether it was emptied, or was not there, after it had been.
    fn falls(&self) -> bool {
        let mut most = 0.0_f64;
        self.held.iter().any(|held| {
            most = most.max(held.largest);
            most >= self.certain && held.largest < EMPTIED * most
        })
    }
}
