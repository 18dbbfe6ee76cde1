//! The rows of `spans.csv`: one per span name and interval, with the CPU time
//! that was measured and sampled meanwhile, and the allocations.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use soakscope_report::{NO_REQUEST, SpanInterval, SpanKind, SpanRow, SpanWriter};
use soakscope_sampler::heap::allocated_by_label;
use soakscope_sampler::{excluded_cpu_time, process_cpu_time};

use super::row::MB;
use super::span_log::SpanLog;
use crate::disk::job::Job;
use crate::own_bytes;
use crate::profiles::profiler::ProfilerHandle;
use crate::session::Session;
use crate::spans::checked::Checked;
use crate::spans::costs::{Cost, Costs, Key, Rest};
use crate::spans::cpu::Consumer;
use crate::spans::interval::Interval;
use crate::spans::labels::Kind;
use crate::spans::spent::Spent;

/// Minutes between rows of one span, where spans are few.
const INTERVAL_MIN: f64 = 10.0 / 60.0;
/// Rows for which that holds. With twice as many the interval is twice as
/// long, so that three days of 500 routes take no more room than of 16.
const FEW: f64 = 16.0;

/// Gathers what ticks collect until an interval is full or the phase changes.
#[derive(Default)]
pub(crate) struct SpanRows {
    profiler: Option<ProfilerHandle>,
    /// Bytes allocated under each word when they were last asked for.
    allocated: HashMap<u64, u64>,
    /// CPU time that the process had used by the last rows.
    used: Duration,
    rest: Rest,
    checked: Checked,
    writer: Option<SpanWriter>,
    gathered: BTreeMap<Key, Interval>,
    log: SpanLog,
    since_min: f64,
    phase: String,
}

impl SpanRows {
    pub(crate) fn new(profiler: Option<ProfilerHandle>) -> Self {
        let mut rows = Self {
            profiler,
            used: used_by_service(),
            ..Self::default()
        };
        // What was allocated before the run is none of it.
        rows.allocated();
        rows
    }

    /// Collects what was recorded since the last tick; answers it for all
    /// requests together. Writes the rows of an interval that has ended.
    pub(crate) fn collect(&mut self, elapsed_min: f64, phase: &str, session: &Session) -> Interval {
        session.spans.cpu.tick(Instant::now());
        let many = (self.gathered.len() as f64 / FEW).max(1.0);
        // Ticks come a little early or late.
        let interval_min = INTERVAL_MIN * many * 0.99;
        if phase != self.phase || elapsed_min - self.since_min >= interval_min {
            self.write(elapsed_min, session);
            self.check(false, session);
            phase.clone_into(&mut self.phase);
        }
        self.log.advance(elapsed_min, phase, session);
        self.gather(elapsed_min, session)
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let gathered = self.gathered.iter();
        let held = gathered.map(|(key, interval)| {
            key.1.capacity() + interval.bytes() + size_of::<(Key, Interval)>()
        });
        held.sum::<usize>()
            + own_bytes::table(&self.allocated)
            + self.log.bytes()
            + self.checked.bytes()
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, elapsed_min: f64, session: &Session) {
        self.gather(elapsed_min, session);
        self.write(elapsed_min, session);
        self.check(true, session);
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
                    cpu_se_ms: None,
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
        let allocated = self.allocated();
        let costs = self.costs(session);
        let writer = self.writer.get_or_insert_with(|| {
            let writer = SpanWriter::default();
            session.writer.send(Job::Spans(writer.header()));
            writer
        });
        let names = &session.spans.labels;
        let alloc_mb = allocated.map(|bytes| {
            let mb = |(word, bytes): (u64, u64)| (word, bytes as f64 / MB);
            Spent::of(names, bytes.into_iter().map(mb))
        });
        let mut rows = std::mem::take(&mut self.gathered);
        let of_heap = alloc_mb.iter().flat_map(Spent::names);
        for name in costs.names().chain(of_heap) {
            rows.entry(name.clone()).or_default();
        }
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        for (key, interval) in rows {
            let cost = costs.under(&key);
            let alloc_mb = alloc_mb.as_ref().map(|spent| spent.under(&key));
            self.checked.row(&key, interval.count(), &cost);
            if let Some(budgets) = &session.budgets {
                budgets.spans(&SpanInterval {
                    name: &key.1,
                    request: key.0 == Kind::Request,
                    phase: &self.phase,
                    elapsed_min,
                    // Those were taken in at each tick.
                    count: 0,
                    errors: 0,
                    cpu_ms: cost.cpu_ms,
                    cpu_se_ms: cost.se_ms,
                    alloc_mb,
                    durations_ns: None,
                });
            }
            let kind = match key.0 {
                Kind::Request => SpanKind::Request,
                Kind::Span | Kind::Scenario => SpanKind::Span,
            };
            let row = SpanRow {
                count: Some(interval.count()),
                errors: Some(interval.errors),
                p50_ms: interval.quantile_ms(0.5),
                p95_ms: interval.quantile_ms(0.95),
                p99_ms: interval.quantile_ms(0.99),
                max_ms: interval.quantile_ms(1.0),
                busy_ms: Some(ms(interval.busy)),
                idle_ms: Some(ms(interval.took.saturating_sub(interval.busy))),
                alloc_mb,
                ..SpanRow::new(elapsed_min, &key.1, kind, &self.phase)
            };
            let row = with_cost(row, &cost);
            session.writer.send(Job::Spans(writer.row(&row)));
        }
        self.checked.no_request(&costs.no_request);
        let alloc_mb = alloc_mb.map(|s| s.no_request).filter(|n| *n > 0.0);
        if costs.no_request.some() || alloc_mb.is_some() {
            let row = SpanRow {
                alloc_mb,
                ..SpanRow::new(elapsed_min, NO_REQUEST, SpanKind::None, &self.phase)
            };
            let row = with_cost(row, &costs.no_request);
            session.writer.send(Job::Spans(writer.row(&row)));
        }
    }

    /// Holds samples against what was measured, and warns where they disagree.
    fn check(&mut self, is_last: bool, session: &Session) {
        let (found, warning) = self.checked.look(is_last);
        session.spans.set_agreement(found);
        if let Some(warning) = warning {
            session.journal.warn(&warning);
        }
    }

    /// CPU time since the last call. Unknown where nobody samples, or none can be
    /// measured; missing is not zero.
    fn costs(&mut self, session: &Session) -> Costs {
        let spans = &session.spans;
        let drained = |profiler: &&ProfilerHandle| profiler.drain() && profiler.samples_cpu();
        let profiler = self.profiler.as_ref().filter(drained);
        let sampled = profiler.map(|_| spans.take_sampled());
        let measured = spans.take_measured(Consumer::Rows);
        let used = used_by_service();
        let since = used.saturating_sub(self.used);
        self.used = self.used.max(used);
        let measured = measured.as_ref();
        let measured = measured.map(|measured| (measured, since.as_nanos() as f64));
        Costs::of(&spans.labels, measured, sampled.as_ref(), &mut self.rest)
    }

    /// Bytes allocated under each word since the last call, or since the run
    /// began; `None` where nobody profiles the heap.
    fn allocated(&mut self) -> Option<HashMap<u64, u64>> {
        let mut since = HashMap::new();
        for now in allocated_by_label()? {
            let before = self.allocated.insert(now.label, now.allocated_bytes);
            let more = now.allocated_bytes.saturating_sub(before.unwrap_or(0));
            since.insert(now.label, more);
        }
        Some(since)
    }
}

fn with_cost<'a>(row: SpanRow<'a>, cost: &Cost) -> SpanRow<'a> {
    SpanRow {
        cpu_ms: cost.cpu_ms,
        cpu_measured: cost.measured,
        cpu_se_ms: cost.se_ms,
        cpu_samples: cost.samples,
        cpu_sampled_ms: cost.sampled_ms,
        ..row
    }
}

/// CPU time of the process without the agent's own threads.
fn used_by_service() -> Duration {
    process_cpu_time().saturating_sub(excluded_cpu_time())
}
