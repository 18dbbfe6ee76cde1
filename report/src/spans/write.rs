//! `spans.csv`, written: one line per span name and interval.

use crate::timeline::{Cell, TimelineWriter};

/// The row of CPU time outside of any request.
pub const NO_REQUEST: &str = "<no request>";

/// What a row of `spans.csv` is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SpanKind {
    /// Requests on a route.
    Request,
    /// Any other span.
    Span,
    /// What happened outside of any request.
    None,
}

impl SpanKind {
    /// The kind as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SpanKind::Request => "request",
            SpanKind::Span => "span",
            SpanKind::None => "none",
        }
    }
}

/// The columns, in order; the first nine are fixed and the rest found by name.
pub const SPAN_COLUMNS: [&str; 18] = [
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
    "alloc_mb",
    "cpu_measured",
    "cpu_se_ms",
    "cpu_samples",
    "cpu_sampled_ms",
];

/// One row of `spans.csv`: what the spans of a name did in an interval. What is
/// unknown is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanRow<'a> {
    /// When the interval ended.
    pub elapsed_min: f64,
    /// The name.
    pub span: &'a str,
    /// What it is the name of.
    pub kind: SpanKind,
    /// The phase that the interval is in; empty for none.
    pub phase: &'a str,
    /// How many ended.
    pub count: Option<u64>,
    /// How many of them failed.
    pub errors: Option<u64>,
    /// Percentiles of how long they took, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 95th.
    pub p95_ms: Option<f64>,
    /// The 99th.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Time in which a thread was in them.
    pub busy_ms: Option<f64>,
    /// Time in which none was.
    pub idle_ms: Option<f64>,
    /// CPU time.
    pub cpu_ms: Option<f64>,
    /// Bytes allocated, in MB.
    pub alloc_mb: Option<f64>,
    /// Of how many that ended CPU time was measured.
    pub cpu_measured: Option<u64>,
    /// The standard error of `cpu_ms`.
    pub cpu_se_ms: Option<f64>,
    /// CPU samples that fell there.
    pub cpu_samples: Option<u64>,
    /// CPU time that these stand for.
    pub cpu_sampled_ms: Option<f64>,
}

impl<'a> SpanRow<'a> {
    /// A row of which nothing else is known.
    #[must_use]
    pub fn new(elapsed_min: f64, span: &'a str, kind: SpanKind, phase: &'a str) -> Self {
        SpanRow {
            elapsed_min,
            span,
            kind,
            phase,
            count: None,
            errors: None,
            p50_ms: None,
            p95_ms: None,
            p99_ms: None,
            max_ms: None,
            busy_ms: None,
            idle_ms: None,
            cpu_ms: None,
            alloc_mb: None,
            cpu_measured: None,
            cpu_se_ms: None,
            cpu_samples: None,
            cpu_sampled_ms: None,
        }
    }

    fn cells(&self) -> [Cell; SPAN_COLUMNS.len()] {
        let count = |count: Option<u64>| Cell::from(count.map(|count| count as f64));
        [
            Cell::Number(self.elapsed_min),
            Cell::Text(self.span.to_owned()),
            count(self.count),
            count(self.errors),
            self.p50_ms.into(),
            self.p95_ms.into(),
            self.p99_ms.into(),
            self.max_ms.into(),
            self.busy_ms.into(),
            Cell::Text(self.phase.to_owned()),
            Cell::Text(self.kind.name().to_owned()),
            self.idle_ms.into(),
            self.cpu_ms.into(),
            self.alloc_mb.into(),
            count(self.cpu_measured),
            self.cpu_se_ms.into(),
            count(self.cpu_samples),
            self.cpu_sampled_ms.into(),
        ]
    }
}

/// Formats the lines of `spans.csv`.
#[derive(Debug, Clone)]
pub struct SpanWriter(TimelineWriter);

impl Default for SpanWriter {
    fn default() -> Self {
        SpanWriter(TimelineWriter::new(&SPAN_COLUMNS.map(str::to_owned)))
    }
}

impl SpanWriter {
    /// The header line, with its newline.
    #[must_use]
    pub fn header(&self) -> String {
        self.0.header()
    }

    /// One whole line, with its newline.
    #[must_use]
    pub fn row(&self, row: &SpanRow<'_>) -> String {
        self.0.row(&row.cells())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::read::{NUMBERS, rows};

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = SpanRow {
            count: Some(12),
            errors: Some(1),
            p50_ms: Some(1.5),
            p95_ms: Some(2.5),
            p99_ms: Some(3.5),
            max_ms: Some(4.5),
            busy_ms: Some(5.5),
            idle_ms: Some(6.5),
            cpu_ms: Some(7.5),
            alloc_mb: Some(8.5),
            cpu_measured: Some(9),
            cpu_se_ms: Some(0.25),
            cpu_samples: Some(11),
            cpu_sampled_ms: Some(12.5),
            ..SpanRow::new(0.5, "-GET /a,b", SpanKind::Request, "steady")
        };
        let rest = SpanRow::new(1.0, NO_REQUEST, SpanKind::None, "");
        let writer = SpanWriter::default();
        let csv = writer.header() + &writer.row(&row) + &writer.row(&rest);
        let mut seen = Vec::new();
        let lost = rows(csv.as_bytes(), |row| {
            let phase = row.phase.as_ref().map(ToString::to_string);
            let names = (row.span.to_string(), row.kind.to_string(), phase);
            seen.push((row.elapsed_min, names, row.numbers));
        });
        assert_eq!(lost, 0, "{csv}");
        let names = |span: &str, kind: &str, phase: &str| {
            (span.to_owned(), kind.to_owned(), Some(phase.to_owned()))
        };
        let numbers = [12.0, 1.0, 5.5, 6.5, 7.5, 4.5, 8.5, 9.0, 0.25, 11.0, 12.5];
        assert_eq!(
            seen[0],
            (
                0.5,
                names("-GET /a,b", "request", "steady"),
                numbers.map(Some)
            )
        );
        assert_eq!(seen[1], (1.0, names(NO_REQUEST, "none", ""), [None; 11]));
        assert!(NUMBERS.iter().all(|name| SPAN_COLUMNS.contains(name)));
    }
}
