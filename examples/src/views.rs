//! The client's view of a run beside the server's.
//!
//! They differ for a reason: the client counts from the moment a request was due and sees queues, sockets and the
//! machine's scheduler; the server counts from the moment its handler began.

use std::path::Path;

use soakscope_report::{Timeline, read_timeline};

use crate::load::{Outcome, Percentiles};

/// What the agent saw of the requests, added up from its timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerView {
    requests: f64,
    errors: f64,
    /// Means over the timeline's rows, weighted by their requests; the maximum is exact.
    latency: Percentiles,
}

impl ServerView {
    /// Adds up a timeline. Rows without requests count for nothing.
    pub fn of(timeline: &Timeline) -> Self {
        let mut view = Self::default();
        let hours = timeline.elapsed_hours();
        let columns = [
            "requests_per_s",
            "errors_per_s",
            "latency_p50_ms",
            "latency_p95_ms",
            "latency_p99_ms",
            "latency_max_ms",
        ]
        .map(|name| (name, timeline.series(name).unwrap_or_default()));
        let cell = |column: &str, row: usize| {
            let (_, values) = columns.iter().find(|(name, _)| *name == column)?;
            values.get(row).copied().filter(|value| value.is_finite())
        };
        for row in 0..timeline.len() {
            let before = row.checked_sub(1).map_or(0.0, |row| hours[row]);
            let seconds = (hours[row] - before) * 3600.0;
            let requests = cell("requests_per_s", row).unwrap_or(0.0) * seconds;
            let mean = |so_far: f64, column: &str, requests_so_far: f64| match cell(column, row) {
                Some(value) if requests > 0.0 => {
                    so_far + (value - so_far) * requests / (requests_so_far + requests)
                }
                _ => so_far,
            };
            view.latency.p50_ms = mean(view.latency.p50_ms, "latency_p50_ms", view.requests);
            view.latency.p95_ms = mean(view.latency.p95_ms, "latency_p95_ms", view.requests);
            view.latency.p99_ms = mean(view.latency.p99_ms, "latency_p99_ms", view.requests);
            view.latency.max_ms = view
                .latency
                .max_ms
                .max(cell("latency_max_ms", row).unwrap_or(0.0));
            view.requests += requests;
            view.errors += cell("errors_per_s", row).unwrap_or(0.0) * seconds;
        }
        view
    }
}

/// Both views as a table for a terminal. Without a readable timeline there is only the client's.
pub fn table(client: &Outcome, run: &Path) -> String {
    let mut text = format!(
        "{:<38}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}\n",
        "", "requests", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"
    );
    text += &row(
        "client, from the intended start",
        client.requests as f64,
        client.errors as f64,
        &client.latency,
    );
    if let Ok(timeline) = read_timeline(&run.join("timeline.csv")) {
        let server = ServerView::of(&timeline);
        text += &row(
            "server, mean of its seconds",
            server.requests,
            server.errors,
            &server.latency,
        );
    }
    text
}

fn row(who: &str, requests: f64, errors: f64, latency: &Percentiles) -> String {
    let Percentiles {
        p50_ms,
        p95_ms,
        p99_ms,
        max_ms,
    } = latency;
    format!(
        "{who:<38}{requests:>9.0}{errors:>8.0}{p50_ms:>9.2}{p95_ms:>9.2}{p99_ms:>9.2}{max_ms:>9.2}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_by_their_requests() {
        let csv = "elapsed_s,requests_per_s,errors_per_s,latency_p50_ms,latency_p95_ms,latency_p99_ms,latency_max_ms\n\
                   1,100,0,1,2,3,4\n\
                   2,,,,,,\n\
                   4,150,1,2,4,6,9\n";
        let view = ServerView::of(&Timeline::parse(csv.as_bytes()).unwrap());
        assert!(
            (view.requests - 400.0).abs() < 1e-6 && (view.errors - 2.0).abs() < 1e-6,
            "{view:?}"
        );
        assert!((view.latency.p50_ms - 1.75).abs() < 1e-6, "{view:?}");
        assert!((view.latency.max_ms - 9.0).abs() < 1e-9);
    }
}
