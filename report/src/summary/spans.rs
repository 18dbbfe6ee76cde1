//! The requests and spans of a run, as far as a page has room.

use crate::number::{or_dash, within_or_dash};
use crate::spans::SpanTotal;
use crate::table::Table;

/// Rows of the table; the command `soakscope top --by span` has them all.
const MOST: usize = 24;

/// Requests first, then other spans, then CPU time outside of requests; each
/// with the costliest first.
pub(super) fn span_table(spans: &[SpanTotal], heap_period: Option<i64>) -> Table {
    let mut table = Table::new(&[
        "span",
        "kind",
        "count",
        "errors",
        "p50 ms",
        "p99 ms",
        "max ms",
        "busy %",
        "CPU s",
        "CPU ms each",
        "alloc KB each",
    ])
    .words(&[1]);
    let of = |kind: &'static str| spans.iter().filter(move |span| span.kind == kind);
    let known = ["request", "span", "none"];
    let rest = spans.iter().filter(|s| !known.contains(&s.kind.as_str()));
    let all = of("request").chain(of("span")).chain(rest);
    let period = heap_period.map(|bytes| bytes as f64);
    for span in all.take(MOST).chain(of("none")) {
        table.row(row(span, period));
    }
    table
}

fn row(span: &SpanTotal, period: Option<f64>) -> Vec<String> {
    let some = span.count > 0;
    let count = |count: u64| {
        if some {
            count.to_string()
        } else {
            "-".to_owned()
        }
    };
    let open_ms = span.idle_ms.map(|idle| idle + span.busy_ms);
    let busy = open_ms
        .filter(|ms| *ms > 0.0)
        .map(|ms| span.busy_ms / ms * 100.0);
    vec![
        span.name.clone(),
        span.kind.clone(),
        count(span.count),
        count(span.errors),
        or_dash(span.p50_ms),
        or_dash(span.p99_ms),
        or_dash(span.max_ms),
        or_dash(busy),
        within_or_dash(
            span.cpu_ms.map(|ms| ms / 1_000.0),
            span.cpu_within_ms().map(|ms| ms / 1_000.0),
        ),
        within_or_dash(span.cpu_ms_each(), span.cpu_ms_each_within()),
        within_or_dash(
            span.alloc_kb_each(),
            period.and_then(|period| span.alloc_kb_each_within(period)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_is_sampled_has_its_interval() {
        let span = |kind: &str, measured: u64, se_ms: Option<f64>, samples: u64| SpanTotal {
            name: kind.to_owned(),
            kind: kind.to_owned(),
            count: 1_000,
            cpu_ms: Some(5_000.0),
            cpu_measured: measured,
            cpu_se_ms: se_ms,
            cpu_samples: samples,
            alloc_mb: Some(100.0),
            ..SpanTotal::default()
        };
        // What stands after the columns of times, word by word.
        let shown = |span: SpanTotal, heap: bool| {
            let text = span_table(&[span], heap.then_some(512 << 10)).text();
            let row = text.lines().nth(1).expect("a row");
            let words: Vec<&str> = row.split_whitespace().skip(8).collect();
            words.join(" ")
        };
        let in_part = span("request", 1_000, Some(51.0), 0);
        assert_eq!(shown(in_part, true), "5.00 ± 0.10 5.00 ± 0.10 102 ± 14");
        let exact = span("request", 1_000, Some(0.0), 0);
        assert_eq!(shown(exact, false), "5 5 102");
        let sampled = span("span", 0, None, 400);
        assert_eq!(shown(sampled, false), "5.0 ± 0.5 5.0 ± 0.5 102");
        let of_before = span("span", 0, None, 0);
        assert_eq!(shown(of_before, false), "5 5 102");
    }
}
