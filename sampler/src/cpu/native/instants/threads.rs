//! The threads that an observer looks at: finding new ones, and choosing some
//! where there are many.
//!
//! A new thread has to be known at the next instant, or short lives would be
//! missed. The kernel gives ids out in order, and says which it gave out last;
//! so the few ids since then are tried. Where more were given out, or nobody
//! says so, the directory of threads is read.
//!
//! With more threads than may be looked at in one instant, those that ran
//! lately are all looked at, and of the others some at random. One of those that
//! runs stands for as many as were passed over, so that expectations are right
//! (Horvitz and Thompson, 1952). Who ran lately was decided before the instant,
//! so it does not depend on who runs in it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::super::tasks;
use super::random::Random;
use crate::own_files::OwnFile;
use crate::platform;
use crate::threads::excluded;

/// Threads that are always looked at, as they ran lately.
const MAX_LATELY: usize = 32;
/// Ids tried in one instant; the directory is read where more were given out.
const MAX_TRIED: u32 = 128;
/// The kernel's first id when it begins anew at the end of the range.
const FIRST_ID_AGAIN: u32 = 300;

/// A thread, as one observer knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) tid: u32,
    clock: libc::clockid_t,
    /// What its CPU clock showed last, in nanoseconds.
    used: u64,
    /// The instant in which it was last seen to have run.
    ran: u64,
}

/// What an instant shows of a thread that ran since it was last looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// It runs at this moment.
    pub(super) runs: bool,
    /// How many threads it stands for: itself, and those that were passed over.
    pub(super) stands_for: f64,
}

impl Seen {
    /// Its weight, where each that is looked at always has `weight`.
    pub(super) fn weight(self, weight: u64) -> u64 {
        (weight as f64 * self.stands_for).round() as u64
    }
}

/// Where the kernel says which id it gave out last.
pub(super) struct LastId {
    file: Option<OwnFile>,
    /// The number is the last word of a line.
    at_end: bool,
    /// The highest id and one.
    end: u32,
}

impl LastId {
    pub(super) fn open() -> Self {
        let end = std::fs::read_to_string("/proc/sys/kernel/pid_max")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let plain = File::open("/proc/sys/kernel/ns_last_pid").ok();
        let at_end = plain.is_none();
        let file = plain.or_else(|| File::open("/proc/loadavg").ok());
        Self {
            file: file.map(OwnFile::new),
            at_end,
            end: end.unwrap_or(32_768),
        }
    }

    fn read(&self) -> Option<u32> {
        let mut text = [0; 96];
        let read = self.file.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..read)?).ok()?.trim_ascii();
        let word = if self.at_end {
            text.rsplit(' ').next()?
        } else {
            text
        };
        word.parse().ok()
    }
}

/// The threads of the process but those that are excluded.
pub(super) struct Threads {
    /// Those that ran lately first.
    all: Vec<Thread>,
    lately: usize,
    last_id: Arc<LastId>,
    last: Option<u32>,
    /// Instants so far.
    instant: u64,
    /// Threads looked at in an instant at most.
    most: usize,
    /// Threads that came since the observer asked.
    new: Vec<u32>,
    /// The time of an instant at which the directory is read again, in
    /// milliseconds.
    next_listing: u64,
}

/// The directory is read this often, for threads that were missed and those that
/// are no longer excluded.
const LISTING_MS: u64 = 5_000;
/// How often it is where ids given out are not known.
const LISTING_ALONE_MS: u64 = 10;

impl Threads {
    pub(super) fn new(last_id: Arc<LastId>, most: usize) -> Self {
        Self {
            all: Vec::new(),
            lately: 0,
            last_id,
            last: None,
            instant: 0,
            most,
            new: Vec::new(),
            next_listing: 0,
        }
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Looks at threads, and shows at once those that ran since they were last
    /// looked at.
    ///
    /// # Errors
    ///
    /// Where the system does not say which threads there are.
    pub(super) fn look(
        &mut self,
        now_ms: u64,
        random: &mut Random,
        mut show: impl FnMut(&mut Thread, Seen),
    ) -> io::Result<()> {
        self.instant += 1;
        self.discover(now_ms)?;
        let others = self.all.len() - self.lately;
        let chosen = others.min(self.most.saturating_sub(self.lately).max(1));
        let stands_for = others as f64 / chosen.max(1) as f64;
        let mut place = 0;
        // A thread that has ended gives its place to another.
        while place < (self.lately + chosen).min(self.all.len()) {
            if place >= self.lately {
                let rest = (self.all.len() - place) as u64;
                self.all.swap(place, place + random.below(rest) as usize);
            }
            let thread = &mut self.all[place];
            let Some(used) = nanoseconds(thread.clock) else {
                self.forget(place);
                continue;
            };
            if used != thread.used {
                let again = nanoseconds(thread.clock).unwrap_or(used);
                thread.used = again;
                thread.ran = self.instant;
                let seen = Seen {
                    runs: again > used,
                    stands_for: if place < self.lately { 1.0 } else { stands_for },
                };
                show(thread, seen);
            }
            place += 1;
        }
        if self.all.len() > self.most {
            self.choose_lately(place);
        }
        Ok(())
    }

    /// Has those that ran in this instant looked at in the next ones. They are
    /// among the first `looked`.
    fn choose_lately(&mut self, looked: usize) {
        for place in self.lately..looked.min(self.all.len()) {
            if self.all[place].ran != self.instant {
                continue;
            }
            self.all.swap(self.lately, place);
            self.lately += 1;
            if self.lately > MAX_LATELY {
                let oldest = (0..self.lately).min_by_key(|place| self.all[*place].ran);
                self.lately -= 1;
                self.all.swap(oldest.unwrap_or(0), self.lately);
            }
        }
    }

    /// One of the threads that came lately; each once.
    pub(super) fn next_new(&mut self) -> Option<u32> {
        self.new.pop()
    }

    fn forget(&mut self, place: usize) {
        if place < self.lately {
            self.lately -= 1;
            self.all.swap(place, self.lately);
            self.all.swap_remove(self.lately);
        } else {
            self.all.swap_remove(place);
        }
    }

    /// Adds threads that are new.
    fn discover(&mut self, now_ms: u64) -> io::Result<()> {
        let last = self.last_id.read();
        let before = std::mem::replace(&mut self.last, last);
        let (Some(last), Some(before), true) = (last, before, now_ms < self.next_listing) else {
            return self.list(now_ms, last.is_some());
        };
        if last == before {
            return Ok(());
        }
        let end = self.last_id.end.max(FIRST_ID_AGAIN + 1);
        let mut tid = before;
        for _ in 0..MAX_TRIED {
            tid += 1;
            if tid >= end {
                tid = FIRST_ID_AGAIN;
            }
            self.try_id(tid);
            if tid == last {
                return Ok(());
            }
        }
        self.list(now_ms, true)
    }

    /// Reads the directory of threads.
    fn list(&mut self, now_ms: u64, ids_are_known: bool) -> io::Result<()> {
        let pause = if ids_are_known {
            LISTING_MS
        } else {
            LISTING_ALONE_MS
        };
        if !ids_are_known && now_ms < self.next_listing {
            return Ok(());
        }
        self.next_listing = now_ms + pause;
        let listed = tasks::list();
        if listed.is_empty() {
            return Err(io::Error::other("/proc/self/task cannot be read"));
        }
        let first = self.all.is_empty();
        let excluded = excluded::ids();
        let mut known: HashSet<u32> = self.all.iter().map(|thread| thread.tid).collect();
        known.extend(&excluded);
        for tid in listed.into_iter().filter(|tid| !known.contains(tid)) {
            // What threads used before they were known is no sign of life now.
            let used = nanoseconds(platform::thread_cpu_clock(tid)).filter(|_| first);
            self.push(tid, used.unwrap_or(0));
        }
        for place in (0..self.all.len()).rev() {
            if excluded.contains(&self.all[place].tid) {
                self.forget(place);
            }
        }
        Ok(())
    }

    /// Adds the thread of this id, if there is one that is not known.
    fn try_id(&mut self, tid: u32) {
        if nanoseconds(platform::thread_cpu_clock(tid)).is_some()
            && self.all.iter().all(|thread| thread.tid != tid)
            && !excluded::any(|thread| thread.tid == tid)
        {
            self.push(tid, 0);
        }
    }

    fn push(&mut self, tid: u32, used: u64) {
        self.all.push(Thread {
            tid,
            clock: platform::thread_cpu_clock(tid),
            used,
            ran: 0,
        });
        self.new.push(tid);
    }
}

/// A thread's CPU time; `None` once it has ended.
fn nanoseconds(clock: libc::clockid_t) -> Option<u64> {
    let time = platform::clock_time(clock)?;
    Some(time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn table(most: usize) -> (Threads, Random) {
        (Threads::new(Arc::new(LastId::open()), most), Random::new())
    }

    #[test]
    fn a_thread_is_known_at_the_instant_after_its_birth() {
        let (mut threads, mut random) = table(1_000);
        threads.look(0, &mut random, |_, _| ()).expect("it can");
        for round in 1..50 {
            let end = AtomicBool::new(false);
            let tid = AtomicBool::new(false);
            thread::scope(|scope| {
                let spinning = scope.spawn(|| {
                    tid.store(true, Ordering::SeqCst);
                    while !end.load(Ordering::SeqCst) {
                        std::hint::spin_loop();
                    }
                    platform::gettid()
                });
                while !tid.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                let mut seen = Vec::new();
                threads
                    .look(round, &mut random, |thread, _| seen.push(thread.tid))
                    .expect("it can");
                end.store(true, Ordering::SeqCst);
                let born = spinning.join().expect("it ends well");
                assert!(seen.contains(&born), "round {round}: {born} of {seen:?}");
            });
        }
    }

    #[test]
    fn of_many_threads_each_is_looked_at_as_often_in_expectation() {
        const THREADS: usize = 60;
        const INSTANTS: usize = 4_000;
        let stop = Arc::new(AtomicBool::new(false));
        let (born, births) = std::sync::mpsc::channel();
        let sleepers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (stop, born) = (stop.clone(), born.clone());
                thread::spawn(move || {
                    let _ = born.send(platform::gettid());
                    while !stop.load(Ordering::SeqCst) {
                        thread::park();
                    }
                })
            })
            .collect();
        let ours: HashSet<u32> = births.iter().take(THREADS).collect();
        let (mut threads, mut random) = table(20);
        threads.look(0, &mut random, |_, _| ()).expect("it can");
        let mut stood_for = 0.0;
        for _ in 0..INSTANTS {
            // As if each had run since: nobody is known to have run lately.
            for thread in &mut threads.all {
                thread.used += 1;
            }
            threads.lately = 0;
            threads
                .look(0, &mut random, |thread, seen| {
                    if ours.contains(&thread.tid) {
                        stood_for += seen.stands_for;
                    }
                })
                .expect("it can");
        }
        // Threads of other tests come and go; a deviation is 0.1 %.
        let each = stood_for / (INSTANTS * THREADS) as f64;
        assert!((each - 1.0).abs() < 0.006, "{each}");
        stop.store(true, Ordering::SeqCst);
        for sleeper in sleepers {
            sleeper.thread().unpark();
            sleeper.join().expect("it ends well");
        }
    }
}
