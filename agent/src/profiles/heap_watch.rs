//! The thread that takes heap profiles: closely while the run is young, then
//! at a step, and one when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soakscope_report::DropCause;
use soakscope_sampler::{Detail, heap};

use super::heap::heap_profile;
use super::profile::Symbols;
use crate::disk::job::Job;
use crate::error::Error;
use crate::session::Session;
use crate::threads;
use crate::threads::stop::Stop;

/// The first profile is taken after this long, unless the step is shorter.
const FIRST: Duration = Duration::from_secs(5);
/// While the run is young, the next one after this part of its age.
const PART: u32 = 6;

pub(crate) struct HeapWatch {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl HeapWatch {
    /// Begins, where the service has the heap profiler as its allocator.
    pub(crate) fn start(session: Arc<Session>) -> Result<Option<Self>, Error> {
        if heap::stats().is_none() {
            return Ok(None);
        }
        let stop = Stop::default();
        let stopped = stop.clone();
        let thread = threads::spawn(threads::HEAP, move || Watching::new(session).run(&stopped))?;
        Ok(Some(Self { stop, thread }))
    }

    /// Writes the last profile and ends. Answers `false` where the thread had
    /// died.
    pub(crate) fn stop(self) -> bool {
        self.stop.stop();
        self.thread.join().is_ok()
    }
}

struct Watching {
    session: Arc<Session>,
    symbols: Symbols,
    number: u32,
    /// On the heap's clock.
    run_start: Option<Duration>,
}

impl Watching {
    fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            symbols: Symbols::default(),
            number: 0,
            run_start: None,
        }
    }

    fn run(&mut self, stop: &Stop) {
        let longest = self.session.config.heap_step;
        loop {
            let step =
                (self.session.clock.started.elapsed() / PART).clamp(FIRST.min(longest), longest);
            if stop.wait_until(Instant::now() + step) {
                self.take();
                return;
            }
            self.take();
        }
    }

    fn take(&mut self) {
        let Some(profile) = heap::snapshot() else {
            return;
        };
        let drops = &self.session.drops;
        drops.set(DropCause::HeapBlocks, profile.stats.lost);
        drops.set(DropCause::HeapDetail, profile.stats.folded);
        if profile.stats.samples == 0 {
            return;
        }
        // Found once, so that a block is born in the same second in all profiles.
        let start = *self.run_start.get_or_insert_with(|| {
            let elapsed = self.session.clock.started.elapsed();
            profile.clock.saturating_sub(elapsed)
        });
        let taken = Instant::now();
        let mut profile = heap_profile(
            &profile,
            &mut self.symbols,
            Detail::Names,
            Some(start),
            &self.session,
        );
        // Where in the run it lies, also where the wall clock was set since.
        profile.time_nanos = self.session.clock.nanos_at(taken);
        let names = self.symbols.bytes();
        self.session.own.heap_names.store(names, Relaxed);
        self.number += 1;
        self.session.writer.send(Job::Profile {
            name: format!("heap-{:06}", self.number),
            bytes: profile.encode(),
        });
    }
}
