//! The thread that owns the CPU sampler: it drains it, cuts windows, gives
//! them names and hands them to the writer, and serves profiles on demand.
//!
//! Samples are drained at every phase change, so that each belongs to one
//! phase; a window on disk may hold several. Whoever wants a profile of the
//! next seconds taps the same samples; nothing is sampled twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use soakscope_report::{DropCause, Instants};
use soakscope_sampler::{Clock, CpuSample, CpuSampler, CpuStats, CpuWindow, Detail};

use super::piece::{Piece, Used};
use super::profile::{Symbols, cpu_profile};
use crate::disk::job::Job;
use crate::error::Error;
use crate::session::Session;
use crate::spans::cpu::Consumer;
use crate::spans::sampled::Sampled;
use crate::threads;

enum Command {
    /// A phase ended: what was sampled until now belongs to it.
    PhaseEnded(String),
    /// Take what was sampled until now.
    Drain(SyncSender<()>),
    /// From now on keep a copy for somebody.
    Tap,
    /// Hand the copy over.
    Untap(SyncSender<Vec<Piece>>),
    /// Every thread's stack, now.
    Threads(SyncSender<Result<Piece, String>>),
    Stop,
}

pub(crate) struct Profiler {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
    trust: Arc<Trust>,
}

/// The trust figures of the CPU profile, kept up to date at each drain.
#[derive(Debug, Default)]
pub(crate) struct Trust(std::sync::Mutex<Figures>);

/// How far the profile can be trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Samples taken.
    pub(crate) samples: u64,
    /// CPU time the samples stand for.
    pub(crate) attributed: Duration,
    /// The sum of the squares of what each sample stands for, in square seconds.
    squares: f64,
    /// CPU time the process used, less the agent's own threads.
    pub(crate) used: Duration,
    /// What the sampler lost, by cause.
    pub(crate) drops: BTreeMap<&'static str, u64>,
    /// What became of instants, on a clock that draws them.
    pub(crate) instants: Option<Instants>,
    /// Stacks that were cut off.
    pub(crate) truncated: u64,
    /// The clock measures something else than CPU time.
    of_wall_time: bool,
}

impl Figures {
    /// Attributed ÷ used; `None` before anything was used.
    pub(crate) fn coverage(&self) -> Option<f64> {
        let used = self.used.as_secs_f64();
        (used > 0.0 && !self.of_wall_time).then(|| self.attributed.as_secs_f64() / used)
    }

    /// Half the width of the coverage's 95 % interval: each sample might as well
    /// have fallen a little earlier or later, outside of what was used.
    pub(crate) fn coverage_within(&self) -> Option<f64> {
        /// Of the normal distribution.
        const Z: f64 = 1.96;
        self.coverage()?;
        Some(Z * self.squares.sqrt() / self.used.as_secs_f64())
    }

    fn add(&mut self, window: &CpuWindow) {
        let stats: &CpuStats = &window.stats;
        self.samples += stats.samples;
        self.attributed += stats.attributed;
        self.used += window.cpu_used.saturating_sub(window.cpu_excluded);
        let squares = |sample: &CpuSample| Sampled::of(sample).squares / 1e18;
        self.squares += window.samples.iter().map(squares).sum::<f64>();
        self.truncated += stats.truncated;
        if let Some(more) = &stats.instants {
            let sum = self.instants.get_or_insert_default();
            sum.due += more.due;
            sum.taken += more.taken;
            sum.seconds_by_timers += more.by_timers.as_secs_f64();
            for (cause, count) in &more.dropped {
                *sum.dropped.entry((*cause).to_owned()).or_default() += count;
            }
        }
        self.of_wall_time = window.clock == Clock::Wall;
        for (cause, count) in &stats.drops {
            *self.drops.entry(cause).or_default() += count;
        }
    }
}

/// A way to ask the profiler thread, for the admin server and phase marks.
#[derive(Clone)]
pub(crate) struct ProfilerHandle {
    commands: Sender<Command>,
    trust: Arc<Trust>,
}

impl ProfilerHandle {
    pub(crate) fn phase_ended(&self, name: String) {
        // Without a profiler thread nobody needs to know.
        let _ = self.commands.send(Command::PhaseEnded(name));
    }

    /// Waits until what was sampled until now is accounted for. Answers
    /// whether it is.
    pub(crate) fn drain(&self) -> bool {
        let (reply, done) = sync_channel(1);
        let asked = self.commands.send(Command::Drain(reply)).is_ok();
        asked && done.recv_timeout(Duration::from_secs(1)).is_ok()
    }

    /// Begins to keep a copy of the samples; `None` where the profiler ended.
    pub(crate) fn tap(&self) -> Option<Tap> {
        self.commands.send(Command::Tap).ok()?;
        Some(Tap {
            commands: self.commands.clone(),
        })
    }

    /// Every thread's stack, now; what the sampler says where it cannot.
    pub(crate) fn threads(&self) -> Result<Piece, String> {
        let (reply, answer) = sync_channel(1);
        let over = || "the run is over, and its sampler with it".to_owned();
        self.commands
            .send(Command::Threads(reply))
            .map_err(|_| over())?;
        answer
            .recv_timeout(Duration::from_secs(30))
            .map_err(|_| over())?
    }

    /// Whether samples are of CPU time.
    pub(crate) fn samples_cpu(&self) -> bool {
        !self.figures().of_wall_time
    }

    pub(crate) fn figures(&self) -> Figures {
        let figures = self.trust.0.lock();
        figures
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// A copy of the samples that is being kept; dropped, it is thrown away.
pub(crate) struct Tap {
    commands: Sender<Command>,
}

impl Tap {
    /// Ends the copy and answers it; `None` where the profiler ended.
    pub(crate) fn take(self) -> Option<Vec<Piece>> {
        let (reply, answer) = sync_channel(1);
        self.commands.send(Command::Untap(reply)).ok()?;
        answer.recv_timeout(Duration::from_secs(30)).ok()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // After `take` this finds nothing to throw away.
        let (nobody, _) = sync_channel(1);
        let _ = self.commands.send(Command::Untap(nobody));
    }
}

impl Profiler {
    pub(crate) fn start(session: Arc<Session>, sampler: CpuSampler) -> Result<Self, Error> {
        let (commands, orders) = channel();
        let trust = Arc::new(Trust::default());
        let mut drain = Drain {
            session,
            sampler,
            symbols: Symbols::default(),
            window: Vec::new(),
            began: Instant::now(),
            tap: None,
            left: None,
            number: 0,
            trust: Arc::clone(&trust),
            complained: false,
            passed_on: Vec::new(),
        };
        let thread = threads::spawn(threads::CPU, move || drain.run(&orders))?;
        Ok(Self {
            commands,
            thread,
            trust,
        })
    }

    pub(crate) fn handle(&self) -> ProfilerHandle {
        ProfilerHandle {
            commands: self.commands.clone(),
            trust: Arc::clone(&self.trust),
        }
    }

    /// Writes the last window and ends. Answers `false` where the thread had died.
    pub(crate) fn stop(self) -> bool {
        let _ = self.commands.send(Command::Stop);
        self.thread.join().is_ok()
    }
}

struct Drain {
    session: Arc<Session>,
    sampler: CpuSampler,
    symbols: Symbols,
    window: Vec<Piece>,
    /// When the window's first piece began.
    began: Instant,
    tap: Option<Vec<Piece>>,
    /// What was used in windows without a sample, since the last that had one.
    left: Option<Used>,
    number: u32,
    trust: Arc<Trust>,
    complained: bool,
    /// The sampler's warnings that are the run's by now.
    passed_on: Vec<String>,
}

/// Different warnings of the sampler that are passed on in one run.
const MAX_PASSED_ON: usize = 100;

impl Drain {
    fn run(&mut self, orders: &Receiver<Command>) {
        let step = self.session.config.cpu_window;
        let mut due = Instant::now() + step;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            match orders.recv_timeout(left) {
                Ok(Command::PhaseEnded(phase)) => self.drain(phase),
                Ok(Command::Drain(reply)) => {
                    self.drain_now();
                    // Whoever asked may have waited long enough.
                    let _ = reply.try_send(());
                }
                Ok(Command::Tap) => {
                    self.drain_now();
                    self.tap = Some(Vec::new());
                }
                Ok(Command::Untap(reply)) => {
                    if self.tap.is_some() {
                        self.drain_now();
                    }
                    // Nobody is left to take it where the client went away.
                    let _ = reply.send(self.tap.take().unwrap_or_default());
                }
                Ok(Command::Threads(reply)) => {
                    let piece = self.sampler.threads().map(|window| Piece {
                        phase: self.session.phases.current().name,
                        window: Arc::new(window),
                        used: None,
                    });
                    let _ = reply.send(piece.map_err(|error| error.to_string()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.drain_now();
                    self.cut();
                    due = Instant::now() + step;
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.drain_now();
                    self.cut();
                    return;
                }
            }
        }
    }

    fn drain_now(&mut self) {
        self.drain(self.session.phases.current().name);
    }

    /// Has what the sampler warns of among the run's warnings, each once.
    fn pass_on(&mut self, stats: &CpuStats) {
        let refused = stats
            .fallbacks
            .iter()
            .map(|fallback| format!("a CPU clock was refused: {fallback}"));
        for warning in refused.chain(stats.warnings.iter().cloned()) {
            if self.passed_on.len() < MAX_PASSED_ON && !self.passed_on.contains(&warning) {
                self.session.journal.warn(&warning);
                self.passed_on.push(warning);
            }
        }
    }

    /// Takes what was sampled since the last time; all of it is of one phase.
    fn drain(&mut self, phase: String) {
        let window = match self.sampler.drain() {
            Ok(window) => window,
            Err(error) => {
                self.session.drops.add(DropCause::ProfileDrains, 1);
                if !std::mem::replace(&mut self.complained, true) {
                    self.session
                        .journal
                        .warn(&format!("CPU samples could not be taken: {error}"));
                }
                return;
            }
        };
        let mut figures = self
            .trust
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        figures.add(&window);
        let telemetry = &self.session.telemetry;
        telemetry.counter("soakscope_cpu_samples_total", &[], figures.samples);
        telemetry.gauge(
            "soakscope_cpu_profile_coverage_ratio",
            &[],
            figures.coverage(),
        );
        for (cause, count) in &figures.drops {
            self.session.drops.set_samples(cause, *count);
        }
        drop(figures);
        self.pass_on(&window.stats);
        // What is sampled by the clock on the wall is no CPU time.
        if window.clock != Clock::Wall {
            for sample in &window.samples {
                let sampled = Sampled::of(sample);
                self.session.spans.sampled(sample.label, &sampled);
            }
        }
        let spans = &self.session.spans;
        let measured = spans.take_measured(Consumer::Profile);
        let piece = Piece {
            phase,
            used: Used::of(&window, measured.as_ref(), &spans.labels),
            window: Arc::new(window),
        };
        if let Some(tap) = &mut self.tap {
            tap.push(piece.clone());
        }
        if self.window.is_empty() {
            let now = Instant::now();
            self.began = now.checked_sub(piece.window.duration).unwrap_or(now);
        }
        self.window.push(piece);
        let samples = |piece: &Piece| {
            let samples = &piece.window.samples;
            let stacks = samples.iter().map(|sample| sample.stack.capacity());
            samples.capacity() * size_of::<CpuSample>() + stacks.sum::<usize>() * size_of::<u64>()
        };
        let bytes = self.window.iter().map(samples).sum();
        self.session.own.cpu_window.store(bytes, Relaxed);
    }

    /// Ends the window and hands it to the writer.
    fn cut(&mut self) {
        let pieces = std::mem::take(&mut self.window);
        if pieces.iter().all(|piece| piece.window.samples.is_empty()) {
            for used in pieces.iter().filter_map(|piece| piece.used.as_ref()) {
                self.left.get_or_insert_default().add(used);
            }
            return;
        }
        let left = self.left.take();
        let mut profile = cpu_profile(
            &pieces,
            left.as_ref(),
            &mut self.symbols,
            Detail::Names,
            &self.session.spans.labels,
        );
        // Where in the run it lies, also where the wall clock was set since.
        profile.time_nanos = self.session.clock.nanos_at(self.began);
        let own = &self.session.own;
        own.cpu_names.store(self.symbols.bytes(), Relaxed);
        own.cpu_window.store(0, Relaxed);
        self.number += 1;
        self.session.writer.send(Job::Profile {
            name: format!("cpu-{:06}", self.number),
            bytes: profile.encode(),
        });
    }
}
