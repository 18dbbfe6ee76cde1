//! The `wall` clock, and asking threads for their stacks: signals sent by us.
//!
//! Signals interrupt threads that sleep, and not every system call is restarted
//! (`epoll_wait`, `nanosleep`), so this clock is for whoever asks for it. Each
//! round signals a few threads, in turn, so that the rate does not grow with
//! the number of threads; a sample stands for the time since the same thread's
//! last signal.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::shared::{Cause, cookie};
use super::signals::{self, Owner};
use super::{directed, masks, tasks};
use crate::clock::Clock;
use crate::error::Error;
use crate::platform::sampling_signal;
use crate::threads::excluded;

/// Threads signalled in one round at most.
const PER_ROUND: usize = 16;
/// How long a list of threads is used.
const LIST_AGE: Duration = Duration::from_millis(100);

pub(crate) struct WallClock {
    epoch: u32,
    signal: libc::c_int,
    period: Duration,
    threads: Vec<u32>,
    /// When each thread was signalled last.
    last: HashMap<u32, Instant>,
    /// Threads that must not be sent the signal; some are looked at with each
    /// listing.
    left: HashSet<u32>,
    looked: usize,
    listed: Instant,
    turn: usize,
    next: Instant,
}

/// The signal to send, with our handler installed for it.
pub(crate) fn prepare_signal() -> Result<libc::c_int, Error> {
    // The clock's own signal where one runs, so that both are one.
    let running = sampling_signal::number();
    let ours = running != 0 && signals::owner(running) == Owner::Us;
    let signal = if ours {
        Some(running)
    } else {
        signals::choose()
    };
    let signal = signal.ok_or_else(|| Error::ClockRefused {
        clock: Clock::Wall,
        reason: "the program handles every signal that could be used".to_owned(),
    })?;
    signals::install_for_timers(signal)?;
    Ok(signal)
}

/// Whether a signal may be sent to a thread: not to one that blocks it, for
/// which it would wait, nor to one that waits for it with `sigwait`, which would
/// take it for its own.
pub(crate) fn may_be_sent(signal: libc::c_int, tid: u32) -> bool {
    // In this order: the mask of a thread that waits does not show what it waits
    // for, so it is asked afterwards whether it does.
    !(masks::of_thread(tid).is_some_and(|mask| mask.blocks(signal))
        || masks::is_waited_for(tid, signal))
}

/// Threads that are not excluded.
pub(crate) fn sampled_threads() -> Vec<u32> {
    let mut threads = tasks::list();
    threads.retain(|tid| !excluded::any(|thread| thread.tid == *tid));
    threads
}

impl WallClock {
    pub(crate) fn start(epoch: u32, period: Duration) -> Result<Self, Error> {
        let now = Instant::now();
        Ok(WallClock {
            epoch,
            signal: prepare_signal()?,
            period,
            threads: Vec::new(),
            last: HashMap::new(),
            listed: now.checked_sub(2 * LIST_AGE).unwrap_or(now),
            left: HashSet::new(),
            looked: 0,
            turn: 0,
            next: now,
        })
    }

    pub(crate) fn armed(&self) -> usize {
        self.threads.len()
    }

    pub(crate) fn signal(&self) -> libc::c_int {
        self.signal
    }

    /// Signals the next threads if it is time to; returns when the next round
    /// is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Instant {
        if now < self.next {
            return self.next;
        }
        self.next = (self.next + self.period).max(now);
        if now.duration_since(self.listed) > LIST_AGE {
            self.threads = sampled_threads();
            self.listed = now;
            let threads = &self.threads;
            self.last.retain(|tid, _| threads.contains(tid));
            self.left.retain(|tid| threads.contains(tid));
            for step in 0..threads.len().min(PER_ROUND) {
                let tid = threads[(self.looked + step) % threads.len()];
                if may_be_sent(self.signal, tid) {
                    self.left.remove(&tid);
                } else {
                    self.left.insert(tid);
                }
            }
            self.looked = (self.looked + PER_ROUND) % threads.len().max(1);
        }
        for _ in 0..self.threads.len().min(PER_ROUND) {
            self.turn = (self.turn + 1) % self.threads.len();
            let tid = self.threads[self.turn];
            if self.left.contains(&tid) {
                continue;
            }
            let last = self.last.insert(tid, now).unwrap_or(now - self.period);
            let micros = now.duration_since(last).as_micros() as u64;
            // One that has gone needs none.
            let value = cookie(self.epoch, Cause::Wall, micros);
            let _ = directed::send(self.signal, tid, value, None);
        }
        self.next
    }
}
