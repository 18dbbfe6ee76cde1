//! Which columns of a timeline can leak, and in which unit they do.

use crate::timeline::Timeline;

/// A column to be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub name: String,
    pub unit: Unit,
}

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Memory in units of so many bytes; judged and told in MB.
    Memory { bytes: u64 },
    /// Things.
    Count,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Memory { .. } => "MB",
            Unit::Count => "",
        }
    }

    /// What one of the column's numbers is in the unit told.
    pub(super) fn factor(self) -> f64 {
        match self {
            Unit::Memory { bytes } => bytes as f64 / (1 << 20) as f64,
            Unit::Count => 1.0,
        }
    }
}

/// Endings of names of rates, times and totals, which may grow for ever.
const NOT_LEVELS: &[&str] = &[
    "_total", "_per_s", "_per_sec", "_percent", "_pct", "_rate", "_ratio", "_seconds", "_s", "_ms",
    "_us", "_ns", "_min", "_h", "_hours", "_id", "_sum", "_score",
];

/// Beginnings of names that are no level of a resource of the service's own.
/// The agent's own resources are not the service's leak.
const NOT_OURS: &[&str] = &[
    "elapsed",
    "time",
    "vms",
    "virt",
    "cpu",
    "latency",
    "requests",
    "errors",
    "agent_",
    "host_",
    "tick",
    "dropped",
    "tokio_global_queue",
    "accept_queue",
    "psi_",
    "pressure",
    "ctx",
    "context_switch",
    "io_",
    "read_",
    "write_",
    "disk_",
    "net_",
    "page_fault",
    "minor_fault",
    "major_fault",
    "minflt",
    "majflt",
    "load",
    "cgroup_memory",
    "cgroup_file",
    "uptime",
    "pid",
    "ppid",
    "nice",
    "rps",
    "qps",
    "p50",
    "p90",
    "p95",
    "p99",
];

/// Words in names of what bounds a level or remembers its highest, and is none.
const NOT_PRESENT: &[&str] = &["peak", "hwm", "highest", "limit", "quota"];

/// Other readings of memory that nothing backs, taken so seldom that a short
/// run has too few of them. Where it is read at every tick they are left out.
const SELDOM: &[&str] = &["pss_mb", "private_dirty_mb", "swap_mb"];
const AT_EVERY_TICK: &str = "rss_anon_mb";

pub(super) fn of(timeline: &Timeline) -> Vec<Candidate> {
    let seldom = |name: &str| SELDOM.contains(&name) && timeline.readings(AT_EVERY_TICK).is_some();
    timeline
        .columns()
        .iter()
        .skip(1)
        .filter(|name| timeline.readings(name).is_some() && !seldom(name))
        .filter_map(|name| candidate(name))
        .collect()
}

fn candidate(name: &str) -> Option<Candidate> {
    let lower = name.to_ascii_lowercase();
    let not_a_level = NOT_LEVELS.iter().any(|end| lower.ends_with(end))
        || NOT_OURS.iter().any(|begin| lower.starts_with(begin))
        || lower.split('_').any(|word| NOT_PRESENT.contains(&word));
    (!not_a_level).then(|| Candidate {
        name: name.to_owned(),
        unit: unit(&lower),
    })
}

fn unit(name: &str) -> Unit {
    let bytes = if name.ends_with("_mb") || name.ends_with("_mib") {
        1 << 20
    } else if name.ends_with("_kb") || name.ends_with("_kib") {
        1 << 10
    } else if name.ends_with("_gb") || name.ends_with("_gib") {
        1 << 30
    } else if name.ends_with("_bytes") || matches!(name, "rss" | "uss" | "pss") {
        1
    } else {
        return Unit::Count;
    };
    Unit::Memory { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_judged_and_rates_are_not() {
        for name in [
            "rss_mb",
            "heap_live_mb",
            "connections",
            "open_fds",
            "db_pool_in_use",
            "rss",
        ] {
            assert!(candidate(name).is_some(), "{name}");
        }
        for name in [
            "vms_mb",
            "cpu_percent",
            "requests_per_s",
            "jobs_total",
            "agent_rss_mb",
            "peak_rss_mb",
            "rss_peak_mb",
            "open_fds_limit",
            "vms_limit_mb",
            "cgroup_memory_limit_mb",
            "host_memory_mb",
            "ticks_missed",
            "dropped",
            "tokio_global_queue_depth",
            "accept_queue",
        ] {
            assert!(candidate(name).is_none(), "{name}");
        }
    }

    #[test]
    fn memory_read_seldom_is_judged_where_nothing_else_tells_of_it() {
        let names = |csv: &str| -> Vec<String> {
            let timeline = Timeline::parse(csv.as_bytes()).expect("a timeline");
            of(&timeline).into_iter().map(|c| c.name).collect()
        };
        let both = "elapsed_s,rss_anon_mb,pss_mb\n0,1,1\n1,1,1\n";
        assert_eq!(names(both), ["rss_anon_mb"]);
        let alone = "elapsed_s,pss_mb\n0,1\n1,1\n";
        assert_eq!(names(alone), ["pss_mb"]);
    }

    #[test]
    fn memory_is_told_in_megabytes_whatever_the_column_is_in() {
        assert_eq!(unit("rss_kb").factor(), 1.0 / 1024.0);
        assert_eq!(unit("rss").name(), "MB");
        assert_eq!(unit("threads"), Unit::Count);
    }
}
