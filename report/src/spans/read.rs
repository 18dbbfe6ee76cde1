//! `spans.csv`, row by row and summed by name. Columns are found by their names.

use std::collections::HashMap;

use super::{SpanRange, SpanTotal};

/// The columns of numbers that are read.
const NUMBERS: [&str; 7] = [
    "count", "errors", "busy_ms", "idle_ms", "cpu_ms", "max_ms", "alloc_mb",
];

/// The sums, in the order in which names first appear, and lines that could
/// not be read.
pub(super) fn totals(csv: &[u8], range: &SpanRange) -> (Vec<SpanTotal>, usize) {
    let mut totals: Vec<SpanTotal> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let lost = rows(csv, |row| {
        if !range.takes(row.elapsed_min, row.phase) {
            return;
        }
        let key = (row.span.to_owned(), row.kind.to_owned());
        let place = *places.entry(key).or_insert_with(|| {
            totals.push(SpanTotal {
                name: row.span.to_owned(),
                kind: row.kind.to_owned(),
                ..SpanTotal::default()
            });
            totals.len() - 1
        });
        add(&mut totals[place], row);
    });
    (totals, lost)
}

/// Shows every row that can be read; answers how many lines cannot.
pub(crate) fn rows(csv: &[u8], mut see: impl FnMut(&Row<'_>)) -> usize {
    // A last line without its end was cut off while it was written.
    let whole = csv.iter().rposition(|byte| *byte == b'\n');
    let cut = usize::from(whole.is_none_or(|end| end + 1 < csv.len()) && !csv.is_empty());
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(&csv[..whole.map_or(0, |end| end + 1)]);
    let Ok(head) = reader.headers().cloned() else {
        return cut;
    };
    let width = head.len();
    let column = |name: &str| head.iter().position(|column| column == name);
    let (Some(elapsed), Some(span)) = (column("elapsed_min"), column("span")) else {
        return cut;
    };
    let columns = Columns {
        elapsed,
        span,
        phase: column("phase"),
        kind: column("kind"),
        numbers: NUMBERS.map(column),
    };
    let mut lost = cut;
    for record in reader.records() {
        let row = record.ok().filter(|record| record.len() == width);
        match row.as_ref().and_then(|record| columns.row(record)) {
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
    pub(crate) span: &'a str,
    pub(crate) phase: Option<&'a str>,
    pub(crate) kind: &'a str,
    /// In the order of [`NUMBERS`].
    pub(crate) numbers: [Option<f64>; NUMBERS.len()],
}

impl Columns {
    fn row<'a>(&self, record: &'a csv::StringRecord) -> Option<Row<'a>> {
        let cell = |column: Option<usize>| record.get(column?);
        let number = |column: Option<usize>| {
            let value = cell(column)?.parse::<f64>().ok()?;
            value.is_finite().then_some(value)
        };
        Some(Row {
            elapsed_min: number(Some(self.elapsed))?,
            span: cell(Some(self.span))?,
            phase: cell(self.phase),
            kind: cell(self.kind).unwrap_or(""),
            numbers: self.numbers.map(number),
        })
    }
}

fn add(total: &mut SpanTotal, row: &Row<'_>) {
    let [count, errors, busy, idle, cpu, max, alloc] = row.numbers;
    total.count += count.unwrap_or(0.0) as u64;
    total.errors += errors.unwrap_or(0.0) as u64;
    total.busy_ms += busy.unwrap_or(0.0);
    let plus = |sum: Option<f64>, more: Option<f64>| match (sum, more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (known, None) | (None, known) => known,
    };
    total.idle_ms = plus(total.idle_ms, idle);
    total.cpu_ms = plus(total.cpu_ms, cpu);
    total.alloc_mb = plus(total.alloc_mb, alloc);
    total.max_ms = match (total.max_ms, max) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (known, None) | (None, known) => known,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms,phase,kind,idle_ms,cpu_ms\n\
        0.2,GET /a,10,1,1,2,3,4,20,warm,request,5,12.5\n\
        0.4,GET /a,20,0,1,2,3,9,40,steady,request,5,\n\
        0.4,<no request>,,,,,,,,steady,none,,7\n\
        0.4,GET /b,1";

    #[test]
    fn intervals_of_a_name_add_up_and_missing_stays_missing() {
        let (totals, lost) = totals(CSV.as_bytes(), &SpanRange::default());
        assert_eq!(lost, 1, "the line that was cut off");
        assert_eq!(totals.len(), 2);
        let a = &totals[0];
        assert_eq!((a.count, a.errors, a.busy_ms), (30, 1, 60.0));
        assert_eq!((a.max_ms, a.cpu_ms), (Some(9.0), Some(12.5)));
        assert_eq!((totals[1].max_ms, totals[1].cpu_ms), (None, Some(7.0)));
        assert_eq!(totals[1].cpu_ms_each(), None, "nothing ended");
    }

    #[test]
    fn a_part_of_a_run_has_its_own_sums() {
        let range = SpanRange {
            phase: Some("warm".to_owned()),
            ..SpanRange::default()
        };
        assert_eq!(super::totals(CSV.as_bytes(), &range).0[0].count, 10);
        let range = SpanRange {
            from_min: Some(0.2),
            ..SpanRange::default()
        };
        assert_eq!(super::totals(CSV.as_bytes(), &range).0[0].count, 20);
        assert!(super::totals(b"", &range).0.is_empty());
        assert!(super::totals(b"rubbish\n1\n", &range).0.is_empty());
    }
}
