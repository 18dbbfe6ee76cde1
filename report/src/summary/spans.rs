//! The requests and spans of a run, as far as a page has room.

use crate::number::{or_dash, within_or_dash};
use crate::run::Run;
use crate::spans::SpanTotal;
use crate::table::Table;

/// Rows of the table; the command `soakscope top --by span` has them all.
const MOST: usize = 24;

/// Requests first, then other spans, then CPU time outside of requests; each
/// with the costliest first.
pub(super) fn span_table(run: &Run) -> Table {
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
    let of = |kind: &'static str| run.spans.iter().filter(move |span| span.kind == kind);
    let known = ["request", "span", "none"];
    let rest = run
        .spans
        .iter()
        .filter(|s| !known.contains(&s.kind.as_str()));
    let all = of("request").chain(of("span")).chain(rest);
    for span in all.take(MOST).chain(of("none")) {
        table.row(row(span));
    }
    table
}

fn row(span: &SpanTotal) -> Vec<String> {
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
        or_dash(span.alloc_kb_each()),
    ]
}
