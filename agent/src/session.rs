//! What all parts of a running agent share: options, the clock, the journal,
//! spans, history, metrics and the way to the run directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use soakscope_report::{DropCause, DropEvent, EventKind};

use crate::budgets::LiveBudgets;
use crate::clock::RunClock;
use crate::config::Config;
use crate::disk::writer::Writer;
use crate::drops::Drops;
use crate::history::History;
use crate::journal::Journal;
use crate::metrics::families::Hidden;
use crate::metrics::page;
use crate::metrics::telemetry::Telemetry;
use crate::own_bytes::OwnBytes;
use crate::phases::Phases;
use crate::process::Process;
use crate::spans::Spans;

pub(crate) struct Session {
    pub(crate) service: String,
    pub(crate) config: Config,
    pub(crate) clock: RunClock,
    pub(crate) phases: Phases,
    pub(crate) spans: Spans,
    pub(crate) budgets: Option<LiveBudgets>,
    pub(crate) history: History,
    pub(crate) telemetry: Telemetry,
    pub(crate) hidden_families: Hidden,
    pub(crate) drops: Arc<Drops>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) process: Process,
    pub(crate) own: OwnBytes,
    pub(crate) ticks: AtomicU64,
    pub(crate) missed_ticks: AtomicU64,
    pub(crate) sealed: AtomicBool,
}

impl Session {
    /// What a run that starts now begins with.
    pub(crate) fn new(
        service: &str,
        config: Config,
        clock: RunClock,
        writer: Writer,
        drops: Arc<Drops>,
        budgets: Option<LiveBudgets>,
    ) -> Self {
        let writer = Arc::new(writer);
        Self {
            service: service.to_owned(),
            clock,
            phases: Phases::default(),
            spans: Spans::new(&config),
            budgets,
            history: History::default(),
            telemetry: Telemetry::new(),
            hidden_families: Hidden::default(),
            journal: Arc::new(Journal::new(clock, Arc::clone(&writer), Arc::clone(&drops))),
            drops,
            writer,
            process: Process::current(),
            own: OwnBytes::default(),
            ticks: AtomicU64::new(0),
            missed_ticks: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            config,
        }
    }

    /// Bytes that the agent holds, but for what the ticker has for itself.
    pub(crate) fn bytes(&self) -> u64 {
        let sum = self.spans.bytes() + self.telemetry.bytes() + self.own.sum();
        self.history.bytes() + self.writer.waiting_bytes() + sum as u64
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        page::render(
            &self.telemetry,
            &self.spans,
            &self.hidden_families,
            &self.journal,
        )
    }

    /// Reports what was found in requests, with its sums, and what was lost; from
    /// then on nothing more of requests.
    pub(crate) fn seal_findings(&self) {
        if self.sealed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.spans.cpu.stop();
        for sum in self.spans.findings.sums() {
            self.journal.event(&EventKind::NPlusOne(sum));
        }
        self.count_suppressed();
        self.report_drops();
    }

    /// Counts what was found and has no event.
    pub(crate) fn count_suppressed(&self) {
        let spans = &self.spans;
        let slow = spans.slow.suppressed();
        self.drops.set(DropCause::SlowRequestsSuppressed, slow);
        let repeats = spans.findings.no_room();
        self.drops.set(DropCause::RepeatsWithoutRoom, repeats);
    }

    /// Adds an entry for each cause that was never counted before, or whose count
    /// has doubled since its last entry: so few that they fill no disk.
    pub(crate) fn report_drops(&self) {
        for (cause, count) in self.drops.doubled() {
            let cause = cause.to_owned();
            self.journal
                .event(&EventKind::Drop(DropEvent { cause, count }));
        }
    }

    /// Whether nothing more is to be reported of requests.
    pub(crate) fn sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    pub(crate) fn missed_ticks(&self) -> u64 {
        self.missed_ticks.load(Ordering::Relaxed)
    }
}
