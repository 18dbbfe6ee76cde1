//! A running agent: its parts from the start to the seal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use soakscope_report::{
    Budgets, DropCause, EventKind, Kind, Measurement, PhaseEvent, RunDir, RunInfo, RunState, Trust,
};
use soakscope_sampler::resources::Resources;
use soakscope_sampler::{
    Clock, ClockChoice, CpuSampler, Error as SamplerError, heap, quiet_writes,
};
use tokio::runtime::Handle;

use crate::admin::{Admin, Bound};
use crate::budgets::{LiveBudgets, OnBreach};
use crate::config::Config;
use crate::drops::Drops;
use crate::error::Error;
use crate::facts;
use crate::families::Hidden;
use crate::judged::Judged;
use crate::new_run;
use crate::ours::Ours;
use crate::outcome::Outcome;
use crate::own_bytes::OwnBytes;
use crate::phases::{Nested, Phases};
use crate::profiles::heap_watch::HeapWatch;
use crate::profiles::profiler::{Profiler, ProfilerHandle};
use crate::session::{Session, rfc3339};
use crate::spans::Spans;
use crate::telemetry::Telemetry;
use crate::timeline::history::History;
use crate::timeline::ticker::Ticker;
use crate::timeline::tokio_runtime::Runtime;
use crate::timeline::tracked::{Closure, Tracked};
use crate::writer::Writer;

/// How long the seal waits for the disk.
const FLUSH: Duration = Duration::from_secs(10);

/// How long the seal waits for its last event to be written.
const FLUSH_EVENT: Duration = Duration::from_secs(1);

/// How long a tick waits at most for the series that the service tracks.
const MAX_PATIENCE: Duration = Duration::from_millis(100);

/// One agent a process: its CPU sampler and its threads are process-wide. The
/// number of the process whose agent runs; a child finds its parent's here.
static RUNNING: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) judged: Judged,
    pub(crate) dir: RunDir,
    info: Arc<Mutex<RunInfo>>,
    profiler: Option<ProfilerHandle>,
    state: Mutex<State>,
    _only: Only,
}

enum State {
    Running {
        ticker: Ticker,
        profiler: Option<Profiler>,
        heap: Option<HeapWatch>,
    },
    Finished(Box<Outcome>),
    /// The seal failed; it is tried again when asked again.
    Unsealed,
}

/// What the service gave the agent to call.
pub(crate) struct Closures {
    pub(crate) tracked: Vec<(String, Closure)>,
    pub(crate) kinds: BTreeMap<String, Kind>,
    pub(crate) on_breach: Option<OnBreach>,
}

/// The right to be the one agent of this process.
struct Only;

impl Only {
    fn claim() -> Result<Self, Error> {
        let ours = Ours::now().number();
        let free = |owner| (owner != ours).then_some(ours);
        RUNNING
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .map(|_| Self)
            .map_err(|_| Error::AlreadyRunning)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        RUNNING.store(0, Ordering::Release);
    }
}

impl Live {
    /// Starts every part. Whatever can be refused is asked for before the run
    /// directory is made, so that a refusal leaves none behind.
    pub(crate) fn start(
        service: &str,
        config: Config,
        closures: Closures,
        runtime: Option<Handle>,
    ) -> Result<(Arc<Self>, Option<Admin>), Error> {
        let only = Only::claim()?;
        let bound = config
            .listen
            .as_deref()
            .map(|address| Bound::bind(address, config.token.as_deref()))
            .transpose()?;
        let budgets = budgets(&config)?;
        if let Some(bytes) = config.heap_interval {
            heap::set_interval(bytes);
        }
        heap::set_phase(0);
        if heap::stats().is_some() {
            heap::prepare();
        }
        let (sampler, no_clock) = sampler(&config)?;
        let start_time = Timestamp::now();
        let started = Instant::now();
        let mut info = facts::run_info(service, &config, start_time, sampler.as_ref());
        info.tracked = closures.kinds;
        let (budget_text, budgets) = budgets.unzip();
        let drops = Arc::new(Drops::default());
        // This is a thread of the service: a write that is refused must not
        // raise a signal on it.
        let (dir, info, writer) = quiet_writes(|| {
            let dir = new_run::create(&config, start_time, &info)?;
            info.process.lock = dir.lock();
            let info = Arc::new(Mutex::new(info));
            if let Some(text) = budget_text {
                dir.write_budgets(&text)?;
            }
            let writer = Writer::start(dir.clone(), Arc::clone(&info), Arc::clone(&drops))?;
            Ok::<_, Error>((dir, info, writer))
        })?;
        let budgets = budgets
            .map(|budgets| LiveBudgets::new(budgets, closures.on_breach, config.abort_on_breach))
            .transpose()?;
        let telemetry = Telemetry::new();
        facts::publish(&telemetry, service);
        let recorder_refused = config.global_recorder && !telemetry.install();
        let session = Arc::new(Session {
            service: service.to_owned(),
            started,
            start_time,
            phases: Phases::default(),
            spans: Spans::new(&config),
            budgets,
            history: History::default(),
            ours: Ours::now(),
            own: OwnBytes::default(),
            warnings: Mutex::default(),
            telemetry,
            hidden_families: Hidden::default(),
            drops,
            writer,
            ticks: AtomicU64::new(0),
            missed_ticks: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            config,
        });
        if recorder_refused {
            session.warn("the service has a metrics recorder of its own, which stays; its metrics are not on the agent's /metrics");
        }
        if let Some(refusal) = no_clock {
            session.warn(&refusal);
        }
        let profiler = sampler
            .map(|sampler| Profiler::start(Arc::clone(&session), sampler))
            .transpose()?;
        let handle = profiler.as_ref().map(Profiler::handle);
        // A tick can wait for the service's own series without being late.
        let patience = (session.config.tick / 2).min(MAX_PATIENCE);
        let ticker = Ticker::start(
            Arc::clone(&session),
            Tracked::new(closures.tracked, patience),
            runtime.map(Runtime::new),
            handle.clone(),
        )?;
        let heap = HeapWatch::start(Arc::clone(&session))?;
        let live = Arc::new(Self {
            session,
            judged: Judged::default(),
            dir,
            info,
            profiler: handle,
            state: Mutex::new(State::Running {
                ticker,
                profiler,
                heap,
            }),
            _only: only,
        });
        let first_phase = live.session.config.phase.clone();
        if !first_phase.is_empty()
            && let Err(refusal) = live.phase(&first_phase)
        {
            live.session.warn(&refusal.to_string());
        }
        let admin = bound
            .map(|bound| bound.serve(Arc::clone(&live)))
            .transpose()?;
        Ok((live, admin))
    }

    /// Begins a phase and answers what it is called.
    ///
    /// # Errors
    ///
    /// The name asks for a phase within a phase.
    pub(crate) fn phase(&self, name: &str) -> Result<String, Nested> {
        let before = self.session.phases.current().name;
        let Some(phase) = self.session.phases.mark(name)? else {
            return Ok(before);
        };
        heap::set_phase(u32::try_from(phase.number).unwrap_or(u32::MAX));
        if let Some(profiler) = &self.profiler {
            profiler.phase_ended(before.clone());
        }
        let telemetry = &self.session.telemetry;
        if !before.is_empty() {
            telemetry.gauge("soakscope_phase_info", &[("phase", &before)], Some(0.0));
        }
        telemetry.gauge("soakscope_phase_info", &[("phase", &phase.name)], Some(1.0));
        let name = phase.name.clone();
        self.session.event(&EventKind::Phase(PhaseEvent { name }));
        Ok(phase.name)
    }

    pub(crate) fn run_dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn profiler(&self) -> Option<ProfilerHandle> {
        self.profiler.clone()
    }

    /// What `run.json` says, with the trust figures of now.
    pub(crate) fn info(&self) -> RunInfo {
        let mut info = self.info_lock().clone();
        info.trust = Some(self.trust(&info));
        info
    }

    /// Stops the parts and seals the run; once, whoever asks first.
    pub(crate) fn finish(self: &Arc<Self>) -> Result<Outcome, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Unsealed) {
            State::Finished(outcome) => {
                let answer = Outcome::clone(&outcome);
                *state = State::Finished(outcome);
                return Ok(answer);
            }
            State::Running {
                ticker,
                profiler,
                heap,
            } => {
                if !ticker.stop() {
                    self.session.drops.add(DropCause::TickerDied, 1);
                }
                if heap.is_some_and(|heap| !heap.stop()) {
                    self.session.drops.add(DropCause::HeapWatchDied, 1);
                }
                if profiler.is_some_and(|profiler| !profiler.stop()) {
                    self.session.drops.add(DropCause::ProfilerDied, 1);
                }
                self.session.seal_findings();
                if !self.session.writer.flush(FLUSH) {
                    self.session.writer.give_up();
                }
                let mut info = self.info_lock();
                info.end = Some(rfc3339(self.session.time_at(Instant::now())));
                info.state = RunState::Finished;
            }
            State::Unsealed => {}
        }
        let outcome = self.seal_apart()?;
        if !outcome.unwritten().is_empty() {
            let files = outcome.unwritten().join(", ");
            self.session.warn(&format!(
                "files of the run that could not be written: {files}"
            ));
            self.session.writer.flush(FLUSH_EVENT);
        }
        *state = State::Finished(Box::new(outcome.clone()));
        Ok(outcome)
    }

    fn trust(&self, info: &RunInfo) -> Trust {
        let session = &self.session;
        let resources = Resources::new();
        let engine = |of: Measurement| info.engines.get(of.name()).cloned();
        let mut trust = Trust {
            cpu_clock: engine(Measurement::CpuClock),
            cpu_engine: engine(Measurement::CpuUnwinder),
            agent_cpu_seconds: Some(resources.own_cpu().as_secs_f64()),
            agent_threads: Some(resources.own_threads()),
            drops: session.drops.by_cause(),
            missed_ticks: session.missed_ticks(),
            ..Trust::default()
        };
        if let Some(profiler) = &self.profiler {
            let figures = profiler.figures();
            trust.cpu_seconds_used = Some(figures.used.as_secs_f64());
            trust.cpu_seconds_attributed = Some(figures.attributed.as_secs_f64());
            trust.coverage = figures.coverage();
            trust.coverage_within = figures.coverage_within();
            trust.cpu_samples = Some(figures.samples);
            trust.instants = figures.instants;
            trust.agreement = session.spans.agreement();
        }
        trust
    }

    fn info_lock(&self) -> MutexGuard<'_, RunInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The budget file's text and what it says.
fn budgets(config: &Config) -> Result<Option<(String, Budgets)>, Error> {
    let Some(path) = &config.budgets else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path).map_err(|source| Error::Budgets {
        path: path.clone(),
        source,
    })?;
    let budgets = Budgets::parse(&text, config.environment.as_deref())
        .map_err(|error| error.in_file(path))?;
    Ok(Some((text, budgets)))
}

/// The CPU sampler, or why there is none: where nobody asked for a clock by name
/// and the system refuses all, the run goes on without a profile.
fn sampler(config: &Config) -> Result<(Option<CpuSampler>, Option<String>), Error> {
    if config.cpu_clock == ClockChoice::Only(Clock::Off) {
        return Ok((None, None));
    }
    let started = CpuSampler::builder()
        .frequency(config.cpu_frequency)
        .clock(config.cpu_clock)
        .start();
    match started {
        Ok(sampler) => Ok((Some(sampler), None)),
        Err(refusal @ SamplerError::NoClock(_)) => {
            Ok((None, Some(format!("no CPU profile is taken: {refusal}"))))
        }
        Err(error) => Err(error.into()),
    }
}
