//! Metrics of spans and requests in Prometheus' text format.
//!
//! They are written here rather than kept in the exporter, whose histograms
//! queue every value until they are folded: what is kept of a span is its
//! [`Totals`](crate::spans::ledger::Totals) and no more. Names are bounded, so the
//! number of series is.

use std::fmt::Write;

use crate::spans::Spans;
use crate::spans::buckets::{Buckets, OF_REQUESTS, OF_SPANS};
use crate::spans::labels::{Kind, Name};
use crate::spans::ledger::Totals;

/// Everything there is to tell of spans.
pub(crate) fn spans(spans: &Spans) -> String {
    let all = spans.totals();
    let requests: Vec<(String, &Totals)> = all
        .iter()
        .filter(|(name, _)| name.kind == Kind::Request)
        .map(|(name, totals)| (http(name), totals))
        .collect();
    // A route and a span of one name are one series.
    let mut merged: Vec<(String, Totals)> = Vec::new();
    for (name, totals) in &all {
        let labels = format!("span=\"{}\"", escaped(&name.text));
        match merged.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, sum)) => {
                sum.durations.add(&totals.durations);
                sum.errors += totals.errors;
            }
            None => merged.push((labels, totals.clone())),
        }
    }
    let mut text = String::new();
    let each = || requests.iter().map(|(labels, t)| (labels.as_str(), *t));
    histograms(
        &mut text,
        "http_server_request_duration_seconds",
        "Time from a request's span opening to its close",
        &OF_REQUESTS,
        each(),
    );
    errors(
        &mut text,
        "soakscope_request_errors_total",
        "Requests that failed",
        each(),
    );
    let each = || merged.iter().map(|(labels, t)| (labels.as_str(), t));
    histograms(
        &mut text,
        "soakscope_span_duration_seconds",
        "Time from a span opening to its close, by name",
        &OF_SPANS,
        each(),
    );
    errors(
        &mut text,
        "soakscope_span_errors_total",
        "Spans that failed, by name",
        each(),
    );
    text
}

fn http(name: &Name) -> String {
    let (method, route) = match &name.http {
        Some((method, route)) => (method.as_deref(), &**route),
        None => (None, &*name.text),
    };
    let route = format!("http_route=\"{}\"", escaped(route));
    match method {
        Some(method) => format!("{route},http_request_method=\"{}\"", escaped(method)),
        None => route,
    }
}

fn histograms<'a>(
    text: &mut String,
    family: &str,
    help: &str,
    bounds: &[f64],
    series: impl Iterator<Item = (&'a str, &'a Totals)>,
) {
    for (index, (labels, totals)) in series.enumerate() {
        if index == 0 {
            head(text, family, help, "histogram");
        }
        let durations: &Buckets = &totals.durations;
        // Writing to a String cannot fail.
        for bound in bounds {
            let count = durations.up_to(*bound);
            let _ = writeln!(text, "{family}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let count = durations.count();
        let sum = durations.sum_seconds();
        let _ = writeln!(text, "{family}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{family}_sum{{{labels}}} {sum}");
        let _ = writeln!(text, "{family}_count{{{labels}}} {count}");
    }
}

fn errors<'a>(
    text: &mut String,
    family: &str,
    help: &str,
    series: impl Iterator<Item = (&'a str, &'a Totals)>,
) {
    for (index, (labels, totals)) in series.enumerate() {
        if index == 0 {
            head(text, family, help, "counter");
        }
        let _ = writeln!(text, "{family}{{{labels}}} {}", totals.errors);
    }
}

fn head(text: &mut String, family: &str, help: &str, kind: &str) {
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = write!(
        text,
        "{gap}# HELP {family} {help}\n# TYPE {family} {kind}\n"
    );
}

/// A label's value, which may hold anything.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::spans::ledger::Closed;

    #[test]
    fn a_request_is_a_series_of_both_families_and_its_name_is_escaped() {
        let book = Spans::new(&Config::default());
        let name = book.request("GET /a\"b", Some("GET"), Some("/a\"b"));
        for (ms, error) in [(3, false), (300, true)] {
            let closed = Closed {
                name,
                error,
                took_ns: ms * 1_000_000,
                busy_ns: 0,
            };
            book.opened(true);
            book.closed(closed, true);
        }
        let text = spans(&book);
        for line in [
            "http_server_request_duration_seconds_bucket{http_route=\"/a\\\"b\",http_request_method=\"GET\",le=\"0.005\"} 1",
            "http_server_request_duration_seconds_count{http_route=\"/a\\\"b\",http_request_method=\"GET\"} 2",
            "soakscope_request_errors_total{http_route=\"/a\\\"b\",http_request_method=\"GET\"} 1",
            "soakscope_span_duration_seconds_bucket{span=\"GET /a\\\"b\",le=\"0.25\"} 1",
            "soakscope_span_duration_seconds_sum{span=\"GET /a\\\"b\"} 0.303",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(
            spans(&Spans::new(&Config::default())),
            "",
            "nothing is not zero"
        );
    }
}
