//! The clock that runs now, whichever it is.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::blocked::Counted;
use super::instants::InstantsClock;
use super::perf_clock::{self, PerfClock};
use super::signals::{self, Owner};
use super::timer_clock::TimerClock;
use super::timers::TimerId;
use super::wall_clock::WallClock;
use super::{shared, tasks};
use crate::clock::Clock;
use crate::cpu::window::InstantStats;
use crate::error::{Error, Fallback};

pub(crate) enum Driver {
    Idle,
    Perf(PerfClock),
    Instants(Box<InstantsClock>),
    Timer(TimerClock),
    Wall(WallClock),
    /// Stopped; what it was.
    Stopped(Clock, Option<InstantStats>),
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
            Clock::Instants => Driver::Instants(Box::new(InstantsClock::start(epoch, period)?)),
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
            Driver::Instants(_) => Clock::Instants,
            Driver::Timer(_) => Clock::Timer,
            Driver::Wall(_) => Clock::Wall,
            Driver::Stopped(clock, _) => *clock,
        }
    }

    pub(crate) fn armed(&self) -> usize {
        match self {
            Driver::Perf(clock) => clock.armed(),
            Driver::Instants(clock) => clock.armed(),
            Driver::Timer(clock) => clock.armed(),
            Driver::Wall(clock) => clock.armed(),
            Driver::Idle | Driver::Stopped(..) => 0,
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        match self {
            Driver::Instants(clock) => clock.refused(),
            Driver::Timer(clock) => clock.refused,
            _ => 0,
        }
    }

    /// Takes over timers that threads made for themselves.
    pub(crate) fn adopt(&mut self, armed: Vec<(u32, TimerId)>) {
        for (tid, id) in armed {
            match self {
                Driver::Instants(clock) => clock.adopt(tid, id),
                Driver::Timer(clock) => clock.adopt(tid, id),
                _ => super::timers::delete(id),
            }
        }
    }

    /// Does what is due, and returns when the next thing is.
    pub(crate) fn tick(&mut self, now: Instant, notes: &mut Vec<String>) -> Option<Instant> {
        match self {
            Driver::Instants(clock) => clock.tick(now, notes),
            Driver::Timer(clock) => Some(clock.tick(now)),
            Driver::Wall(clock) => Some(clock.tick(now)),
            Driver::Idle | Driver::Perf(_) | Driver::Stopped(..) => None,
        }
    }

    /// The signal of the clock that runs.
    pub(crate) fn signal(&self) -> Option<libc::c_int> {
        match self {
            Driver::Perf(_) => Some(libc::SIGTRAP),
            Driver::Instants(clock) => Some(clock.signal()),
            Driver::Timer(clock) => Some(clock.signal()),
            Driver::Wall(clock) => Some(clock.signal()),
            Driver::Idle | Driver::Stopped(..) => None,
        }
    }

    /// Looks whether the clock's signal still comes to us. One that was reset
    /// is installed again; where somebody has taken it, the clock moves to
    /// another signal, or gives way to timers. Says so if it did.
    pub(crate) fn keep_signal(&mut self, epoch: u32) -> Option<String> {
        let signal = self.signal()?;
        let name = signals::name(signal);
        match signals::owner(signal) {
            Owner::Us => None,
            // Timers whose signal was ignored for a moment do not go on by
            // themselves when it has a handler again.
            Owner::Nobody if !matches!(self, Driver::Wall(_)) => {
                Some(self.give_way(epoch, &format!("the program reset {name}")))
            }
            Owner::Nobody => Some(match signals::install(signal) {
                Ok(()) => format!("the program reset {name}; its handler was installed again"),
                Err(error) => self.give_way(epoch, &format!("the program reset {name}: {error}")),
            }),
            Owner::SomebodyElse => {
                Some(self.give_way(epoch, &format!("the program has taken {name}")))
            }
        }
    }

    /// What the clock itself counted of threads that block its signal.
    pub(crate) fn blocked(&self) -> Counted {
        match self {
            Driver::Instants(clock) => Counted {
                unseen: clock.unseen(),
                threads: clock.blocking(),
            },
            Driver::Timer(clock) => Counted {
                unseen: clock.unseen(),
                threads: 0,
            },
            _ => Counted::default(),
        }
    }

    /// Takes the timers of these threads back: they block the signal, and might
    /// receive it with `sigwait`, as if it were for them.
    pub(crate) fn leave_alone(&mut self, threads: &[u32]) {
        match self {
            Driver::Instants(clock) => clock.leave_alone(threads),
            Driver::Timer(clock) => clock.leave_alone(threads),
            _ => {}
        }
    }

    /// Instants so far, where the clock has them.
    pub(crate) fn instants(&self) -> Option<InstantStats> {
        match self {
            Driver::Instants(clock) => Some(clock.stats()),
            Driver::Stopped(_, instants) => instants.clone(),
            _ => None,
        }
    }

    /// A debugger's own signal is SIGTRAP.
    pub(crate) fn heed_debugger(&mut self, epoch: u32) -> Option<String> {
        (matches!(self, Driver::Perf(_)) && tasks::is_traced())
            .then(|| self.give_way(epoch, "a debugger was attached"))
    }

    /// Stops the clock and starts it with another signal; that of CPU time goes
    /// on as timers.
    fn give_way(&mut self, epoch: u32, why: &str) -> String {
        let clock = self.clock();
        self.stop();
        let period = Duration::from_nanos(shared::PERIOD.load(Relaxed));
        let again = match clock {
            Clock::Wall => WallClock::start(epoch, period).map(Driver::Wall),
            Clock::Instants => {
                InstantsClock::start(epoch, period).map(|clock| Driver::Instants(Box::new(clock)))
            }
            _ => TimerClock::start(epoch, period, &mut Vec::new()).map(Driver::Timer),
        };
        match again {
            Ok(driver) => {
                *self = driver;
                let signal = self.signal().map(signals::name).unwrap_or_default();
                let now = self.clock();
                format!("{why}: the {clock} clock went on as {now} with {signal}")
            }
            Err(error) => format!("{why}: the {clock} clock stopped; {error}"),
        }
    }

    pub(crate) fn stop(&mut self) {
        let clock = self.clock();
        match self {
            Driver::Instants(instants) => instants.stop(),
            Driver::Timer(timer) => timer.stop(),
            // A perf clock stops when it is dropped; a wall clock by itself.
            _ => {}
        }
        *self = Driver::Stopped(clock, self.instants());
    }
}
