//! Threads that block the sampler's signal: they cannot be seen, and the CPU
//! time they use is counted as lost instead of passed over.
//!
//! A thread inherits the mask of the one that made it, so a program that
//! blocks all signals before it starts its runtime hides all its threads.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{masks, signals, tasks};
use crate::platform;
use crate::threads::excluded;

/// Threads looked at in one check; more are looked at in turn.
const PER_CHECK: usize = 16;

#[derive(Default)]
pub(crate) struct Watch {
    /// Threads that blocked the signal when they were last looked at.
    blind: HashMap<u32, Blind>,
    /// Where the next check goes on.
    turn: usize,
    /// CPU time of the process when the watch began.
    since: Option<Duration>,
    /// CPU time since then of blind threads that were armed.
    lost: Duration,
    /// The samples that were counted as lost so far.
    counted: u64,
    /// How many blind threads the last warning named.
    warned_of: usize,
    /// The threads of the last check; `None` before the first.
    before: Option<HashSet<u32>>,
    /// The CPU time of threads when they were last looked at.
    looks: HashMap<u32, Duration>,
}

struct Blind {
    /// Its CPU time at that look.
    used: Duration,
    /// It used CPU time from one look to the next, so it is not just being
    /// born, when all signals are blocked for a moment.
    certain: bool,
}

/// What the clock knows of threads that block the signal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// CPU time that it counted as lost.
    pub(crate) unseen: Duration,
    /// Threads that it met.
    pub(crate) threads: usize,
}

/// What a check found.
pub(crate) struct Found {
    /// Samples that blind threads would have had since the last check.
    pub(crate) lost: u64,
    /// Threads to which the signal must not be sent: it would wait for them, or
    /// be received as if it were for them.
    pub(crate) leave: Vec<u32>,
    /// What the user should know, when there is news.
    pub(crate) warning: Option<String>,
}

impl Watch {
    /// Looks at the next threads and at those known to be blind. A sample is
    /// due each `period` of CPU time to a thread that `is_armed`; `clock` is what the
    /// clock itself has counted.
    pub(crate) fn check(
        &mut self,
        signal: libc::c_int,
        period: Duration,
        is_armed: impl Fn(u32) -> bool,
        clock: Counted,
    ) -> Found {
        let process = platform::process_cpu_time();
        let since = *self.since.get_or_insert(process);
        let threads = tasks::list();
        let mut leave = Vec::new();
        for tid in self.next_threads(&threads) {
            let used = platform::clock_time(platform::thread_cpu_clock(tid));
            let mask = masks::of_thread(tid).filter(|mask| mask.blocks(signal));
            let last = used.and_then(|used| self.looks.insert(tid, used));
            let armed = is_armed(tid);
            if armed && (mask.is_some() || masks::is_waited_for(tid, signal)) {
                leave.push(tid);
            }
            let (Some(used), Some(mask)) = (used, mask) else {
                self.blind.remove(&tid);
                continue;
            };
            // One that is armed has a signal waiting, unless it used no time
            // or is in the handler at this moment.
            if armed && !mask.is_pending(signal) {
                self.blind.remove(&tid);
                continue;
            }
            // The time of one that is blind is lost since it was last looked at, or
            // since it came, if that was after the last check.
            let came = self.before.as_ref().is_some_and(|b| !b.contains(&tid));
            let from = if came { Duration::ZERO } else { used };
            let known = self.blind.contains_key(&tid);
            let blind = self.blind.entry(tid).or_insert(Blind {
                used: last.unwrap_or(from),
                certain: false,
            });
            let since = used.saturating_sub(blind.used);
            // A thread blocks all signals when it is born and when it ends: one look
            // says nothing, unless a signal waits for it.
            if blind.certain || (since >= period && (armed || known)) {
                blind.certain = true;
                blind.used = used;
                if armed {
                    self.lost += since;
                }
            }
        }
        self.before = Some(threads.iter().copied().collect());
        let counted = (self.lost.as_nanos() / period.as_nanos().max(1)) as u64;
        let lost = counted.saturating_sub(self.counted);
        self.counted = counted;
        Found {
            lost,
            leave,
            warning: self.news(
                signal,
                threads.len(),
                self.lost + clock.unseen,
                clock.threads,
                process.saturating_sub(since),
            ),
        }
    }

    /// Those known to be blind, and the next few of the others.
    fn next_threads(&mut self, threads: &[u32]) -> Vec<u32> {
        self.blind.retain(|tid, _| threads.contains(tid));
        self.looks.retain(|tid, _| threads.contains(tid));
        let mut next: Vec<u32> = self.blind.keys().copied().collect();
        for step in 0..threads.len().min(PER_CHECK) {
            let tid = threads[(self.turn + step) % threads.len()];
            if !self.blind.contains_key(&tid) && !excluded::any(|thread| thread.tid == tid) {
                next.push(tid);
            }
        }
        self.turn = (self.turn + PER_CHECK) % threads.len().max(1);
        next
    }

    /// The first time, and again when it has become much worse.
    fn news(
        &mut self,
        signal: libc::c_int,
        threads: usize,
        lost: Duration,
        by_clock: usize,
        used: Duration,
    ) -> Option<String> {
        let blind = self.blind.values().filter(|blind| blind.certain).count();
        // Threads that have ended are counted with those that live; where next to
        // nothing is lost, they blocked it for a moment.
        let much = lost > used / 100;
        let blind = blind.max(if much { by_clock } else { 0 });
        let threads = threads.max(blind);
        if blind == 0 || (self.warned_of > 0 && blind <= 2 * self.warned_of) {
            return None;
        }
        self.warned_of = blind;
        let share = if lost.is_zero() || used.is_zero() {
            String::new()
        } else {
            let share = 100.0 * lost.as_secs_f64() / used.as_secs_f64();
            format!(" ({:.0} % of the CPU time so far)", share.min(100.0))
        };
        Some(format!(
            "{blind} of {threads} threads block {} and are missing from the CPU profile{share}: \
             unblock it in them with pthread_sigmask, or start them before signals are blocked",
            signals::name(signal),
        ))
    }
}
