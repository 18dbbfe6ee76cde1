//! Which engine serves a clock, and in which order clocks are tried.

use super::engine::{Engine, EngineConfig, OffEngine};
use super::native::NativeEngine;
#[cfg(any(feature = "pprof-engine", not(target_os = "linux")))]
use super::pprof;
use crate::clock::Clock;
use crate::error::{Error, Fallback};

/// The order in which [`ClockChoice::Auto`] tries clocks: best first.
///
/// Not perf: its events raise SIGTRAP, which ends the process when somebody
/// resets that signal's handler, and goes to a crash reporter that installs one
/// of its own. It runs for whoever asks for it by name.
const PREFERENCE: [Clock; 3] = [Clock::Instants, Clock::Timer, Clock::Pprof];

/// Starts the best clock that works here, and records why better ones do not.
pub(super) fn first_that_starts(
    config: &EngineConfig,
    fallbacks: &mut Vec<Fallback>,
) -> Result<Box<dyn Engine>, Error> {
    for clock in PREFERENCE {
        match start(clock, config) {
            Ok(engine) => return Ok(engine),
            Err(Error::ClockRefused { clock, reason }) => {
                fallbacks.push(Fallback { clock, reason });
            }
            Err(other) => fallbacks.push(Fallback {
                clock,
                reason: other.to_string(),
            }),
        }
    }
    Err(Error::NoClock(std::mem::take(fallbacks)))
}

/// Starts the engine of one clock.
pub(super) fn start(clock: Clock, config: &EngineConfig) -> Result<Box<dyn Engine>, Error> {
    match clock {
        #[cfg(any(feature = "pprof-engine", not(target_os = "linux")))]
        Clock::Pprof => Ok(Box::new(pprof::PprofEngine::start(config.clone())?)),
        #[cfg(not(any(feature = "pprof-engine", not(target_os = "linux"))))]
        Clock::Pprof => Err(not_built_in()),
        Clock::Off => Ok(Box::new(OffEngine)),
        Clock::Perf | Clock::Instants | Clock::Timer | Clock::Wall => {
            Ok(Box::new(NativeEngine::start(clock, config)?))
        }
    }
}

/// Why there is no `pprof` clock in a build without its engine.
#[cfg(any(test, not(any(feature = "pprof-engine", not(target_os = "linux")))))]
fn not_built_in() -> Error {
    Error::ClockRefused {
        clock: Clock::Pprof,
        reason: "this program was built without it; \
                 build soakscope with the feature `pprof-engine`"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_build_without_the_pprof_engine_names_the_feature() {
        let refused = super::not_built_in().to_string();
        assert!(
            refused.contains("pprof") && refused.contains("`pprof-engine`"),
            "{refused}"
        );
    }
}
