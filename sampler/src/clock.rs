//! The clocks by name: what delivers a signal on the thread to be sampled.

use std::fmt;
use std::str::FromStr;

/// What decides when a thread is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Clock {
    /// `perf_event_open` task clock, high resolution, inherited by new
    /// threads: sees the shortest lives, and costs a signal per sample. Its
    /// signal is SIGTRAP: a program that resets that handler is ended by it.
    /// Linux only.
    Perf,
    /// Instants drawn at random, and who runs in them: right whatever the load is
    /// in step with, at a rate of its own. Linux only.
    Instants,
    /// One POSIX timer per thread on that thread's CPU clock: hardly any cost,
    /// at the resolution of the kernel's tick: work in step with the tick is seen
    /// too rarely. Linux only.
    Timer,
    /// The `pprof` crate: one timer for the process. Any Unix; on Linux with the
    /// feature `pprof-engine`.
    Pprof,
    /// Wall time: what every thread is doing, on CPU or waiting. Linux only.
    Wall,
    /// Nothing is sampled.
    Off,
}

impl Clock {
    const ALL: [Clock; 6] = [
        Clock::Perf,
        Clock::Instants,
        Clock::Timer,
        Clock::Pprof,
        Clock::Wall,
        Clock::Off,
    ];

    /// The clock's name, as configuration files and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Perf => "perf",
            Clock::Instants => "instants",
            Clock::Timer => "timer",
            Clock::Pprof => "pprof",
            Clock::Wall => "wall",
            Clock::Off => "off",
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClock(String);

impl fmt::Display for UnknownClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a clock; use auto, perf, instants, timer, pprof, wall or off",
            self.0
        )
    }
}

impl std::error::Error for UnknownClock {}

impl FromStr for Clock {
    type Err = UnknownClock;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Clock::ALL
            .into_iter()
            .find(|clock| clock.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownClock(word.to_owned()))
    }
}

/// Which clock to use: the best that works here, or one in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClockChoice {
    /// Try `instants`, then `timer`, then `pprof`, and record why each was refused.
    #[default]
    Auto,
    /// This clock or an error.
    Only(Clock),
}

impl From<Clock> for ClockChoice {
    fn from(clock: Clock) -> Self {
        ClockChoice::Only(clock)
    }
}

impl FromStr for ClockChoice {
    type Err = UnknownClock;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word.trim().eq_ignore_ascii_case("auto") {
            return Ok(ClockChoice::Auto);
        }
        word.parse().map(ClockChoice::Only)
    }
}

impl fmt::Display for ClockChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockChoice::Auto => f.pad("auto"),
            ClockChoice::Only(clock) => clock.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_reads_back_its_own_name() {
        for clock in Clock::ALL {
            assert_eq!(clock.to_string().parse(), Ok(clock));
            assert_eq!(
                clock.to_string().parse::<ClockChoice>(),
                Ok(ClockChoice::Only(clock))
            );
        }
        assert_eq!("Auto".parse(), Ok(ClockChoice::Auto));
        assert!("cycles".parse::<Clock>().is_err());
    }
}
