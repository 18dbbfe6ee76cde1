//! Units: what the words of a column's name say of them, and what those behind
//! a number multiply by.

use super::CellUnit;

/// What a column's name says about units that mean several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// `512M` is 512 MiB.
    Memory,
    /// `250m` is a quarter.
    Cpu,
    /// `5m` is five minutes.
    Time,
    /// `1.5M` is a million and a half.
    Other,
}

impl Hint {
    pub(super) fn of(name: &str) -> Hint {
        const BEGIN: [&str; 10] = [
            "rss", "mem", "heap", "vsz", "virt", "pss", "uss", "swap", "vms", "bytes",
        ];
        const ARE: [&str; 9] = [
            "res",
            "shr",
            "ram",
            "size",
            "cache",
            "anon",
            "alloc",
            "allocated",
            "buffers",
        ];
        for word in words(name) {
            if BEGIN.iter().any(|begin| word.starts_with(begin)) || ARE.contains(&word.as_str()) {
                return Hint::Memory;
            }
            if word.starts_with("cpu") || word == "cores" {
                return Hint::Cpu;
            }
            if matches!(
                word.as_str(),
                "time" | "uptime" | "elapsed" | "age" | "etime" | "duration" | "latency"
            ) {
                return Hint::Time;
            }
        }
        Hint::Other
    }
}

/// The words of a name in lower case: `rssKB`, `RSS (KB)` and `rss_kb` alike.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut last = ' ';
    for c in name.chars().take(256) {
        if !c.is_alphanumeric() {
            open = false;
        } else {
            let turns = last.is_lowercase() && c.is_uppercase();
            if !open || turns {
                words.push(String::new());
            }
            open = true;
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        last = c;
    }
    words
}

/// Bytes of the unit that a memory column's name says.
pub(super) fn bytes_of_name(name: &str) -> Option<f64> {
    words(name).iter().rev().find_map(|word| match &word[..] {
        "b" | "byte" | "bytes" => Some(1.0),
        "kb" | "kib" | "kbytes" => Some(1024.0),
        "mb" | "mib" | "mbytes" => Some(1_048_576.0),
        "gb" | "gib" | "gbytes" => Some(1_073_741_824.0),
        _ => None,
    })
}

/// What a unit multiplies by, and what it leads to.
pub(super) fn scale(word: &str, hint: Hint) -> Option<(f64, Option<CellUnit>)> {
    const KIB: f64 = 1024.0;
    let bytes = |factor: f64| Some((factor, Some(CellUnit::Bytes)));
    let time = |factor: f64| Some((factor, Some(CellUnit::Seconds)));
    // One letter may be a prefix alone, or a time.
    let prefix = |power: i32| match hint {
        Hint::Memory => bytes(KIB.powi(power)),
        _ => Some((1000_f64.powi(power), None)),
    };
    match (word, hint) {
        ("", _) => return Some((1.0, None)),
        ("m", Hint::Cpu) => return Some((1e-3, None)),
        ("u", Hint::Cpu) => return Some((1e-6, None)),
        ("n", Hint::Cpu) => return Some((1e-9, None)),
        ("m", Hint::Memory) => return prefix(2),
        ("m", Hint::Time) => return time(60.0),
        ("m", Hint::Other) => return None,
        ("k" | "K", _) => return prefix(1),
        ("M", _) => return prefix(2),
        ("g" | "G", _) => return prefix(3),
        ("t" | "T", _) => return prefix(4),
        _ => {}
    }
    match &word.to_lowercase()[..] {
        "b" | "byte" | "bytes" | "octets" => bytes(1.0),
        "kb" | "kib" | "ki" | "ko" | "kbytes" => bytes(KIB),
        "mb" | "mib" | "mi" | "mo" | "mbytes" => bytes(KIB.powi(2)),
        "gb" | "gib" | "gi" | "go" | "gbytes" => bytes(KIB.powi(3)),
        "tb" | "tib" | "ti" | "to" => bytes(KIB.powi(4)),
        "%" | "pct" | "percent" => Some((1.0, Some(CellUnit::Percent))),
        "ns" => time(1e-9),
        "us" | "µs" | "μs" => time(1e-6),
        "ms" | "msec" => time(1e-3),
        "s" | "sec" | "secs" | "second" | "seconds" => time(1.0),
        "min" | "mins" | "minute" | "minutes" => time(60.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => time(3600.0),
        "d" | "day" | "days" => time(86400.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        assert_eq!(words("rssKB"), ["rss", "kb"]);
        assert_eq!(words("RSS (KB)"), ["rss", "kb"]);
        assert_eq!(bytes_of_name("rss_mb"), Some(1_048_576.0));
        assert_eq!(bytes_of_name("rss"), None);
    }
}
