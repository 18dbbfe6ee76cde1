//! The clock of a run: the moment it started, by the monotonic clock and by the
//! clock on the wall.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Clone, Copy)]
pub(crate) struct RunClock {
    pub(crate) started: Instant,
    /// The wall clock's time then.
    pub(crate) start_time: Timestamp,
}

impl RunClock {
    /// The clock of a run that starts now.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            start_time: Timestamp::now(),
        }
    }

    /// Minutes since the run started, by the monotonic clock.
    pub(crate) fn elapsed_min(&self) -> f64 {
        self.started.elapsed().as_secs_f64() / 60.0
    }

    /// The time of day at a moment, by the run's start and the monotonic clock:
    /// however the wall clock is set meanwhile, what comes later is later.
    pub(crate) fn time_at(&self, moment: Instant) -> Timestamp {
        let elapsed = moment.saturating_duration_since(self.started);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or_default();
        self.start_time
            .checked_add(elapsed)
            .unwrap_or(self.start_time)
    }

    /// [`RunClock::time_at`] in nanoseconds since 1970.
    pub(crate) fn nanos_at(&self, moment: Instant) -> i64 {
        i64::try_from(self.time_at(moment).as_nanosecond()).unwrap_or(0)
    }
}

/// UTC with milliseconds, e.g. `2026-01-31T12:00:00.250Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_comes_later_is_later_and_nothing_is_before_the_start() {
        let clock = RunClock::start();
        let at = |seconds| clock.time_at(clock.started + Duration::from_secs(seconds));
        assert_eq!(at(0), clock.start_time);
        assert_eq!(at(90).duration_since(at(30)), SignedDuration::from_secs(60));
        let before = clock.started.checked_sub(Duration::from_secs(5));
        assert_eq!(clock.time_at(before.expect("uptime")), clock.start_time);
        assert_eq!(
            clock.nanos_at(clock.started + Duration::from_nanos(7)),
            clock.nanos_at(clock.started) + 7
        );
    }
}
