//! Notices when the wall clock and the monotonic clock part: the clock was set,
//! or the machine was suspended. Rows go on by the monotonic clock either way.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use soakscope_sampler::resources::suspended;

/// Clocks that are kept by NTP drift by less than this between two ticks.
const SLACK_S: f64 = 1.0;

#[derive(Debug, Default)]
pub(crate) struct WallClock {
    last: Option<(Instant, Timestamp)>,
    suspended: Option<Duration>,
}

impl WallClock {
    /// What to say where the two clocks parted since the last tick.
    pub(crate) fn jumped(&mut self, now: Instant, time: Timestamp) -> Option<String> {
        let asleep = suspended();
        let slept = asleep.zip(self.suspended).map(|(a, b)| a.saturating_sub(b));
        self.suspended = asleep;
        let (then, before) = self.last.replace((now, time))?;
        let by_wall = time.duration_since(before).as_secs_f64();
        let ahead = by_wall - now.saturating_duration_since(then).as_secs_f64();
        jump(ahead, slept.unwrap_or_default().as_secs_f64())
    }
}

fn jump(ahead_s: f64, slept_s: f64) -> Option<String> {
    if ahead_s.abs() < SLACK_S {
        return None;
    }
    let way = if ahead_s > 0.0 { "forward" } else { "back" };
    let why = if slept_s >= SLACK_S {
        format!("the machine was suspended for {slept_s:.1} s")
    } else {
        "it was set".to_owned()
    };
    Some(format!(
        "the wall clock jumped {way} by {:.1} s between two rows: {why}; elapsed_min goes on without a jump",
        ahead_s.abs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_reported_once() {
        let start = Instant::now();
        let time = Timestamp::UNIX_EPOCH;
        let mut clock = WallClock::default();
        let mut at = |s: u64, wall: i64| {
            clock.jumped(
                start + Duration::from_secs(s),
                time + jiff::SignedDuration::from_secs(wall),
            )
        };
        assert_eq!(at(0, 0), None);
        assert_eq!(at(1, 1), None);
        let said = at(2, 3602).expect("an hour ahead");
        assert!(
            said.contains("forward by 3600.0 s") && said.contains("was set"),
            "{said}"
        );
        assert_eq!(at(3, 3603), None);
        assert!(at(4, 4).expect("back").contains("back by 3600.0 s"));
    }

    #[test]
    fn a_suspended_machine_is_called_so() {
        let said = jump(30.2, 30.0).expect("a jump");
        assert!(said.contains("suspended for 30.0 s"), "{said}");
        assert_eq!(jump(0.4, 0.0), None);
    }
}
