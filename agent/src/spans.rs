//! The rows of `spans.csv`: one per span name and interval.

use std::collections::BTreeMap;

use soakscope_report::{Cell, TimelineWriter};

use crate::requests::Interval;
use crate::session::Session;
use crate::writer::Job;

/// Minutes between rows of one span, where spans are few.
const INTERVAL_MIN: f64 = 10.0 / 60.0;
/// Rows for which that holds. With twice as many the interval is twice as
/// long, so that three days of 500 routes take no more room than of 16.
const FEW: f64 = 16.0;

const COLUMNS: [&str; 10] = [
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
];

/// Gathers what ticks collect until an interval is full or the phase changes.
#[derive(Default)]
pub(crate) struct SpanRows {
    writer: Option<TimelineWriter>,
    gathered: BTreeMap<String, Interval>,
    since_min: f64,
    phase: String,
}

impl SpanRows {
    /// Collects what was recorded since the last tick; answers it for all
    /// spans together. Writes the rows of an interval that has ended.
    pub(crate) fn collect(&mut self, elapsed_min: f64, phase: &str, session: &Session) -> Interval {
        let many = (self.gathered.len() as f64 / FEW).max(1.0);
        // Ticks come a little early or late.
        let interval_min = INTERVAL_MIN * many * 0.99;
        if phase != self.phase || elapsed_min - self.since_min >= interval_min {
            self.write(elapsed_min, session);
            phase.clone_into(&mut self.phase);
        }
        self.gather(session)
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, elapsed_min: f64, session: &Session) {
        self.gather(session);
        self.write(elapsed_min, session);
    }

    fn gather(&mut self, session: &Session) -> Interval {
        let mut all = Interval::default();
        for (name, interval) in session.requests.collect() {
            all.add(&interval);
            self.gathered.entry(name).or_default().add(&interval);
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
        for (name, interval) in std::mem::take(&mut self.gathered) {
            let quantile = |q| interval.quantile_ms(q).map_or(Cell::Empty, Cell::Number);
            let line = writer.row(&[
                Cell::Number(elapsed_min),
                Cell::Text(name),
                Cell::Number(interval.count() as f64),
                Cell::Number(interval.errors as f64),
                quantile(0.5),
                quantile(0.95),
                quantile(0.99),
                quantile(1.0),
                Cell::Number(interval.busy.as_secs_f64() * 1_000.0),
                Cell::Text(self.phase.clone()),
            ]);
            session.writer.send(Job::Spans(line));
        }
    }
}
