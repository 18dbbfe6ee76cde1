//! The shapes of load, by the names that load testers use.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::plan::{Phase, Plan};

/// The shape of a run. Each is stretched to the run's length; rates are multiples of the run's rate.
///
/// | | Phases: share of the time × rate |
/// |---|---|
/// | `smoke` | smoke 100 % × 0.1: does it work at all? |
/// | `load` | warmup 15 % rising to 1 · steady 70 % × 1 · cooldown 15 % falling to 0.1 |
/// | `stress` | warmup 10 % × 0.5 · stress-1x, -2x, -3x and -4x 20 % each · cooldown 10 % × 0.5 |
/// | `spike` | warmup 15 % × 1 · spike 10 % × 5 · recovery 25 % × 1 · spike-again 10 % × 5 · cooldown 40 % × 1 |
/// | `soak` | warmup 15 % × 0.5 · steady 55 % × 1 · spike 15 % × 3 · cooldown 15 % × 0.5 |
///
/// In a soak of more than twenty minutes only `steady` goes on growing; the phases around it stop at three minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scenario {
    /// Does it work at all?
    Smoke,
    /// An ordinary day.
    Load,
    /// More and more, to see where it bends.
    Stress,
    /// Sudden crowds, to see whether it recovers.
    Spike,
    /// A long steady stretch with one crowd near its end: what leaks are found with.
    #[default]
    Soak,
}

/// What the phases around a soak's steady stretch take at most.
const SOAK_EDGE_MOST: Duration = Duration::from_secs(180);

impl Scenario {
    /// Every scenario, in the order the help shows them.
    pub const ALL: [Self; 5] = [
        Self::Smoke,
        Self::Load,
        Self::Stress,
        Self::Spike,
        Self::Soak,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Load => "load",
            Self::Stress => "stress",
            Self::Spike => "spike",
            Self::Soak => "soak",
        }
    }

    /// The plan for a run of this length, at this rate in requests per second.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn plan(self, length: Duration, rate: f64) -> Result<Plan, String> {
        let mut phases: Vec<Phase> = self
            .shape()
            .iter()
            .map(|&(name, share, from, to)| Phase {
                name: name.to_owned(),
                length: length.mul_f64(share),
                from_rate: rate * from,
                to_rate: rate * to,
            })
            .collect();
        if self == Self::Soak {
            for phase in &mut phases {
                phase.length = phase.length.min(SOAK_EDGE_MOST);
            }
            let edges: Duration =
                phases.iter().map(|phase| phase.length).sum::<Duration>() - phases[1].length;
            phases[1].length = length.saturating_sub(edges);
        }
        Plan::new(phases)
    }

    /// Name, share of the time, and the rates at its begin and end as multiples of the run's.
    fn shape(self) -> &'static [(&'static str, f64, f64, f64)] {
        match self {
            Self::Smoke => &[("smoke", 1.0, 0.1, 0.1)],
            Self::Load => &[
                ("warmup", 0.15, 0.1, 1.0),
                ("steady", 0.7, 1.0, 1.0),
                ("cooldown", 0.15, 1.0, 0.1),
            ],
            Self::Stress => &[
                ("warmup", 0.1, 0.5, 0.5),
                ("stress-1x", 0.2, 1.0, 1.0),
                ("stress-2x", 0.2, 2.0, 2.0),
                ("stress-3x", 0.2, 3.0, 3.0),
                ("stress-4x", 0.2, 4.0, 4.0),
                ("cooldown", 0.1, 0.5, 0.5),
            ],
            Self::Spike => &[
                ("warmup", 0.15, 1.0, 1.0),
                ("spike", 0.1, 5.0, 5.0),
                ("recovery", 0.25, 1.0, 1.0),
                ("spike-again", 0.1, 5.0, 5.0),
                ("cooldown", 0.4, 1.0, 1.0),
            ],
            Self::Soak => &[
                ("warmup", 0.15, 0.5, 0.5),
                ("steady", 0.55, 1.0, 1.0),
                ("spike", 0.15, 3.0, 3.0),
                ("cooldown", 0.15, 0.5, 0.5),
            ],
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text)
            .ok_or_else(|| format!("choose one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_takes_exactly_its_time() {
        for scenario in Scenario::ALL {
            for minutes in [1, 7, 600] {
                let length = Duration::from_secs(60 * minutes);
                let plan = scenario.plan(length, 150.0).unwrap();
                assert!(
                    plan.length().abs_diff(length) < Duration::from_micros(1),
                    "{scenario}"
                );
                assert_eq!(scenario.name().parse(), Ok(scenario));
            }
        }
    }

    #[test]
    fn the_default_minute_walks_through_four_phases() {
        let plan = Scenario::default()
            .plan(Duration::from_secs(60), 150.0)
            .unwrap();
        let seen: Vec<(&str, u64, f64)> = plan
            .phases()
            .iter()
            .map(|p| (p.name.as_str(), p.length.as_secs(), p.from_rate))
            .collect();
        assert_eq!(
            seen,
            [
                ("warmup", 9, 75.0),
                ("steady", 33, 150.0),
                ("spike", 9, 450.0),
                ("cooldown", 9, 75.0)
            ]
        );
    }

    #[test]
    fn a_long_soak_is_mostly_steady() {
        let plan = Scenario::Soak
            .plan(Duration::from_secs(86_400), 10.0)
            .unwrap();
        assert_eq!(
            plan.phases()[1].length,
            Duration::from_secs(86_400 - 3 * 180)
        );
    }
}
