//! The one thread that writes to the run directory.
//!
//! Whoever has something to write hands it over without waiting: the queue is
//! bounded, and what does not fit is dropped and counted. A disk that refuses
//! (full, gone, read-only) does not lose what was handed over: it is kept, up
//! to a bound, in order, and written when the disk takes it again. A line is
//! on disk whole or not at all: after a partial write the file is cut back.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use soakscope_report::RunDir;
use soakscope_sampler::exclude_current_thread;

use crate::drops::Drops;
use crate::error::Error;

/// Jobs that wait for the writer.
const QUEUE: usize = 1024;
/// Bytes kept while the disk refuses; the oldest go first.
const KEPT_BYTES: usize = 4 << 20;
/// How often a disk that refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Job {
    Timeline(String),
    Spans(String),
    Event(String),
    Profile { name: String, bytes: Vec<u8> },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Timeline(line) | Job::Spans(line) | Job::Event(line) => line.len(),
            Job::Profile { bytes, .. } => bytes.len(),
        }
    }

    fn lost(&self) -> &'static str {
        match self {
            Job::Timeline(_) => "timeline_rows",
            Job::Spans(_) => "span_rows",
            Job::Event(_) => "events",
            Job::Profile { .. } => "profile_windows",
        }
    }
}

enum Message {
    Write(Job),
    /// Write what can be written, then say so; whether all was.
    Flush(SyncSender<bool>),
}

#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    drops: Arc<Drops>,
    trouble: Arc<Mutex<Option<String>>>,
    _thread: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn start(dir: RunDir, drops: Arc<Drops>) -> Result<Self, Error> {
        let (queue, messages) = sync_channel(QUEUE);
        let trouble = Arc::new(Mutex::new(None));
        let mut scribe = Scribe {
            timeline: Appender::new(dir.append_timeline()?),
            spans: Appender::new(dir.append_spans()?),
            events: Appender::new(dir.append_events()?),
            dir,
            kept: VecDeque::new(),
            kept_bytes: 0,
            drops: Arc::clone(&drops),
            trouble: Arc::clone(&trouble),
        };
        let thread = std::thread::Builder::new()
            .name("soakscope-write".to_owned())
            .spawn(move || {
                let _own = exclude_current_thread();
                scribe.run(&messages);
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            queue,
            drops,
            trouble,
            _thread: thread,
        })
    }

    /// Hands a job over, or drops and counts it where the queue is full.
    pub(crate) fn send(&self, job: Job) {
        if let Err(
            TrySendError::Full(Message::Write(job))
            | TrySendError::Disconnected(Message::Write(job)),
        ) = self.queue.try_send(Message::Write(job))
        {
            self.drops.add(job.lost(), 1);
        }
    }

    /// Waits until what was handed over before is written, at most `patience`.
    /// Answers whether everything is on disk.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.queue.try_send(Message::Flush(done)).is_ok()
            && wait.recv_timeout(patience).unwrap_or(false)
    }

    /// What the disk last said, while it refuses.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct Scribe {
    dir: RunDir,
    timeline: Appender,
    spans: Appender,
    events: Appender,
    kept: VecDeque<Job>,
    kept_bytes: usize,
    drops: Arc<Drops>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Scribe {
    fn run(&mut self, messages: &Receiver<Message>) {
        loop {
            let message = if self.kept.is_empty() {
                messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                messages.recv_timeout(RETRY)
            };
            match message {
                Ok(Message::Write(job)) => {
                    self.keep(job);
                    self.write_kept();
                }
                Ok(Message::Flush(done)) => {
                    self.write_kept();
                    // Nobody waits any more where this fails; nothing is lost.
                    let _ = done.try_send(self.kept.is_empty());
                }
                Err(RecvTimeoutError::Timeout) => self.write_kept(),
                Err(RecvTimeoutError::Disconnected) => return self.write_kept(),
            }
        }
    }

    fn keep(&mut self, job: Job) {
        self.kept_bytes += job.bytes();
        self.kept.push_back(job);
        while self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= oldest.bytes();
            self.drops.add(oldest.lost(), 1);
        }
    }

    fn write_kept(&mut self) {
        while let Some(job) = self.kept.front() {
            let written = match job {
                Job::Timeline(line) => self.timeline.append(line).map_err(|e| e.to_string()),
                Job::Spans(line) => self.spans.append(line).map_err(|e| e.to_string()),
                Job::Event(line) => self.events.append(line).map_err(|e| e.to_string()),
                Job::Profile { name, bytes } => self
                    .dir
                    .write_profile(name, bytes)
                    .map_err(|e| e.to_string()),
            };
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            match written {
                Ok(()) => {
                    self.kept_bytes -= job.bytes();
                    self.kept.pop_front();
                    *trouble = None;
                }
                Err(error) => {
                    if trouble.is_none() {
                        tracing::warn!(target: "soakscope", %error, "the run directory refuses a write; kept and tried again");
                    }
                    *trouble = Some(error);
                    return;
                }
            }
        }
    }
}

/// A file that grows by whole lines.
#[derive(Debug)]
struct Appender {
    file: File,
}

impl Appender {
    fn new(file: File) -> Self {
        Self { file }
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.write_all(line.as_bytes()).inspect_err(|_| {
            // Half a line may be there; without room to write there is still
            // room to cut. Where even that fails, readers skip the bad line.
            let _ = self.file.set_len(length);
        })
    }
}
