//! What leaks, each thing once: memory is one thing, however many series show
//! it, and descriptors of connections that leak are the connections' own.

use serde::Serialize;

use super::must_see::{amount, rate};
use super::{SeriesOutcome, SeriesVerdict, TimeToLimit};
use crate::causes::Cause;
use crate::number::{duration, readable};

/// A thing that leaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Thing {
    /// `heap`, `memory`, `descriptors`, `connections`, `threads`, `tasks`, or a
    /// series' own name.
    pub name: String,
    /// The series that show it, the one that is judged by first.
    pub series: Vec<String>,
    /// `MB` (1024² bytes), or empty for counts.
    pub unit: String,
    /// From when on it was judged, in minutes of the run.
    pub since_min: Option<f64>,
    /// What it has grown by since.
    pub grown: Option<f64>,
    /// Growth per hour.
    pub per_hour: Option<f64>,
    /// The code that holds most of it, where heap profiles say so.
    pub code: Option<String>,
    /// The route or span of that code.
    pub route: Option<String>,
    /// Growth per request …
    pub per_request: Option<f64>,
    /// … of this route, or of any.
    pub requests_of: Option<String>,
    /// When a known limit is reached.
    pub time_to_limit: Option<TimeToLimit>,
    /// All of that in a sentence.
    pub sentence: String,
}

/// Series of the process' memory, the surest first.
const MEMORY: [&str; 10] = [
    "heap_live",
    "rss_anon",
    "rss",
    "private_dirty",
    "uss",
    "pss",
    "cgroup_anon",
    "cgroup_memory",
    "working_set",
    "swap",
];

/// Descriptors grow with the connections they belong to by up to this factor.
const OF_CONNECTIONS: f64 = 1.5;

/// The name of a series without the life it is of.
fn base(name: &str) -> (&str, &str) {
    let end = name.find([' ', '[', '(']).unwrap_or(name.len());
    name.split_at(end)
}

/// Which part of the process' memory a series shows, by how sure it is.
pub(super) fn memory_rank(series: &SeriesVerdict) -> Option<usize> {
    let name = base(&series.name).0.to_ascii_lowercase();
    if series.unit != "MB" {
        return None;
    }
    MEMORY.iter().position(|known| name.starts_with(known))
}

/// The live heap, as the profiler counts it.
pub(super) fn is_heap(series: &SeriesVerdict) -> bool {
    memory_rank(series) == Some(0)
}

/// What a series is of.
fn thing_of(series: &SeriesVerdict) -> String {
    let (name, life) = base(&series.name);
    let lower = name.to_ascii_lowercase();
    let has = |word: &str| lower.split('_').any(|part| part == word);
    let thing = if memory_rank(series).is_some() {
        "memory"
    } else if series.unit == "MB" {
        return series.name.clone();
    } else if has("fds") || has("handles") || has("descriptors") {
        "descriptors"
    } else if lower == "connections" || lower == "net_connections" || lower.starts_with("tcp_") {
        "connections"
    } else if lower == "threads" || lower == "num_threads" {
        "threads"
    } else if lower == "tasks" || lower == "tokio_alive_tasks" {
        "tasks"
    } else {
        return series.name.clone();
    };
    format!("{thing}{life}")
}

/// What leaks by these series, memory first.
pub(super) fn things(series: &[SeriesVerdict], causes: &[Cause]) -> Vec<Thing> {
    let mut groups: Vec<(String, Vec<&SeriesVerdict>)> = Vec::new();
    let leaking = |series: &&SeriesVerdict| series.verdict == SeriesOutcome::Leak;
    for series in series.iter().filter(leaking) {
        let thing = thing_of(series);
        match groups.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, members)) => members.push(series),
            None => groups.push((thing, vec![series])),
        }
    }
    with_connections(&mut groups);
    groups.sort_by_key(|(_, members)| !members.iter().any(|member| memory_rank(member).is_some()));
    let mut things: Vec<Thing> = groups
        .into_iter()
        .map(|(name, mut members)| {
            members.sort_by_key(|member| (memory_rank(member), member.slope_per_hour.is_none()));
            thing(&name, &members, causes)
        })
        .collect();
    for thing in &mut things {
        thing.sentence = sentence(thing);
    }
    things
}

/// Puts descriptors that grow with the connections with these.
fn with_connections(groups: &mut Vec<(String, Vec<&SeriesVerdict>)>) {
    let slope = |members: &[&SeriesVerdict]| {
        let slopes = members.iter().filter_map(|member| member.slope_per_hour);
        slopes.fold(0.0, f64::max)
    };
    let find = |groups: &[(String, Vec<&SeriesVerdict>)], thing: &str| {
        groups.iter().position(|(name, _)| name == thing)
    };
    let (Some(fds), Some(connections)) = (find(groups, "descriptors"), find(groups, "connections"))
    else {
        return;
    };
    let grown = slope(&groups[connections].1);
    if grown > 0.0 && slope(&groups[fds].1) <= OF_CONNECTIONS * grown {
        let (_, members) = groups[fds].clone();
        groups[connections].1.extend(members);
        groups.remove(fds);
    }
}

/// Of growth in a line three quarters lie between the first quarter's floor and the
/// last's; of growth that began late, half and more.
const LATE: f64 = 2.0;

fn thing(name: &str, members: &[&SeriesVerdict], causes: &[Cause]) -> Thing {
    let first = members[0];
    let is_memory = memory_rank(first).is_some();
    let name = if is_heap(first) {
        name.replacen("memory", "heap", 1)
    } else {
        name.to_owned()
    };
    let since_min = first.judged_from_min;
    let judged = since_min.zip(first.judged_until_min);
    let hours = judged.map(|(since, until)| (until - since) / 60.0);
    let per_hour = first.slope_per_hour.filter(|slope| *slope > 0.0);
    // A rate at the end is not that of a series which began to grow late: its
    // floors rose by less.
    let most = rise(first).map_or(f64::INFINITY, |rise| LATE * rise);
    let grown = per_hour
        .zip(hours)
        .map(|(slope, hours)| (slope * hours).min(most));
    let cause = causes.first().filter(|_| is_memory);
    let mb = |bytes: f64| bytes / (1 << 20) as f64;
    Thing {
        name,
        series: members.iter().map(|member| member.name.clone()).collect(),
        unit: first.unit.clone(),
        since_min,
        grown: grown.or_else(|| rise(first)),
        per_hour,
        code: cause.map(|cause| cause.code.clone()),
        route: cause.and_then(|cause| cause.route.clone().or_else(|| cause.span.clone())),
        per_request: match cause {
            Some(cause) => cause.per_request().map(mb),
            None => first.slope_per_request.filter(|slope| *slope > 0.0),
        },
        requests_of: cause.and_then(|cause| cause.requests_of.clone()),
        time_to_limit: members.iter().find_map(|member| member.time_to_limit),
        sentence: String::new(),
    }
}

/// From the first quarter to the last, where it rose.
fn rise(series: &SeriesVerdict) -> Option<f64> {
    match series.quarters[..] {
        [Some(first), .., Some(last)] => Some(last - first).filter(|rise| *rise > 0.0),
        _ => None,
    }
}

fn sentence(thing: &Thing) -> String {
    let of = |value: f64| match thing.unit.as_str() {
        "MB" => amount(value),
        _ => readable(value),
    };
    let mut parts = Vec::new();
    let grown = thing.grown.map(|grown| format!("{} more", of(grown)));
    let since = thing.since_min.map(|since| match since * 60.0 {
        seconds if seconds < 1.0 => "since the start".to_owned(),
        seconds => format!("since {} of the run", duration(seconds / 3600.0)),
    });
    parts.extend(match (grown, since) {
        (Some(grown), Some(since)) => Some(format!("{grown} {since}")),
        (grown, since) => grown.or(since),
    });
    parts.extend(thing.per_hour.map(|slope| match thing.unit.as_str() {
        "MB" => rate(slope),
        _ => format!("{}/h", readable(slope)),
    }));
    let route = thing.route.as_deref();
    parts.extend(thing.code.as_ref().map(|code| match route {
        Some(route) => format!("in {code} ({route})"),
        None => format!("in {code}"),
    }));
    parts.extend(thing.per_request.map(|each| {
        let request = thing.requests_of.as_deref().unwrap_or("request");
        format!("{} per {request}", of(each))
    }));
    parts.extend(thing.time_to_limit.map(|limit| {
        format!(
            "at the limit of {} in {}",
            of(limit.limit),
            duration(limit.hours)
        )
    }));
    if thing.code.is_none() && thing.series.first() != Some(&thing.name) {
        parts.extend(thing.series.first().map(|name| format!("by {name}")));
    }
    format!("{}: {}", thing.name, parts.join(", "))
}
