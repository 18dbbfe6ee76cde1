//! The timetable of a run: when each request is due. Pure; nothing here knows what time it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span_of_time::clock;

/// The highest rate a plan may have, in requests per second.
const RATE_MOST: f64 = 50_000.0;
/// The longest a plan may take.
const LENGTH_MOST: Duration = Duration::from_secs(14 * 86_400);

/// A part of a run in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// The name given to the agent.
    pub name: String,
    /// How long it lasts.
    pub length: Duration,
    /// Requests per second when it begins.
    pub from_rate: f64,
    /// Requests per second when it ends.
    pub to_rate: f64,
}

impl Phase {
    /// How many requests are due in it.
    pub fn requests(&self) -> u64 {
        // A hair's breadth more, so that 0.1 × 30 is 3 requests and not 2.
        ((self.from_rate + self.to_rate) / 2.0 * self.length.as_secs_f64() + 1e-6) as u64
    }

    /// When request `number`, counted from 0, is due after the phase's begin.
    ///
    /// The count due by time t is a·t + (b − a)·t²/2T; this is its inverse, in the form that divides by no
    /// difference and so holds for an even rate too.
    pub fn due(&self, number: u64) -> Duration {
        let (a, b, length) = (self.from_rate, self.to_rate, self.length.as_secs_f64());
        let n = number as f64;
        let root = (a * a + 2.0 * n * (b - a) / length).max(0.0).sqrt();
        let seconds = if a + root > 0.0 {
            2.0 * n / (a + root)
        } else {
            0.0
        };
        Duration::from_secs_f64(seconds.min(length))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phase {}: {:.0}", self.name, self.from_rate)?;
        if (self.from_rate - self.to_rate).abs() > 0.5 {
            write!(f, " to {:.0}", self.to_rate)?;
        }
        write!(f, " requests/s for {}", clock(self.length))
    }
}

/// All phases of a run, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    phases: Vec<Phase>,
}

impl Plan {
    /// A plan of these phases.
    ///
    /// # Errors
    ///
    /// A message when there is no request in it, or when it is beyond its bounds: 50,000 requests per second and
    /// fourteen days.
    pub fn new(phases: Vec<Phase>) -> Result<Self, String> {
        let plan = Self { phases };
        let rates = || {
            plan.phases
                .iter()
                .flat_map(|phase| [phase.from_rate, phase.to_rate])
        };
        if let Some(rate) = rates().find(|rate| !(0.0..=RATE_MOST).contains(rate)) {
            return Err(format!(
                "a rate of {rate} requests/s is outside 0 to {RATE_MOST}"
            ));
        }
        if plan.length() > LENGTH_MOST {
            return Err("a run takes at most 14 days".to_owned());
        }
        if plan.requests() == 0 {
            return Err(
                "no request is due in this time at this rate; raise one of them".to_owned(),
            );
        }
        Ok(plan)
    }

    /// The phases in order.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// How long all phases take together.
    pub fn length(&self) -> Duration {
        self.phases.iter().map(|phase| phase.length).sum()
    }

    /// The number of the request that is due in the middle of this phase; `None` where there is no such phase.
    pub fn middle_of(&self, phase: &str) -> Option<u64> {
        let number = self.phases.iter().position(|known| known.name == phase)?;
        let before: u64 = self.phases[..number].iter().map(Phase::requests).sum();
        Some(before + self.phases[number].requests() / 2)
    }

    /// How many requests are due in all.
    pub fn requests(&self) -> u64 {
        self.phases.iter().map(Phase::requests).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Scenario;

    fn phase(seconds: u64, from_rate: f64, to_rate: f64) -> Phase {
        Phase {
            name: "p".to_owned(),
            length: Duration::from_secs(seconds),
            from_rate,
            to_rate,
        }
    }

    #[test]
    fn an_even_rate_is_evenly_spaced() {
        let even = phase(10, 100.0, 100.0);
        assert_eq!(even.requests(), 1_000);
        for number in 0..1_000 {
            assert!((even.due(number).as_secs_f64() - number as f64 / 100.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_ramp_is_sparse_where_its_rate_is_low() {
        for (from, to) in [(0.0, 200.0), (200.0, 0.0), (50.0, 150.0)] {
            let ramp = phase(10, from, to);
            assert_eq!(ramp.requests(), 1_000);
            let due: Vec<f64> = (0..1_000).map(|n| ramp.due(n).as_secs_f64()).collect();
            assert!(due.is_sorted() && due[999] <= 10.0);
            let first_half = due.iter().filter(|&&t| t < 5.0).count() as f64;
            let expected = 5.0 * (from + (to - from) / 4.0);
            assert!(
                (first_half - expected).abs() <= 1.0,
                "{from} to {to}: {first_half}, not {expected}"
            );
        }
    }

    #[test]
    fn a_phase_has_a_middle() {
        let plan = Scenario::Soak.plan(Duration::from_secs(60), 150.0).unwrap();
        assert_eq!(plan.middle_of("warmup"), Some(675 / 2));
        assert_eq!(plan.middle_of("steady"), Some(675 + 4950 / 2));
        assert_eq!(plan.middle_of("lunch"), None);
    }

    #[test]
    fn a_plan_has_bounds() {
        assert!(Plan::new(vec![]).is_err());
        assert!(
            Plan::new(vec![phase(1, 0.5, 0.5)]).is_err_and(|message| message.contains("raise"))
        );
        assert!(Plan::new(vec![phase(1, -1.0, 5.0)]).is_err());
        assert!(Plan::new(vec![phase(1, 1e9, 1e9)]).is_err());
        assert!(Plan::new(vec![phase(15 * 86_400, 1.0, 1.0)]).is_err());
        assert!(Plan::new(vec![phase(2, 1.0, 1.0)]).is_ok_and(|plan| plan.requests() == 2));
    }
}
