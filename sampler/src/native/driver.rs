//! The clock that runs now, whichever it is.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::perf_clock::{self, PerfClock};
use super::signals::{self, Owner};
use super::timer_clock::TimerClock;
use super::timers::TimerId;
use super::wall_clock::WallClock;
use super::{shared, tasks};
use crate::Clock;
use crate::error::{Error, Fallback};

pub(crate) enum Driver {
    Idle,
    Perf(PerfClock),
    Timer(TimerClock),
    Wall(WallClock),
    /// Stopped; what it was.
    Stopped(Clock),
}

impl Driver {
    pub(crate) fn start(
        clock: Clock,
        epoch: u32,
        frequency_hz: u32,
        notes: &mut Vec<Fallback>,
    ) -> Result<Driver, Error> {
        let period = match clock {
            Clock::Perf => perf_clock::sample_period(frequency_hz),
            _ => Duration::from_secs(1) / frequency_hz,
        };
        shared::PERIOD.store(period.as_nanos() as u64, Relaxed);
        Ok(match clock {
            Clock::Perf => Driver::Perf(PerfClock::start(epoch, frequency_hz)?),
            Clock::Timer => Driver::Timer(TimerClock::start(epoch, period, notes)?),
            Clock::Wall => Driver::Wall(WallClock::start(epoch, period)?),
            other => {
                return Err(Error::ClockRefused {
                    clock: other,
                    reason: "not a native clock".to_owned(),
                });
            }
        })
    }

    pub(crate) fn clock(&self) -> Clock {
        match self {
            Driver::Idle => Clock::Off,
            Driver::Perf(_) => Clock::Perf,
            Driver::Timer(_) => Clock::Timer,
            Driver::Wall(_) => Clock::Wall,
            Driver::Stopped(clock) => *clock,
        }
    }

    pub(crate) fn armed(&self) -> usize {
        match self {
            Driver::Perf(clock) => clock.armed(),
            Driver::Timer(clock) => clock.armed(),
            Driver::Wall(clock) => clock.armed(),
            Driver::Idle | Driver::Stopped(_) => 0,
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        match self {
            Driver::Timer(clock) => clock.refused,
            _ => 0,
        }
    }

    /// Takes over timers that threads made for themselves.
    pub(crate) fn adopt(&mut self, armed: Vec<(u32, TimerId)>) {
        for (tid, id) in armed {
            match self {
                Driver::Timer(clock) => clock.adopt(tid, id),
                _ => super::timers::delete(id),
            }
        }
    }

    /// Does what is due, and says when the next thing is.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Driver::Timer(clock) => Some(clock.tick(now)),
            Driver::Wall(clock) => Some(clock.tick(now)),
            Driver::Idle | Driver::Perf(_) | Driver::Stopped(_) => None,
        }
    }

    /// Looks whether the clock can go on as it is. When somebody has taken its
    /// signal, or attached a debugger, it changes to timers; says so if it did.
    pub(crate) fn check(&mut self, epoch: u32) -> Option<String> {
        let (signal, clock) = match self {
            Driver::Perf(_) => (libc::SIGTRAP, Clock::Perf),
            Driver::Timer(clock) => (clock.signal(), Clock::Timer),
            Driver::Wall(clock) => (clock.signal(), Clock::Wall),
            Driver::Idle | Driver::Stopped(_) => return None,
        };
        let why = if signals::owner(signal) != Owner::Us {
            format!("the program has taken signal {signal}")
        } else if clock == Clock::Perf && tasks::is_traced() {
            "a debugger was attached".to_owned()
        } else {
            return None;
        };
        self.stop();
        if clock == Clock::Wall {
            return Some(format!("the wall clock stopped: {why}"));
        }
        let period = Duration::from_nanos(shared::PERIOD.load(Relaxed));
        match TimerClock::start(epoch, period, &mut Vec::new()) {
            Ok(timer) => {
                *self = Driver::Timer(timer);
                Some(format!("the {clock} clock gave way to timers: {why}"))
            }
            Err(error) => Some(format!("the {clock} clock stopped: {why}; {error}")),
        }
    }

    pub(crate) fn stop(&mut self) {
        let clock = self.clock();
        if let Driver::Timer(timer) = self {
            timer.stop();
        }
        // A perf clock stops when it is dropped; a wall clock by itself.
        *self = Driver::Stopped(clock);
    }
}
