//! `spans.csv`, row by row. Columns are found by their names.

use std::borrow::Cow;
use std::io::BufRead;

use crate::limits::{NAME_BYTES, cut};
use crate::names::unguarded;
use crate::records::{self, Record, Records};

/// The columns of numbers that are read.
pub(super) const NUMBERS: [&str; 11] = [
    "count",
    "errors",
    "busy_ms",
    "idle_ms",
    "cpu_ms",
    "max_ms",
    "alloc_mb",
    "cpu_measured",
    "cpu_se_ms",
    "cpu_samples",
    "cpu_sampled_ms",
];

/// Shows every row that can be read; answers how many lines cannot.
pub(crate) fn rows(csv: impl BufRead, mut see: impl FnMut(&Row<'_>)) -> usize {
    let mut records = Records::new(csv, b',', None);
    let head = match records.next() {
        Some(Record::Row(head)) if head.ended => head,
        // A line without its end was cut off while it was written.
        Some(_) => return 1,
        None => return 0,
    };
    let width = head.len();
    let column = |name: &str| {
        let mut cells = head.iter();
        cells.position(|column| column == name.as_bytes())
    };
    let elapsed_and_span = column("elapsed_min").zip(column("span"));
    let columns = elapsed_and_span.map(|(elapsed, span)| Columns {
        elapsed,
        span,
        phase: column("phase"),
        kind: column("kind"),
        numbers: NUMBERS.map(column),
    });
    let Some(columns) = columns else {
        return 0;
    };
    let mut lost = 0;
    while let Some(record) = records.next() {
        let row = match record {
            Record::Row(row) if row.ended && row.len() == width => columns.row(row),
            _ => None,
        };
        match row {
            Some(row) => see(&row),
            None => lost += 1,
        }
    }
    lost
}

struct Columns {
    elapsed: usize,
    span: usize,
    phase: Option<usize>,
    kind: Option<usize>,
    numbers: [Option<usize>; NUMBERS.len()],
}

/// A row: a span's name and kind, and what it did in an interval.
pub(crate) struct Row<'a> {
    pub(crate) elapsed_min: f64,
    pub(crate) span: Cow<'a, str>,
    pub(crate) phase: Option<Cow<'a, str>>,
    pub(crate) kind: Cow<'a, str>,
    /// In the order of [`NUMBERS`].
    pub(crate) numbers: [Option<f64>; NUMBERS.len()],
}

impl Columns {
    fn row<'a>(&self, record: records::Row<'a>) -> Option<Row<'a>> {
        let cell = |column: Option<usize>| record.get(column?);
        let number = |column: Option<usize>| {
            let value: f64 = std::str::from_utf8(cell(column)?).ok()?.parse().ok()?;
            value.is_finite().then_some(value)
        };
        let text = |column: Option<usize>| cell(column).map(name);
        Some(Row {
            elapsed_min: number(Some(self.elapsed))?,
            span: text(Some(self.span))?,
            phase: text(self.phase),
            kind: text(self.kind).unwrap_or_default(),
            numbers: self.numbers.map(number),
        })
    }
}

/// A cell's name: bytes that are no text cost themselves, and length is bounded.
fn name(cell: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(cell) {
        Ok(text) => cut(unguarded(text), NAME_BYTES),
        Err(_) => {
            let text = String::from_utf8_lossy(cell);
            cut(unguarded(&text), NAME_BYTES).into_owned().into()
        }
    }
}
