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

use soakscope_report::{DropCause, Error as ReportError, RunDir, RunInfo};

use crate::disk::appender::Appender;
use crate::disk::job::{Job, LANES};
use crate::disk::retention::{Retention, Step};
use crate::drops::Drops;
use crate::error::Error;
use crate::threads;

/// Bytes kept while the disk refuses: some hours of rows.
const KEPT_BYTES: usize = 4 << 20;
/// How often a disk that refused is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A write that takes longer is trouble.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes of `spans.csv`, of `spans.hlog` and of `events.jsonl`, whatever the service calls its
/// spans and however often something happens to it.
const MAX_SPAN_BYTES: u64 = 40 << 20;
const MAX_EVENT_BYTES: u64 = 10 << 20;

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

/// A job, and whether the disk refused it already.
#[derive(Debug)]
struct Waiting {
    job: Job,
    refused: bool,
}

#[derive(Debug, Default)]
struct State {
    lanes: [VecDeque<Waiting>; LANES],
    bytes: usize,
    flushes: Vec<SyncSender<bool>>,
    /// What the disk last said, by lane, while it refuses.
    refused: [Option<String>; LANES],
    /// What it said of `run.json`, while that is missing.
    info_refused: Option<String>,
    /// Since when a write is under way.
    writing: Option<Instant>,
    closed: bool,
}

impl State {
    fn trouble(&self) -> Option<String> {
        let errors = self.refused.iter().chain([&self.info_refused]);
        let error = errors.flatten().next().cloned();
        let slow = || {
            let took = self.writing?.elapsed();
            (took > SLOW).then(|| format!("a write has taken {:.0} s", took.as_secs_f64()))
        };
        error.or_else(slow)
    }
}

impl Writer {
    /// Begins to write. `info` is written again where it is missing.
    pub(crate) fn start(
        dir: RunDir,
        info: Arc<Mutex<RunInfo>>,
        drops: Arc<Drops>,
    ) -> Result<Self, Error> {
        let timeline = Appender::open(dir.clone(), RunDir::append_timeline, u64::MAX)?;
        Self::start_with(timeline, dir, info, drops)
    }

    fn start_with(
        timeline: Appender,
        dir: RunDir,
        info: Arc<Mutex<RunInfo>>,
        drops: Arc<Drops>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
            drops,
        });
        let mut writing = WriterThread {
            info,
            timeline,
            spans: Appender::open(dir.clone(), RunDir::append_spans, MAX_SPAN_BYTES)?,
            span_log: Appender::open(dir.clone(), RunDir::append_span_log, MAX_SPAN_BYTES)?,
            events: Appender::open(dir.clone(), RunDir::append_events, MAX_EVENT_BYTES)?,
            dir,
            retention: Retention::default(),
            rest: [None; LANES],
            shared: Arc::clone(&shared),
        };
        let dir_to_sync = writing.dir.clone();
        let thread = threads::spawn(threads::WRITE, move || writing.run())?;
        // Apart, as a disk takes its time for it and rows are not to wait. Without
        // a thread for it, the seal does it.
        let _ = threads::spawn(threads::SYNC, move || {
            if let Err(error) = dir_to_sync.sync_info() {
                tracing::debug!(target: "soakscope", %error, "run.json may not be on the disk yet");
            }
        });
        Ok(Self {
            shared,
            _thread: thread,
        })
    }

    /// Hands a job over. Never waits for the disk.
    pub(crate) fn send(&self, job: Job) {
        let mut state = self.shared.lock();
        state.bytes += job.bytes();
        let lane = job.lane();
        let refused = false;
        state.lanes[lane].push_back(Waiting { job, refused });
        while state.bytes > KEPT_BYTES {
            let Some(oldest) = state.lanes.iter_mut().find_map(VecDeque::pop_front) else {
                break;
            };
            state.bytes -= oldest.job.bytes();
            self.shared.drops.add(oldest.job.lost(), 1);
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

    /// Counts what still waits for the disk as lost: nobody waits for it any
    /// longer.
    pub(crate) fn give_up(&self) {
        let state = self.shared.lock();
        for waiting in state.lanes.iter().flatten() {
            self.shared.drops.add(waiting.job.lost(), 1);
        }
    }

    /// Descriptors held for the directory and the files that grow.
    pub(crate) fn descriptors(&self) -> u64 {
        5
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

/// What the writer's thread has for itself.
struct WriterThread {
    dir: RunDir,
    /// Written again where the directory was made anew.
    info: Arc<Mutex<RunInfo>>,
    timeline: Appender,
    spans: Appender,
    span_log: Appender,
    events: Appender,
    retention: Retention,
    /// Until when a lane that was refused is left alone.
    rest: [Option<Instant>; LANES],
    shared: Arc<Shared>,
}

impl WriterThread {
    fn run(&mut self) {
        loop {
            let refused = self.write_all() | self.restore_info();
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
                let Some(mut waiting) = state.lanes[lane].pop_front() else {
                    break;
                };
                // Its bytes stay counted until it is written.
                state.writing = Some(Instant::now());
                drop(state);
                let written = self.write(&waiting.job);
                let mut state = self.shared.lock();
                state.writing = None;
                match written {
                    Ok(()) => {
                        state.bytes -= waiting.job.bytes();
                        state.refused[lane] = None;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut waiting.refused, true) {
                            self.shared.drops.refuse(&error, waiting.job.bytes());
                        }
                        if state.trouble().is_none() {
                            tracing::warn!(target: "soakscope", %error, "the run directory refuses a write; kept and tried again");
                        }
                        state.refused[lane] = Some(error.to_string());
                        state.lanes[lane].push_front(waiting);
                        self.rest[lane] = Some(Instant::now() + RETRY);
                        any_refused = true;
                        break;
                    }
                }
            }
        }
        any_refused
    }

    /// Writes `run.json` again where it is missing. Answers whether it cannot
    /// be.
    fn restore_info(&mut self) -> bool {
        let error = if self.dir.is_gone() || !self.dir.lacks_info() {
            // Where the directory is gone, the next row says so.
            None
        } else {
            let info = self.info.lock().unwrap_or_else(PoisonError::into_inner);
            self.dir.write_info(&info).err()
        };
        let refused = error.is_some();
        self.shared.lock().info_refused = error.map(|error| error.to_string());
        refused
    }

    fn write(&mut self, job: &Job) -> Result<(), std::io::Error> {
        let drops = &self.shared.drops;
        let appended = match job {
            Job::Timeline(line) => self.timeline.append(line),
            Job::Spans(line) => self.spans.append(line),
            Job::SpanLog(line) => self.span_log.append(line),
            Job::Event(line) => self.events.append(line),
            Job::Profile { name, bytes } => {
                // A directory that is gone is not made anew behind its owner's back.
                if self.dir.is_gone() {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::NotFound,
                        format!("{} is gone", self.dir.path().display()),
                    ));
                }
                let written = self.dir.write_profile(name, bytes);
                written.map_err(|error| match error {
                    ReportError::Io { source, .. } => source,
                    other => std::io::Error::other(other),
                })?;
                self.retention.wrote(name, bytes.len() as u64);
                return Ok(());
            }
        };
        if !appended? {
            drops.add(job.lost(), 1);
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
                Ok(Step::Lost(windows)) => {
                    self.shared.drops.add(DropCause::ProfileWindows, windows)
                }
                Err(error) => {
                    tracing::debug!(target: "soakscope", %error, "profiles were not merged");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("soakscope-writer-{name}-{}", std::process::id()))
    }

    fn row(number: usize) -> Job {
        Job::Timeline(format!("{number},{}\n", "7".repeat(1_000)))
    }

    /// The timeline is a pipe that nobody reads: the writer's thread hangs in a
    /// write, rows are kept meanwhile, and all of them come once somebody reads.
    #[test]
    fn a_disk_that_hangs_holds_up_nothing_and_loses_no_row() {
        let path = scratch("hangs");
        let info = RunInfo::default();
        let dir = RunDir::create(&path, &info).unwrap();
        let (reader, end) = std::io::pipe().unwrap();
        let timeline = Appender::nowhere(File::from(OwnedFd::from(end)));
        let drops = Arc::new(Drops::default());
        let info = Arc::new(Mutex::new(info));
        let writer = Writer::start_with(timeline, dir, info, Arc::clone(&drops)).unwrap();
        // More than a pipe holds.
        let rows = 500;
        (0..rows).for_each(|number| writer.send(row(number)));
        // A second passes until it is trouble; nothing else shows that a write hangs.
        while writer.trouble().is_none() {
            std::thread::yield_now();
        }
        let said = writer.trouble().unwrap();
        assert!(said.contains("a write has taken"), "{said}");
        (rows..2 * rows).for_each(|number| writer.send(row(number)));
        let lines = BufReader::new(reader).lines().take(2 * rows);
        let numbers: Vec<usize> = lines
            .map(|line| line.unwrap().split(',').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.into_iter().eq(0..2 * rows));
        assert!(writer.flush(Duration::from_secs(60)));
        assert_eq!(drops.by_cause(), Default::default());
        std::fs::remove_dir_all(path).unwrap();
    }

    /// `/dev/full` refuses every write for want of room.
    #[test]
    fn what_is_refused_is_counted_once_in_bytes_by_cause() {
        let path = scratch("full");
        let info = RunInfo::default();
        let dir = RunDir::create(&path, &info).unwrap();
        let full = File::options()
            .write(true)
            .open(Path::new("/dev/full"))
            .unwrap();
        let drops = Arc::new(Drops::default());
        let info = Arc::new(Mutex::new(info));
        let writer =
            Writer::start_with(Appender::nowhere(full), dir, info, Arc::clone(&drops)).unwrap();
        writer.send(row(1));
        let bytes = row(1).bytes() as u64;
        // Twice, so that it is tried again.
        assert!(!writer.flush(Duration::from_secs(60)));
        assert!(!writer.flush(Duration::from_secs(60)));
        let counted = drops.by_cause();
        assert_eq!(
            counted.get("bytes_refused_disk_full"),
            Some(&bytes),
            "{counted:?}"
        );
        assert_eq!(drops.total(), 0, "it is kept");
        writer.give_up();
        assert_eq!(drops.by_cause().get("timeline_rows"), Some(&1));
        std::fs::remove_dir_all(path).unwrap();
    }
}
