//! The rows of `spans.csv`: one per span name and interval, with the CPU time
//! that was sampled meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use soakscope_report::{Cell, SpanInterval, TimelineWriter};

use crate::interval::Interval;
use crate::labels::{Kind, route_of, span_of};
use crate::profiler::ProfilerHandle;
use crate::session::Session;
use crate::span_log::SpanLog;
use crate::writer::Job;

/// Minutes between rows of one span, where spans are few.
const INTERVAL_MIN: f64 = 10.0 / 60.0;
/// Rows for which that holds. With twice as many the interval is twice as
/// long, so that three days of 500 routes take no more room than of 16.
const FEW: f64 = 16.0;

/// The row of CPU time outside of any request.
const NO_REQUEST: &str = "<no request>";

const COLUMNS: [&str; 13] = [
    "elapsed_min",
    "span",
    "count",
    "errors",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "busy_ms",
    "phase",
    "kind",
    "idle_ms",
    "cpu_ms",
];

type Key = (Kind, String);

/// Gathers what ticks collect until an interval is full or the phase changes.
#[derive(Default)]
pub(crate) struct SpanRows {
    profiler: Option<ProfilerHandle>,
    writer: Option<TimelineWriter>,
    gathered: BTreeMap<Key, Interval>,
    log: SpanLog,
    since_min: f64,
    phase: String,
}

/// CPU time of an interval. A request has all that was sampled in it and in
/// the spans inside it; any other span only what was sampled with no further
/// one inside it. So requests and [`NO_REQUEST`] add up to all there was.
#[derive(Default)]
struct Cpu {
    by_name: BTreeMap<Key, Duration>,
    no_request: Duration,
}

impl SpanRows {
    pub(crate) fn new(profiler: Option<ProfilerHandle>) -> Self {
        Self {
            profiler,
            ..Self::default()
        }
    }

    /// Collects what was recorded since the last tick; answers it for all
    /// requests together. Writes the rows of an interval that has ended.
    pub(crate) fn collect(&mut self, elapsed_min: f64, phase: &str, session: &Session) -> Interval {
        let many = (self.gathered.len() as f64 / FEW).max(1.0);
        // Ticks come a little early or late.
        let interval_min = INTERVAL_MIN * many * 0.99;
        if phase != self.phase || elapsed_min - self.since_min >= interval_min {
            self.write(elapsed_min, session);
            phase.clone_into(&mut self.phase);
        }
        self.log.advance(elapsed_min, phase, session);
        self.gather(elapsed_min, session)
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, elapsed_min: f64, session: &Session) {
        self.gather(elapsed_min, session);
        self.write(elapsed_min, session);
        self.log.write(elapsed_min, session);
    }

    fn gather(&mut self, elapsed_min: f64, session: &Session) -> Interval {
        let mut all = Interval::default();
        for (name, interval) in session.spans.collect() {
            if name.kind == Kind::Request {
                all.add(&interval);
            }
            self.log.add(&name.text, interval.durations_ns());
            if let Some(budgets) = &session.budgets {
                budgets.spans(&SpanInterval {
                    name: &name.text,
                    request: name.kind == Kind::Request,
                    phase: &self.phase,
                    elapsed_min,
                    count: interval.count(),
                    errors: interval.errors,
                    cpu_ms: None,
                    alloc_mb: None,
                    durations_ns: Some(interval.durations_ns()),
                });
            }
            let key = (name.kind, name.text.to_string());
            self.gathered.entry(key).or_default().add(&interval);
        }
        all
    }

    fn write(&mut self, elapsed_min: f64, session: &Session) {
        self.since_min = elapsed_min;
        let writer = self.writer.get_or_insert_with(|| {
            let writer = TimelineWriter::new(&COLUMNS.map(str::to_owned));
            session.writer.send(Job::Spans(writer.header()));
            writer
        });
        // Unknown where nothing samples; missing is not zero.
        let sampled = self.profiler.as_ref().filter(|profiler| profiler.drain());
        let cpu = sampled.map(|_| Cpu::of(session, session.spans.take_cpu()));
        let mut rows = std::mem::take(&mut self.gathered);
        for name in cpu.iter().flat_map(|cpu| cpu.by_name.keys()) {
            rows.entry(name.clone()).or_default();
        }
        for ((kind, name), time) in cpu.iter().flat_map(|cpu| &cpu.by_name) {
            if let Some(budgets) = &session.budgets {
                budgets.spans(&SpanInterval {
                    name,
                    request: *kind == Kind::Request,
                    phase: &self.phase,
                    elapsed_min,
                    count: 0,
                    errors: 0,
                    cpu_ms: Some(time.as_secs_f64() * 1_000.0),
                    alloc_mb: None,
                    durations_ns: None,
                });
            }
        }
        let ms = |time: Duration| Cell::Number(time.as_secs_f64() * 1_000.0);
        for (key, interval) in rows {
            let quantile = |q| interval.quantile_ms(q).map_or(Cell::Empty, Cell::Number);
            let used = |cpu: &Cpu| ms(cpu.by_name.get(&key).copied().unwrap_or_default());
            let line = writer.row(&[
                Cell::Number(elapsed_min),
                Cell::Text(key.1.clone()),
                Cell::Number(interval.count() as f64),
                Cell::Number(interval.errors as f64),
                quantile(0.5),
                quantile(0.95),
                quantile(0.99),
                quantile(1.0),
                ms(interval.busy),
                Cell::Text(self.phase.clone()),
                Cell::Text(key.0.name().to_owned()),
                ms(interval.took.saturating_sub(interval.busy)),
                cpu.as_ref().map_or(Cell::Empty, used),
            ]);
            session.writer.send(Job::Spans(line));
        }
        if let Some(cpu) = cpu.filter(|cpu| !cpu.no_request.is_zero()) {
            let mut cells = vec![Cell::Empty; COLUMNS.len()];
            cells[0] = Cell::Number(elapsed_min);
            cells[1] = Cell::Text(NO_REQUEST.to_owned());
            cells[9] = Cell::Text(self.phase.clone());
            cells[10] = Cell::Text("none".to_owned());
            cells[12] = ms(cpu.no_request);
            session.writer.send(Job::Spans(writer.row(&cells)));
        }
    }
}

impl Cpu {
    fn of(session: &Session, sampled: HashMap<u64, Duration>) -> Self {
        let mut cpu = Self::default();
        for (word, time) in sampled {
            let mut add = |number: u32, wanted: Kind| {
                let name = session.spans.labels.name(number)?;
                let key = (name.kind, name.text.to_string());
                (name.kind == wanted).then(|| *cpu.by_name.entry(key).or_default() += time)
            };
            let in_request = add(route_of(word), Kind::Request).is_some();
            add(span_of(word), Kind::Span);
            if !in_request {
                cpu.no_request += time;
            }
        }
        cpu
    }
}
