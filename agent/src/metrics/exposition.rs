//! Metrics of spans and requests in Prometheus' text format.
//!
//! They are written here rather than kept in the exporter, whose histograms
//! queue every value until they are folded: what is kept of a span is its
//! [`Totals`](crate::spans::ledger::Totals) and no more. Names are bounded, so the
//! number of series is.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::spans::Spans;
use crate::spans::buckets::{Buckets, OF_REQUESTS, OF_SPANS};
use crate::spans::labels::{Kind, Name};
use crate::spans::ledger::Totals;

/// The metrics of all spans.
pub(crate) fn spans(spans: &Spans) -> String {
    let all = spans.totals();
    let mut requests = Series::default();
    let mut each_span = Series::default();
    for (name, totals) in &all {
        if name.kind == Kind::Request {
            requests.add(http(name), totals);
        }
        each_span.add(format!("span=\"{}\"", escaped(&name.text)), totals);
    }
    let (requests, each_span) = (requests.0, each_span.0);
    let mut text = String::new();
    let each = || requests.iter().map(|(labels, t)| (labels.as_str(), t));
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
    let each = || each_span.iter().map(|(labels, t)| (labels.as_str(), t));
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

/// Sums by their labels. Two names may have the same labels, as a route and a
/// span of one name; they are one series.
#[derive(Default)]
struct Series(BTreeMap<String, Totals>);

impl Series {
    fn add(&mut self, labels: String, totals: &Totals) {
        let sum = self.0.entry(labels).or_default();
        sum.durations.add(&totals.durations);
        sum.errors += totals.errors;
    }
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

    #[test]
    fn names_of_the_same_labels_are_one_series() {
        let book = Spans::new(&Config::default());
        // A route without a method, and a raw name that a client made up.
        let names = [
            book.request("GET /a", None, Some("GET /a")),
            book.request("GET /a", None, None),
        ];
        assert_ne!(names[0], names[1]);
        for name in names {
            book.opened(true);
            let closed = Closed {
                name,
                error: false,
                took_ns: 1,
                busy_ns: 0,
            };
            book.closed(closed, true);
        }
        let text = spans(&book);
        let count = "http_server_request_duration_seconds_count{http_route=\"GET /a\"} 2\n";
        assert!(text.contains(count), "{text}");
        let samples = |line: &&str| !(line.is_empty() || line.starts_with('#'));
        let mut series: Vec<&str> = text.lines().filter(samples).collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup_by_key(|line| line.rsplit_once(' ').map(|(series, _)| series));
        assert_eq!(series.len(), all, "{text}");
    }

    #[test]
    fn what_gave_way_is_counted_as_other() {
        let book = Spans::new(&Config::default());
        for n in 0..2_000 {
            for _ in 0..3 {
                let name = book.request(&format!("GET /{}", n % 1_000), Some("GET"), None);
                book.opened(true);
                let closed = Closed {
                    name,
                    error: false,
                    took_ns: 1,
                    busy_ns: 0,
                };
                book.closed(closed, true);
            }
            if n % 100 == 0 {
                book.collect();
            }
        }
        assert!(!book.labels.gone().is_empty());
        let counted = |line: &str| -> u64 {
            let value = line.rsplit_once(' ').expect("a value").1;
            value.parse().expect("a count")
        };
        let text = spans(&book);
        let counts: Vec<u64> = text
            .lines()
            .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
            .map(counted)
            .collect();
        assert_eq!(counts.iter().sum::<u64>(), 6_000, "none is lost");
        assert!(counts.len() <= 513, "{}", counts.len());
    }
}
