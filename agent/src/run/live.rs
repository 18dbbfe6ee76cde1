//! A running agent: its parts from the start to the seal.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use soakscope_report::{DropCause, EventKind, Measurement, PhaseEvent, RunDir, RunInfo, Trust};
use soakscope_sampler::heap;
use soakscope_sampler::resources::Resources;

use super::claim::Claim;
use super::judged::Judged;
use super::outcome::Outcome;
use crate::drops::Drops;
use crate::phases::Nested;
use crate::profiles::heap_watch::HeapWatch;
use crate::profiles::profiler::{Profiler, ProfilerHandle};
use crate::session::Session;
use crate::timeline::ticker::Ticker;

pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) judged: Judged,
    pub(crate) dir: RunDir,
    info: Arc<Mutex<RunInfo>>,
    profiler: Option<ProfilerHandle>,
    pub(super) state: Mutex<State>,
    _claim: Claim,
}

/// The threads that measure.
pub(super) struct Parts {
    pub(super) ticker: Ticker,
    pub(super) profiler: Option<Profiler>,
    pub(super) heap: Option<HeapWatch>,
}

impl Parts {
    /// Stops each after its last reading; one that had died is counted.
    pub(super) fn stop(self, drops: &Drops) {
        if !self.ticker.stop() {
            drops.add(DropCause::TickerDied, 1);
        }
        if self.heap.is_some_and(|heap| !heap.stop()) {
            drops.add(DropCause::HeapWatchDied, 1);
        }
        if self.profiler.is_some_and(|profiler| !profiler.stop()) {
            drops.add(DropCause::ProfilerDied, 1);
        }
    }
}

pub(super) enum State {
    Running(Parts),
    Finished(Box<Outcome>),
    /// The seal failed; it is tried again when asked again.
    Unsealed,
}

impl Live {
    pub(super) fn new(
        claim: Claim,
        session: Arc<Session>,
        dir: RunDir,
        info: Arc<Mutex<RunInfo>>,
        parts: Parts,
    ) -> Self {
        Self {
            session,
            judged: Judged::default(),
            dir,
            info,
            profiler: parts.profiler.as_ref().map(Profiler::handle),
            state: Mutex::new(State::Running(parts)),
            _claim: claim,
        }
    }

    /// Begins the phase that the run is to start in.
    pub(super) fn begin_first_phase(&self) {
        let first = &self.session.config.phase;
        if !first.is_empty()
            && let Err(refusal) = self.phase(first)
        {
            self.session.journal.warn(&refusal.to_string());
        }
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
        self.session
            .journal
            .event(&EventKind::Phase(PhaseEvent { name }));
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

    pub(super) fn info_lock(&self) -> MutexGuard<'_, RunInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
