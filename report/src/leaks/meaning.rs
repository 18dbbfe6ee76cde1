//! What a column's words say it is.
//!
//! In English the last noun decides: a `rate_limiter_entries` is entries and a
//! `cpu_cache_mb` a cache. So a name is relieved of its unit and of words such as
//! `avg` behind it, and the last word that remains, its head, is looked up.

use super::units;
use super::vocabulary::{
    AMOUNTS, CPU_NAMES, DISKS, EVENTS, FREE, HAPPENINGS, IDENTITIES, LEADERS, LEVELS, LIMITS,
    MEMORY, OF_CPU, PEAKS, PRESENT, RATES, RATES_ANYWHERE, RESIDENT, ROW_NUMBERS, TIME_UNITS,
    TIMES, TRAFFIC, TRAILERS, Words,
};

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Memory that is held.
    Memory,
    /// Memory in percent of the machine's.
    MemoryShare,
    /// Things that are held: connections, handles, entries.
    Level,
    /// Things held, or all so far: `connections_total`.
    LevelOrTotal,
    /// Memory held, or all so far: `alloc_bytes`.
    MemoryOrTotal,
    /// Events counted since the start.
    Counter,
    /// Bytes and packets in and out, as a total or per row.
    Traffic,
    /// A rate, a share or a quantile.
    Rate,
    /// A time, a duration or an age.
    Time,
    /// Address space that nothing backs.
    Virtual,
    /// The highest value so far.
    Peak,
    /// What a level must not exceed.
    Limit,
    /// A number that names something: a process, a port, a version.
    Identity,
    /// What the machine or its disks have.
    Host,
    /// What a profiling agent takes.
    Agent,
    /// The name says nothing.
    Unknown,
}

impl Meaning {
    /// Whether the column is memory, handles, connections or other things that
    /// are held, so that not to have read it is not to have looked.
    pub(super) fn is_held(self) -> bool {
        matches!(
            self,
            Meaning::Memory
                | Meaning::MemoryShare
                | Meaning::MemoryOrTotal
                | Meaning::Level
                | Meaning::LevelOrTotal
        )
    }
}

/// Whether the memory of this name is what the kernel counts in pages.
pub(super) fn is_resident(words: &[String]) -> bool {
    any(words, RESIDENT)
}

/// Whether this is the id of the process itself, and not of another.
pub(super) fn is_pid(words: &[String]) -> bool {
    is(words.last(), Words::of("pid tgid")) && !any(words, Words::of("parent ppid"))
}

/// Words without the unit of time behind them.
fn untimed(words: &[String]) -> &[String] {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() && TIME_UNITS.has(last) => rest,
        _ => words,
    }
}

/// Whether this says for how long a process has been up.
pub(super) fn is_uptime(words: &[String]) -> bool {
    let words = untimed(words);
    is(words.last(), Words::of("uptime etime etimes"))
        || any(words, Words::of("process proc")) && is(words.last(), Words::of("age elapsed"))
}

/// Whether this says when a process began, or how often it did.
pub(super) fn is_start(words: &[String]) -> bool {
    let words = untimed(words);
    let begins = any(words, Words::of("start started create created boot"));
    let time = is(words.last(), Words::of("time at ts timestamp date ticks"));
    begins && time
        || matches!(words, [word] if word == "starttime" || word == "started")
        || is(words.last(), Words::of("restarts"))
        || any(words, Words::of("restart restarts")) && is(words.last(), Words::of("count total"))
}

/// What a column is, by the words of its name. In a `foreign` file some are an
/// agent's or the host's; a series that a service tracks is its own.
pub(super) fn of(words: &[String], foreign: bool) -> Meaning {
    let Some(first) = words.first() else {
        return Meaning::Unknown;
    };
    if words.len() == 1 && is(Some(first), ROW_NUMBERS) {
        return Meaning::Counter;
    }
    if words.len() == 1 && is(Some(first), CPU_NAMES) {
        return Meaning::Rate;
    }
    if foreign && first == "agent" {
        return Meaning::Agent;
    }
    let second = words.get(1);
    let stalls = is(second, Words::of("cpu memory io some full stall"));
    let of_machine = is(
        second,
        Words::of("cpu load memory mem swap disk available free"),
    );
    match first.as_str() {
        "host" if foreign => return Meaning::Host,
        "system" if foreign && of_machine => return Meaning::Host,
        "psi" | "pressure" if second.is_none() || stalls => return Meaning::Rate,
        _ => {}
    }
    let is_memory = memory(words);
    let unit = units::of_words(words, is_memory);
    let content = content(words, unit.map(|(_, at)| at));
    let Some(head) = content.last() else {
        // Nothing but a unit, as in "MB", or words that say nothing.
        return match unit {
            Some(_) => Meaning::Memory,
            None => Meaning::Unknown,
        };
    };
    let head_in = |list: Words| list.has(head);
    let any_in = |list: Words| list.any(content.iter().copied());
    let last = words.last();

    if any(words, Words::of("percent pct percentage")) {
        let share = is_memory && !any_in(Words::of("pressure psi gc hit fragmentation"));
        return if share {
            Meaning::MemoryShare
        } else {
            Meaning::Rate
        };
    }
    if per_time(words) {
        return Meaning::Rate;
    }
    if is(last, IDENTITIES) {
        return Meaning::Identity;
    }
    if is_virtual(&content) {
        return Meaning::Virtual;
    }
    if any_in(PEAKS) {
        return Meaning::Peak;
    }
    if head_in(LIMITS) || LIMITS.has(content[0]) && content.len() <= 3 {
        return Meaning::Limit;
    }
    if any_in(Words::of("cpu cpus processor core cores")) {
        if head_in(TIMES) || is(last, TIME_UNITS) || any_in(Words::of("seconds")) {
            return Meaning::Counter;
        }
        if head_in(OF_CPU) || content.iter().all(|word| OF_CPU.has(word)) {
            return Meaning::Rate;
        }
    }
    if head_in(RATES) || !is_memory && quantile(head) {
        return Meaning::Rate;
    }
    if let Some(meaning) = of_time(words, &content, is_memory) {
        return meaning;
    }
    if any_in(Words::of("rx tx rxkb txkb")) && !head_in(LEVELS) {
        return Meaning::Traffic;
    }
    if let Some(meaning) = of_total(&content, is_memory) {
        return meaning;
    }
    if any_in(DISKS) && head_in(Words::of("used free size space available disk inodes")) {
        return Meaning::Host;
    }
    let page_cache = any(words, Words::of("cgroup"))
        && matches!(content[..], [_, "memory" | "file"])
        || matches!(content[..], ["buff" | "cach"])
        || content.ends_with(&["page", "cache"]);
    if page_cache {
        return Meaning::Host;
    }
    if is_memory && (head_in(FREE) || FREE.has(content[0])) || matches!(content[..], ["free"]) {
        return Meaning::Host;
    }
    if head_in(EVENTS) {
        let goes_on = any_in(PRESENT);
        return if goes_on {
            Meaning::Level
        } else {
            Meaning::Counter
        };
    }
    if head_in(TRAFFIC) && !is_memory {
        let lent = matches!(content[..], [.., "checked" | "leased" | "lent", "out"]);
        return if lent {
            Meaning::Level
        } else {
            Meaning::Traffic
        };
    }
    if is_memory && unit.is_none() && head_in(LEVELS) && !head_in(AMOUNTS) {
        return Meaning::Level;
    }
    if is_memory || unit.is_some() {
        let so_far = any_in(Words::of("alloc allocated freed processed copied"));
        let known = is_memory || head_in(LEVELS);
        return if so_far || !known {
            Meaning::MemoryOrTotal
        } else {
            Meaning::Memory
        };
    }
    let state = ["close", "time", "fin", "last"]
        .iter()
        .any(|state| content.ends_with(&[state, "wait"]) || content.ends_with(&[state, "ack"]));
    if head_in(LEVELS) || state || first == "tcp" {
        return Meaning::Level;
    }
    if any_in(RATES_ANYWHERE) {
        return Meaning::Rate;
    }
    if any_in(PRESENT) {
        return Meaning::Level;
    }
    Meaning::Unknown
}

/// Memory, whatever else is said of it.
fn memory(words: &[String]) -> bool {
    any(words, MEMORY)
        || pair(words, "working", "set")
        || pair(words, "private", "bytes")
        || pair(words, "private", "dirty")
        || is(words.first(), Words::of("res real"))
            && words[1..]
                .iter()
                .all(|word| units::of_option(word).is_some())
        || pair(words, "in", "use") && any(words, Words::of("bytes"))
}

/// Virtual memory; `virtual_users` are none.
fn is_virtual(content: &[&str]) -> bool {
    let size = [
        "memory", "mem", "size", "bytes", "set", "space", "virtual", "data",
    ];
    let head = content.last().copied().unwrap_or_default();
    content
        .iter()
        .any(|word| ["vsz", "vms", "virt", "vsize", "vmem"].contains(word))
        || content.contains(&"virtual") && size.contains(&head)
        || content.first() == Some(&"vm")
            && (content.len() == 1 || ["size", "data"].contains(&head))
        || content.ends_with(&["address", "space"])
}

/// `requests_per_s`, `KB/s`.
fn per_time(words: &[String]) -> bool {
    words.windows(2).any(|pair| {
        pair[0] == "per"
            && (is(Some(&pair[1]), TIME_UNITS)
                || is(Some(&pair[1]), Words::of("req request tick interval")))
    })
}

/// Times and what is counted in them.
fn of_time(words: &[String], content: &[&str], is_memory: bool) -> Option<Meaning> {
    let head = content.last()?;
    let last = words.last()?;
    // `rss_min` is the lowest of an interval.
    let minimum = last == "min" && (is_memory || LEVELS.has(head));
    let in_time = is(Some(last), TIME_UNITS) && !minimum;
    let so_far = content
        .iter()
        .any(|word| ["total", "sum", "cumulative", "cum"].contains(word));
    if so_far
        && (in_time
            || content
                .iter()
                .any(|word| TIME_UNITS.has(word) && *word != "min"))
    {
        return Some(Meaning::Counter);
    }
    (in_time || TIMES.has(head)).then_some(Meaning::Time)
}

/// Names with a `total`, a `count` or a `sum` in them.
fn of_total(content: &[&str], is_memory: bool) -> Option<Meaning> {
    let says = |word: &str| ["total", "totals", "cumulative", "cum", "accumulated"].contains(&word);
    let counts = |word: &str| ["count", "counts", "counter", "sum"].contains(&word);
    let (first, last) = (*content.first()?, *content.last()?);
    let rest: Vec<&str> = content
        .iter()
        .copied()
        .filter(|word| !says(word) && !counts(word))
        .collect();
    let total = says(first) || says(last);
    let counted = counts(first) || counts(last);
    if !total && !counted {
        return None;
    }
    let head = rest.last().copied().unwrap_or_default();
    let present = rest.iter().any(|word| PRESENT.has(word));
    let allocated = rest
        .iter()
        .any(|word| ["alloc", "allocated", "freed", "allocs"].contains(word));
    let event = [EVENTS, HAPPENINGS, TRAFFIC]
        .iter()
        .any(|list| list.has(head));
    let timed = TIME_UNITS.has(head) || TIMES.has(head);
    Some(if event && !present || total && allocated || timed {
        Meaning::Counter
    } else if is_memory {
        Meaning::Memory
    } else if last == "counter" || last == "sum" {
        Meaning::Counter
    } else if LEVELS.has(head) || present {
        if total {
            Meaning::LevelOrTotal
        } else {
            Meaning::Level
        }
    } else if total && !rest.is_empty() {
        Meaning::Counter
    } else {
        Meaning::Unknown
    })
}

/// A name's words without its unit, and without words that say nothing of what
/// it is.
fn content(words: &[String], unit: Option<usize>) -> Vec<&str> {
    let mut content: Vec<&str> = words
        .iter()
        .enumerate()
        .filter(|(index, word)| Some(*index) != unit && !word.bytes().all(|b| b.is_ascii_digit()))
        .map(|(_, word)| word.as_str())
        .collect();
    while content.len() > 1 && content.last().is_some_and(|word| TRAILERS.has(word)) {
        content.pop();
    }
    while content.len() > 1 && LEADERS.has(content[0]) {
        content.remove(0);
    }
    content
}

/// `p50`, `p99`, `p999`.
fn quantile(word: &str) -> bool {
    word.strip_prefix('p').is_some_and(|digits| {
        (2..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

fn is(word: Option<&String>, list: Words) -> bool {
    word.is_some_and(|word| list.has(word))
}

fn any(words: &[String], list: Words) -> bool {
    list.any(words.iter().map(String::as_str))
}

fn pair(words: &[String], first: &str, second: &str) -> bool {
    words
        .windows(2)
        .any(|pair| pair[0] == first && pair[1] == second)
}

#[cfg(test)]
mod tests;
