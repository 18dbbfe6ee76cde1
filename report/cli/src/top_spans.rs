//! `soakscope top --by span`: which requests and spans cost the most CPU time?

use serde::Serialize;
use soakscope_report::{
    Profile, Sample, SpanCost, SpanTotal, measured_spans, number, percent, plus_minus, printable,
    top_spans,
};

use crate::Outcome;
use crate::answer::Answer;
use crate::part::Part;
use crate::source::Source;
use crate::top::{MARK, footnote, is_few, of_samples};

#[derive(Serialize)]
struct Document {
    kind: &'static str,
    unit: &'static str,
    total: i64,
    /// Whether what requests cost is measured by their threads' clocks.
    measured: bool,
    samples: Option<u64>,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    cost: SpanCost,
    /// `request` or `span`; absent where the run does not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    span_kind: Option<String>,
    /// How many ended.
    count: Option<u64>,
    /// CPU time for each of them, in milliseconds.
    cpu_ms_each: Option<f64>,
    /// Its 95 % interval, half its width.
    cpu_ms_each_within: Option<f64>,
}

pub(crate) fn answer(
    source: &Source,
    part: &Part,
    profile: &Profile,
    most: usize,
    json: bool,
) -> Outcome {
    let index = profile
        .value_index("cpu")
        .ok_or("the profile has no CPU time")?;
    let (spans, notes) = match source.run() {
        Some(dir) => dir.spans(&part.span_range())?,
        None => Default::default(),
    };
    let labelled = |sample: &Sample| sample.label("span").or(sample.label("route")).is_some();
    if source.run().is_none() && !profile.samples.iter().any(labelled) {
        return Err(format!(
            "no sample of {} has a label span or route, so requests are not kept apart; \
             --by self lists functions",
            source.name()
        )
        .into());
    }
    let sampled = top_spans(profile, index);
    // CPU time is measured by route, of all threads together.
    let measured = if part.is_of_all() {
        measured_spans(&sampled, &spans)
    } else {
        None
    };
    let is_measured = measured.is_some();
    let total = match &measured {
        // All of the process: its requests, and what ran in none.
        Some(_) => spans
            .iter()
            .filter(|span| span.kind != "span")
            .filter_map(|span| span.cpu_ms)
            .fold(0.0, |sum, ms| sum + ms * 1e6) as i64,
        None => profile.total(index),
    };
    let mut costs = measured.unwrap_or(sampled);
    let all = costs.len();
    costs.truncate(most);
    let entries: Vec<Entry> = costs.into_iter().map(|cost| entry(cost, &spans)).collect();
    let document = Document {
        kind: "cpu",
        unit: "nanoseconds",
        total,
        measured: is_measured,
        samples: profile.sample_count(),
        entries,
    };
    let answer = if json {
        Answer::json(&document)?
    } else {
        Answer::new(text(&document, all))
    };
    Ok(answer.remarking(notes))
}

/// A route and a span of one name are one entry, and the route's count is shown.
fn entry(cost: SpanCost, spans: &[SpanTotal]) -> Entry {
    let named = || spans.iter().filter(|span| span.name == cost.name);
    let span = named()
        .find(|span| span.kind == "request")
        .or_else(|| named().next())
        .filter(|span| span.count > 0);
    let each = |nanos: f64| span.map(|span| nanos / 1e6 / span.count as f64);
    Entry {
        span_kind: span.map(|span| span.kind.clone()),
        count: span.map(|span| span.count),
        cpu_ms_each: each(cost.cumulative as f64),
        cpu_ms_each_within: cost.cumulative_within.and_then(each),
        cost,
    }
}

fn text(document: &Document, all: usize) -> String {
    let total = document.total;
    let seconds = |nanos: i64| format!("{} s", number(nanos as f64 / 1e9, 3));
    let share = |nanos: i64, within: Option<f64>| {
        let total = total.max(1) as f64;
        percent(nanos as f64 / total, within.map(|within| within / total))
    };
    let source = match (document.measured, document.samples) {
        (true, Some(samples)) => {
            format!(", measured by the threads' clocks; self is by {samples} samples")
        }
        (true, None) => ", measured by the threads' clocks; self is by samples".to_owned(),
        (false, _) => String::new(),
    };
    let mut text = format!(
        "{} of CPU time in all{}; showing {} of {all}\n\
         cumulative is with the spans inside a request{source}\n\n\
         {:>11} {:>13} {:>11} {:>13} {:>9} {:>15} {:>8}   name\n",
        seconds(total),
        if document.measured {
            "; ± is the 95 % interval".to_owned()
        } else {
            of_samples(document.samples)
        },
        document.entries.len(),
        "self",
        "",
        "cumulative",
        "",
        "count",
        "CPU ms each",
        "samples",
    );
    let mut marked = false;
    for entry in &document.entries {
        let cost = &entry.cost;
        // What is measured needs no samples to be known.
        let few = !cost.measured && is_few(cost.samples);
        marked |= few;
        let samples = cost.samples.map(|samples| samples.to_string());
        let each = entry.cpu_ms_each.map(|ms| match entry.cpu_ms_each_within {
            Some(within) if within > 0.0 => plus_minus(ms, Some(within)),
            _ => number(ms, 3),
        });
        text.push_str(&format!(
            "{:>11} {:>13} {:>11} {:>13} {:>9} {:>15} {:>8} {:1} {}\n",
            seconds(cost.own),
            share(cost.own, cost.self_within),
            seconds(cost.cumulative),
            share(cost.cumulative, cost.cumulative_within),
            entry
                .count
                .map_or("-".to_owned(), |count| count.to_string()),
            each.unwrap_or("-".to_owned()),
            samples.unwrap_or("-".to_owned()),
            if few { MARK } else { "" },
            printable(&cost.name)
        ));
    }
    footnote(&mut text, marked);
    text
}
