//! The start of a run: every part, in the order in which they need each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use soakscope_report::{Budgets, Kind, RunDir, RunInfo};
use soakscope_sampler::{
    Clock, ClockChoice, CpuSampler, Error as SamplerError, heap, quiet_writes,
};
use tokio::runtime::Handle;

use super::claim::Claim;
use super::live::{Live, Parts};
use super::{directory, info};
use crate::budgets::{LiveBudgets, OnBreach};
use crate::clock::RunClock;
use crate::config::Config;
use crate::disk::writer::Writer;
use crate::drops::Drops;
use crate::error::Error;
use crate::profiles::heap_watch::HeapWatch;
use crate::profiles::profiler::Profiler;
use crate::session::Session;
use crate::timeline::ticker::Ticker;
use crate::timeline::tokio_runtime::Runtime;
use crate::timeline::tracked::{Closure, Tracked};

/// How long a tick waits at most for the series that the service tracks.
const MAX_PATIENCE: Duration = Duration::from_millis(100);

/// What the service gave the agent to call.
pub(crate) struct Closures {
    pub(crate) tracked: Vec<(String, Closure)>,
    pub(crate) kinds: BTreeMap<String, Kind>,
    pub(crate) on_breach: Option<OnBreach>,
}

/// Starts a run. Whatever can be refused is asked for before the run directory
/// is made, so that a refusal leaves none behind.
pub(crate) fn start(
    claim: Claim,
    service: &str,
    config: Config,
    closures: Closures,
    runtime: Option<Handle>,
) -> Result<Arc<Live>, Error> {
    let (budget_text, budgets) = read_budgets(&config)?.unzip();
    prepare_heap(&config);
    let (sampler, no_clock) = start_sampler(&config)?;
    let clock = RunClock::start();
    let mut info = info::run_info(service, &config, clock.start_time, sampler.as_ref());
    info.tracked = closures.kinds;
    let disk = Disk::open(&config, clock, info, budget_text)?;
    let budgets = budgets
        .map(|budgets| LiveBudgets::new(budgets, closures.on_breach, config.abort_on_breach))
        .transpose()?;
    let session = Session::new(service, config, clock, disk.writer, disk.drops, budgets);
    let session = Arc::new(session);
    publish(&session);
    if let Some(refusal) = no_clock {
        session.journal.warn(&refusal);
    }
    let parts = start_parts(&session, sampler, closures.tracked, runtime)?;
    let live = Live::new(claim, session, disk.dir, disk.info, parts);
    live.begin_first_phase();
    Ok(Arc::new(live))
}

/// The budget file's text and what it says.
fn read_budgets(config: &Config) -> Result<Option<(String, Budgets)>, Error> {
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

/// Has the heap sampled, where the service's allocator is the profiler.
fn prepare_heap(config: &Config) {
    if let Some(bytes) = config.heap_interval {
        heap::set_interval(bytes);
    }
    heap::set_phase(0);
    if heap::stats().is_some() {
        heap::prepare();
    }
}

/// The CPU sampler, or why there is none: where nobody asked for a clock by name
/// and the system refuses all, the run goes on without a profile.
fn start_sampler(config: &Config) -> Result<(Option<CpuSampler>, Option<String>), Error> {
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

/// The run directory, and what writes to it.
struct Disk {
    dir: RunDir,
    info: Arc<Mutex<RunInfo>>,
    writer: Writer,
    drops: Arc<Drops>,
}

impl Disk {
    /// Makes the run directory and begins to write. The caller is a thread of the
    /// service: a write that is refused must not raise a signal on it.
    fn open(
        config: &Config,
        clock: RunClock,
        mut info: RunInfo,
        budget_text: Option<String>,
    ) -> Result<Self, Error> {
        quiet_writes(|| {
            let dir = directory::create(config, clock.start_time, &info)?;
            info.process.lock = dir.lock();
            let info = Arc::new(Mutex::new(info));
            if let Some(text) = budget_text {
                dir.write_budgets(&text)?;
            }
            let drops = Arc::new(Drops::default());
            let writer = Writer::start(dir.clone(), Arc::clone(&info), Arc::clone(&drops))?;
            Ok(Self {
                dir,
                info,
                writer,
                drops,
            })
        })
    }
}

/// The metrics that never change, and the service's own where it asked for that.
fn publish(session: &Session) {
    info::publish(&session.telemetry, &session.service);
    if session.config.global_recorder && !session.telemetry.install() {
        session.journal.warn(
            "the service has a metrics recorder of its own, which stays; its metrics are not on \
             the agent's /metrics",
        );
    }
}

/// Starts the threads that measure.
fn start_parts(
    session: &Arc<Session>,
    sampler: Option<CpuSampler>,
    tracked: Vec<(String, Closure)>,
    runtime: Option<Handle>,
) -> Result<Parts, Error> {
    let profiler = sampler
        .map(|sampler| Profiler::start(Arc::clone(session), sampler))
        .transpose()?;
    // A tick can wait for the service's own series without being late.
    let patience = (session.config.tick / 2).min(MAX_PATIENCE);
    let ticker = Ticker::start(
        Arc::clone(session),
        Tracked::new(tracked, patience),
        runtime.map(Runtime::new),
        profiler.as_ref().map(Profiler::handle),
    )?;
    let heap = HeapWatch::start(Arc::clone(session))?;
    Ok(Parts {
        ticker,
        profiler,
        heap,
    })
}
