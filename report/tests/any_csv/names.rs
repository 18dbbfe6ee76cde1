//! Names of columns, and how people spell them.

use crate::draw::Draw;

pub(crate) const MEMORY: &[&str] = &[
    "rss",
    "mem",
    "memory",
    "heap used",
    "rss anon",
    "resident memory",
    "process resident memory",
    "memory usage",
    "mem used",
    "uss",
    "pss",
    "working set",
    "vm rss",
];

pub(crate) const LEVELS: &[&str] = &[
    "pids",
    "net connections",
    "loaded modules",
    "load balancer conns",
    "time series",
    "virtual users",
    "ratelimit entries",
    "rate limiter entries",
    "open fds",
    "process open fds",
    "threads",
    "thread count",
    "handle count",
    "goroutines",
    "io threads",
    "cpu workers",
    "errors kept",
    "requests in flight",
    "pending messages",
    "tick listeners",
    "dropped sessions held",
    "write queue",
    "read buffers",
    "hours cached entries",
    "context handles",
    "db pool in use",
    "active sessions",
    "uptime watchers",
    "pressure sensors open",
];

/// Levels whose name has a unit of memory.
pub(crate) const SIZED: &[&str] = &[
    "disk cache",
    "errors kept",
    "cpu cache",
    "hours cache",
    "io buffers",
    "net buffers",
    "session store used",
    "page cache pool",
    "load balancer buffers",
    "time series cache",
];

pub(crate) const COUNTERS: &[&str] = &[
    "gc count",
    "rx bytes",
    "tx packets",
    "utime",
    "stime",
    "row",
    "seq",
    "index",
    "total rows",
    "success",
    "event count",
    "req count",
    "err count",
    "minor faults",
    "ctx switches",
    "requests",
    "requests total",
    "http requests total",
    "cache hits",
    "cache misses",
    "connections accepted",
    "cpu seconds total",
    "bytes sent",
    "jobs completed",
    "disk read bytes",
    "voluntary context switches",
    "gc collections count",
    "messages total",
    "tasks completed",
    "page faults",
];

pub(crate) const RATES: &[&str] = &[
    "cpu percent",
    "rps",
    "p99",
    "latency ms",
    "requests per s",
    "load1",
    "hit ratio",
    "cpu usage",
    "gc pause ms",
    "error rate",
];

/// The words of a name as somebody spells them.
pub(crate) fn spelt(draw: &mut Draw, words: &str, unit: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let title = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    match draw.below(7) {
        0 | 1 => [words, if unit.is_empty() { vec![] } else { vec![unit] }]
            .concat()
            .join("_")
            .to_lowercase(),
        2 => {
            let humps: Vec<String> = words[1..].iter().map(|word| title(word)).collect();
            format!("{}{}{unit}", words[0], humps.concat())
        }
        3 => {
            let titled: Vec<String> = words.iter().map(|word| title(word)).collect();
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!(" ({unit})")
            };
            titled.join(" ") + &unit
        }
        4 => {
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!("[{unit}]")
            };
            words.join("_") + &unit
        }
        5 => {
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!(".{}", unit.to_lowercase())
            };
            words.join(".") + &unit
        }
        _ => {
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!("-{}", unit.to_lowercase())
            };
            words.join("-") + &unit
        }
    }
}
