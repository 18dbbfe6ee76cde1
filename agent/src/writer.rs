//! The one thread that writes to the run directory.
//!
//! Whoever has something to write hands it over without waiting for the disk.
//! What the disk does not take, because it is full, gone, read-only or slow, is
//! kept up to a bound and written when it takes it again; beyond the bound the
//! oldest goes and is counted, profiles before rows. Each kind of file is a
//! lane of its own, so that one that cannot be written holds up no other.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soakscope_report::{RunDir, RunInfo};
use soakscope_sampler::exclude_current_thread;

use crate::appender::Appender;
use crate::drops::Drops;
use crate::error::Error;
use crate::profiles::retention::{Retention, Step};

/// Bytes kept while the disk refuses: some hours of rows.
const KEPT_BYTES: usize = 4 << 20;
/// How often a disk that refused is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A write that takes longer is trouble.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes of `spans.csv`, of `spans.hlog` and of `events.jsonl`, whatever the service calls its
/// spans and however often something happens to it.
const MOST_SPAN_BYTES: u64 = 40 << 20;
const MOST_EVENT_BYTES: u64 = 10 << 20;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Job {
    Timeline(String),
    Spans(String),
    SpanLog(String),
    Event(String),
    Profile { name: String, bytes: Vec<u8> },
}

/// In the order in which they are given up when there is no room.
const LANES: usize = 5;

impl Job {
    fn lane(&self) -> usize {
        match self {
            Job::Profile { .. } => 0,
            Job::SpanLog(_) => 1,
            Job::Spans(_) => 2,
            Job::Event(_) => 3,
            Job::Timeline(_) => 4,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Job::Timeline(line) | Job::Spans(line) | Job::SpanLog(line) | Job::Event(line) => {
                line.len()
            }
            Job::Profile { bytes, .. } => bytes.len(),
        }
    }

    fn lost(&self) -> &'static str {
        match self {
            Job::Timeline(_) => "timeline_rows",
            Job::Spans(_) => "span_rows",
            Job::SpanLog(_) => "span_histograms",
            Job::Event(_) => "events",
            Job::Profile { .. } => "profile_windows",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    _thread: JoinHandle<()>,
}

/// What the writer's thread shares with those who hand jobs over. The lock is
/// never held while something is written.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    drops: Arc<Drops>,
}

#[derive(Debug, Default)]
struct State {
    lanes: [VecDeque<Job>; LANES],
    bytes: usize,
    flushes: Vec<SyncSender<bool>>,
    /// What the disk last said, by lane, while it refuses.
    refused: [Option<String>; LANES],
    /// Since when a write is under way.
    writing: Option<Instant>,
    closed: bool,
}

impl State {
    fn trouble(&self) -> Option<String> {
        let said = self.refused.iter().flatten().next().cloned();
        let slow = || {
            let took = self.writing?.elapsed();
            (took > SLOW).then(|| format!("a write has taken {:.0} s", took.as_secs_f64()))
        };
        said.or_else(slow)
    }
}

impl Writer {
    pub(crate) fn start(dir: RunDir, drops: Arc<Drops>) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
            drops,
        });
        let mut scribe = Scribe {
            info: dir.info()?,
            timeline: Appender::open(dir.clone(), RunDir::append_timeline, u64::MAX)?,
            spans: Appender::open(dir.clone(), RunDir::append_spans, MOST_SPAN_BYTES)?,
            span_log: Appender::open(dir.clone(), RunDir::append_span_log, MOST_SPAN_BYTES)?,
            events: Appender::open(dir.clone(), RunDir::append_events, MOST_EVENT_BYTES)?,
            dir,
            retention: Retention::default(),
            rest: [None; LANES],
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("soakscope-write".to_owned())
            .spawn(move || {
                let _own = exclude_current_thread();
                scribe.run();
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            shared,
            _thread: thread,
        })
    }

    /// Hands a job over. Never waits for the disk.
    pub(crate) fn send(&self, job: Job) {
        let mut state = self.shared.lock();
        state.bytes += job.bytes();
        state.lanes[job.lane()].push_back(job);
        while state.bytes > KEPT_BYTES {
            let Some(oldest) = state.lanes.iter_mut().find_map(VecDeque::pop_front) else {
                break;
            };
            state.bytes -= oldest.bytes();
            self.shared.drops.add(oldest.lost(), 1);
        }
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Waits until what was handed over before is written, at most `patience`.
    /// Answers whether everything is on disk.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.shared.lock().flushes.push(done);
        self.shared.wake.notify_one();
        wait.recv_timeout(patience).unwrap_or(false)
    }

    /// What the disk last said, while it refuses or is slow.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble()
    }

    /// Bytes that wait for the disk.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.shared.lock().bytes as u64
    }

    /// Descriptors held for the files that grow.
    pub(crate) fn descriptors(&self) -> u64 {
        4
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Scribe {
    dir: RunDir,
    /// Written again where the directory was made anew.
    info: RunInfo,
    timeline: Appender,
    spans: Appender,
    span_log: Appender,
    events: Appender,
    retention: Retention,
    /// Until when a lane that was refused is left alone.
    rest: [Option<Instant>; LANES],
    shared: Arc<Shared>,
}

impl Scribe {
    fn run(&mut self) {
        loop {
            let refused = self.write_all();
            if !refused {
                self.retain();
            }
            let mut state = self.shared.lock();
            let empty = state.lanes.iter().all(VecDeque::is_empty);
            if !refused && !empty {
                continue;
            }
            for done in std::mem::take(&mut state.flushes) {
                // Nobody waits any more where this fails; nothing is lost.
                let _ = done.try_send(empty);
            }
            if state.closed {
                return;
            }
            let wake = &self.shared.wake;
            // A job that came to another lane than the refused one wakes too.
            if refused {
                let waited = wake.wait_timeout(state, RETRY);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            } else {
                drop(wake.wait(state).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Writes lane by lane until each is empty or refused. Answers whether any
    /// was refused.
    fn write_all(&mut self) -> bool {
        let mut any_refused = false;
        // Whoever waits for a flush wants it tried now.
        let flushing = !self.shared.lock().flushes.is_empty();
        // Rows first: they are what a run is made of.
        for lane in (0..LANES).rev() {
            if !flushing && self.rest[lane].is_some_and(|until| Instant::now() < until) {
                any_refused = true;
                continue;
            }
            self.rest[lane] = None;
            loop {
                let mut state = self.shared.lock();
                let Some(job) = state.lanes[lane].pop_front() else {
                    break;
                };
                // Its bytes stay counted until it is written.
                state.writing = Some(Instant::now());
                drop(state);
                let written = self.write(&job);
                let mut state = self.shared.lock();
                state.writing = None;
                match written {
                    Ok(()) => {
                        state.bytes -= job.bytes();
                        state.refused[lane] = None;
                    }
                    Err(error) => {
                        if state.trouble().is_none() {
                            tracing::warn!(target: "soakscope", %error, "the run directory refuses a write; kept and tried again");
                        }
                        state.refused[lane] = Some(error);
                        state.lanes[lane].push_front(job);
                        self.rest[lane] = Some(Instant::now() + RETRY);
                        any_refused = true;
                        break;
                    }
                }
            }
        }
        any_refused
    }

    fn write(&mut self, job: &Job) -> Result<(), String> {
        let drops = &self.shared.drops;
        let appended = match job {
            Job::Timeline(line) => self.timeline.append(line),
            Job::Spans(line) => self.spans.append(line),
            Job::SpanLog(line) => self.span_log.append(line),
            Job::Event(line) => self.events.append(line),
            Job::Profile { name, bytes } => {
                // A directory that is gone is not made anew behind its owner's back.
                if !self.dir.path().is_dir() {
                    return Err(format!("{} is gone", self.dir.path().display()));
                }
                let written = self.dir.write_profile(name, bytes);
                written.map_err(|error| error.to_string())?;
                self.retention.wrote(name, bytes.len() as u64);
                return Ok(());
            }
        };
        let fitted = appended.map_err(|error| error.to_string())?;
        if !fitted {
            drops.add(job.lost(), 1);
        }
        if !self.dir.path().join("run.json").exists() {
            let written = self.dir.write_info(&self.info);
            written.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Merges old windows as long as nothing waits to be written.
    fn retain(&mut self) {
        loop {
            let idle = self.shared.lock().lanes.iter().all(VecDeque::is_empty);
            if !idle {
                return;
            }
            match self.retention.step(&self.dir) {
                Ok(Step::Merged) => {}
                Ok(Step::Nothing) => return,
                Ok(Step::Lost(windows)) => self.shared.drops.add("profile_windows", windows),
                Err(error) => {
                    tracing::debug!(target: "soakscope", %error, "profiles were not merged");
                    return;
                }
            }
        }
    }
}
