//! `soakscope top --by span`: which requests and spans cost the most CPU time?

use serde::Serialize;
use soakscope_report::{Profile, RunDir, SpanCost, SpanTotal, number, printable, top_spans};

use crate::Outcome;
use crate::answer::Answer;
use crate::flamegraph::Part;

#[derive(Serialize)]
struct Document {
    kind: &'static str,
    unit: &'static str,
    total: i64,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    cost: SpanCost,
    /// `request` or `span`; absent where the run does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    span_kind: Option<String>,
    /// How many ended.
    count: Option<u64>,
    /// CPU time for each of them, in milliseconds.
    cpu_ms_each: Option<f64>,
}

pub(crate) fn answer(
    dir: &RunDir,
    part: &Part,
    profile: &Profile,
    most: usize,
    json: bool,
) -> Outcome {
    let index = profile
        .value_index("cpu")
        .ok_or("the profile has no CPU time")?;
    let total = profile.total(index);
    let (spans, notes) = dir.spans(&part.span_range())?;
    let mut costs = top_spans(profile, index);
    let all = costs.len();
    costs.truncate(most);
    let entries: Vec<Entry> = costs.into_iter().map(|cost| entry(cost, &spans)).collect();
    let answer = if json {
        Answer::json(&Document {
            kind: "cpu",
            unit: "nanoseconds",
            total,
            entries,
        })?
    } else {
        Answer::new(text(total, &entries, all))
    };
    Ok(answer.remarking(notes))
}

/// A route and a span of one name are one entry, and the route's count is told.
fn entry(cost: SpanCost, spans: &[SpanTotal]) -> Entry {
    let named = || spans.iter().filter(|span| span.name == cost.name);
    let span = named()
        .find(|span| span.kind == "request")
        .or_else(|| named().next())
        .filter(|span| span.count > 0);
    Entry {
        span_kind: span.map(|span| span.kind.clone()),
        count: span.map(|span| span.count),
        cpu_ms_each: span.map(|span| cost.cumulative as f64 / 1e6 / span.count as f64),
        cost,
    }
}

fn text(total: i64, entries: &[Entry], all: usize) -> String {
    let seconds = |nanos: i64| format!("{} s", number(nanos as f64 / 1e9, 3));
    let share = |nanos: i64| format!("{:.1}%", 100.0 * nanos as f64 / total.max(1) as f64);
    let mut text = format!(
        "{} of CPU time in all; showing {} of {all}; cumulative is with the spans inside a request\n\n\
         {:>11} {:>6} {:>11} {:>6} {:>9} {:>10}  name\n",
        seconds(total),
        entries.len(),
        "self",
        "",
        "cumulative",
        "",
        "count",
        "CPU ms each",
    );
    for entry in entries {
        let cost = &entry.cost;
        text.push_str(&format!(
            "{:>11} {:>6} {:>11} {:>6} {:>9} {:>11}  {}\n",
            seconds(cost.own),
            share(cost.own),
            seconds(cost.cumulative),
            share(cost.cumulative),
            entry
                .count
                .map_or("-".to_owned(), |count| count.to_string()),
            entry.cpu_ms_each.map_or("-".to_owned(), |ms| number(ms, 3)),
            printable(&cost.name)
        ));
    }
    text
}
