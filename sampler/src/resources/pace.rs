//! How often a reading may be taken, by what it costs.

use std::time::{Duration, Instant};

/// Lets a reading have no more than its share of one core.
///
/// A reading that took a millisecond of CPU and has a share of a hundredth is
/// due again a tenth of a second later. Time is an argument: nothing here reads
/// a clock.
#[derive(Debug, Clone)]
pub struct Pace {
    share: f64,
    at_least: Duration,
    due: Option<Instant>,
}

impl Pace {
    /// A reading with this share of one core (above 0), taken no more often
    /// than every `at_least`.
    pub fn new(share: f64, at_least: Duration) -> Self {
        Self {
            share,
            at_least,
            due: None,
        }
    }

    /// Whether the reading is due.
    pub fn due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// Reckons when it is due again, from when it was taken and what it cost.
    pub fn took(&mut self, now: Instant, cost: Duration) {
        let wait = Duration::try_from_secs_f64(cost.as_secs_f64() / self.share);
        let wait = wait.unwrap_or(Duration::MAX).max(self.at_least);
        // Ticks come a little early or late; a reading for every tenth is not
        // to slip to the eleventh.
        self.due = now.checked_add(wait - wait / 50);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of one second for which a reading of this cost is taken.
    fn taken(cost: Duration, mut pace: Pace) -> usize {
        let start = Instant::now();
        let ticks = (0..100).map(|s| start + Duration::from_secs(s));
        ticks
            .filter(|now| {
                let due = pace.due(*now);
                if due {
                    pace.took(*now, cost);
                }
                due
            })
            .count()
    }

    #[test]
    fn a_dear_reading_is_taken_less_often() {
        let every_tick = || Pace::new(0.01, Duration::ZERO);
        assert_eq!(taken(Duration::from_micros(50), every_tick()), 100);
        assert_eq!(taken(Duration::from_millis(10), every_tick()), 100);
        assert_eq!(taken(Duration::from_millis(16), every_tick()), 50);
        assert_eq!(taken(Duration::from_secs(5), every_tick()), 1);
    }

    #[test]
    fn a_rare_reading_keeps_its_step() {
        let rare = Pace::new(0.01, Duration::from_secs(10));
        assert_eq!(taken(Duration::from_micros(50), rare), 10);
    }
}
