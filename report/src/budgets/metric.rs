//! What can have a budget, and how it is measured.

use super::Target;
use super::bound::Comparison;
use super::stat::Statistic;
use crate::columns::{self, ColumnBudget};

/// What is measured of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Metric {
    /// A column of the timeline.
    Column(String),
    /// How long spans took, in milliseconds; of the process, its requests.
    Duration,
    /// Spans that failed, as a share of those that ended.
    ErrorRate,
    /// Spans that ended, per second.
    Rate,
    /// CPU time for each span, in milliseconds.
    Cpu,
    /// Bytes allocated for each span, in MB of 1024² bytes.
    Allocated,
}

/// Keys of the process that are columns.
fn columns() -> impl Iterator<Item = (&'static str, Statistic)> {
    columns::ALL.iter().filter_map(|column| {
        let statistic = match column.budget? {
            ColumnBudget::Highest => Statistic::Max,
            ColumnBudget::Mean => Statistic::Mean,
        };
        Some((column.name, statistic))
    })
}

/// Keys that both a span and the process have, k6's names of them included.
static SERVED: [(&str, Metric, Statistic); 11] = [
    ("error_rate", Metric::ErrorRate, Statistic::Rate),
    ("rps", Metric::Rate, Statistic::Rate),
    ("duration", Metric::Duration, Statistic::Quantile(0.95)),
    ("p50_ms", Metric::Duration, Statistic::Quantile(0.5)),
    ("p90_ms", Metric::Duration, Statistic::Quantile(0.9)),
    ("p95_ms", Metric::Duration, Statistic::Quantile(0.95)),
    ("p99_ms", Metric::Duration, Statistic::Quantile(0.99)),
    ("max_ms", Metric::Duration, Statistic::Max),
    (
        "http_req_duration",
        Metric::Duration,
        Statistic::Quantile(0.95),
    ),
    ("http_req_failed", Metric::ErrorRate, Statistic::Rate),
    ("http_reqs", Metric::Rate, Statistic::Rate),
];

/// Keys of a span alone.
static SPAN: [(&str, Metric, Statistic); 2] = [
    ("cpu_ms", Metric::Cpu, Statistic::Mean),
    ("alloc_mb", Metric::Allocated, Statistic::Mean),
];

/// What a key of a target measures, and the statistic a plain number is about.
pub(super) fn of_key(target: &Target, key: &str) -> Option<(Metric, Statistic)> {
    let served = || {
        let found = SERVED.iter().find(|(name, ..)| *name == key);
        found.map(|(_, metric, statistic)| (metric.clone(), *statistic))
    };
    match target {
        Target::Process => columns()
            .find(|(name, _)| *name == key)
            .map(|(name, statistic)| (Metric::Column(name.to_owned()), statistic))
            .or_else(served),
        Target::Span(_) => SPAN
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, metric, statistic)| (metric.clone(), *statistic))
            .or_else(served),
        Target::Tracked(column) => Some((Metric::Column(column.clone()), Statistic::Max)),
    }
}

/// The keys of a target, to name the nearest.
pub(super) fn keys(target: &Target) -> Vec<&'static str> {
    let served = SERVED.iter().map(|(name, ..)| *name);
    match target {
        Target::Process => columns().map(|(name, _)| name).chain(served).collect(),
        Target::Span(_) => SPAN.iter().map(|s| s.0).chain(served).collect(),
        Target::Tracked(_) => Vec::new(),
    }
}

impl Metric {
    /// How a plain number is meant: a rate of requests is to be reached, all
    /// else is not to be exceeded.
    pub(super) fn comparison(&self) -> Comparison {
        match self {
            Metric::Rate => Comparison::AtLeast,
            _ => Comparison::AtMost,
        }
    }

    /// Whether a statistic of it can be had.
    pub(super) fn allows(&self, statistic: Statistic) -> bool {
        match self {
            Metric::Duration | Metric::Column(_) => statistic != Statistic::Rate,
            Metric::ErrorRate => statistic == Statistic::Rate,
            Metric::Rate => matches!(statistic, Statistic::Rate | Statistic::Count),
            Metric::Cpu | Metric::Allocated => statistic == Statistic::Mean,
        }
    }

    /// The unit of its values.
    pub(super) fn unit(&self, statistic: Statistic) -> &'static str {
        match self {
            _ if statistic == Statistic::Count => "",
            Metric::Duration | Metric::Cpu => " ms",
            Metric::Rate => " per second",
            Metric::ErrorRate => "",
            Metric::Allocated => " MB",
            // Of any column, ours or tracked, the name ends in the unit.
            Metric::Column(name) if name.ends_with("_mb") => " MB",
            Metric::Column(name) if name.ends_with("_ms") => " ms",
            Metric::Column(name) if name.ends_with("_percent") => " %",
            Metric::Column(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that is read is in the page's table of budgets.
    #[test]
    fn the_page_has_every_key() {
        let page = include_str!("../../FORMAT.md");
        let (_, section) = page.split_once("## budgets.toml").expect("a section");
        let rows = section.lines().filter(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(2));
        let written: Vec<&str> = cells
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        let keys = columns().map(|(name, _)| name);
        let keys = keys.chain(SERVED.iter().chain(&SPAN).map(|(name, ..)| *name));
        let missing: Vec<&str> = keys.filter(|key| !written.contains(key)).collect();
        assert!(missing.is_empty(), "{missing:?} not in {written:?}");
    }
}
