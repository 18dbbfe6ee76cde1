//! The words of a column's name, however a script or an exporter spells it.
//!
//! `rss_mb`, `RSS (MB)`, `rssMB`, `rss[MiB]` and `mem.rss.mb` are words with a
//! unit behind them. Whole words decide what a column is, never the letters
//! that a name begins with: `loaded_modules` is no load, `pids` is no pid.

use super::units;
use super::vocabulary::TIME_UNITS;

/// Memory words to which a unit is glued in lower case, as in `rsskb`.
const GLUED_TO: &[&str] = &[
    "rss", "uss", "pss", "mem", "memory", "heap", "swap", "ram", "used", "cache", "vsz", "vms",
    "virt", "res",
];
const GLUED_UNITS: &[&str] = &["kib", "mib", "gib", "kb", "mb", "gb", "bytes"];

/// Words that are written as one.
const COMPOUNDS: &[(&str, &[&str])] = &[
    ("workingset", &["working", "set"]),
    ("memusage", &["mem", "usage"]),
    ("memused", &["mem", "used"]),
    ("memoryusage", &["memory", "usage"]),
    ("memoryused", &["memory", "used"]),
    ("heapused", &["heap", "used"]),
    ("openfds", &["open", "fds"]),
    ("openfiles", &["open", "files"]),
    ("numfds", &["fds"]),
    ("nfds", &["fds"]),
    ("numthreads", &["threads"]),
    ("nthreads", &["threads"]),
    ("threadcount", &["threads"]),
    ("handlecount", &["handles"]),
    ("fdcount", &["fds"]),
    ("vmrss", &["vm", "rss"]),
    ("vmsize", &["vm", "size"]),
    ("vmswap", &["vm", "swap"]),
    ("vmhwm", &["vm", "hwm"]),
    ("rssanon", &["rss", "anon"]),
    ("maxrss", &["max", "rss"]),
];

/// The words of a name in lower case. What a spreadsheet or a reader put behind
/// it to distinguish it from another of the same name, as in `rss_mb (2)`, is no word.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for chunk in
        essence(name).split(|c: char| !c.is_alphanumeric() && c != '%' && c != '/' && c != '@')
    {
        if chunk.eq_ignore_ascii_case("i/o") {
            words.push("io".to_owned());
            continue;
        }
        for (index, part) in chunk.split('/').enumerate() {
            // "KB/s" is a rate, "RSS/KB" is two words.
            let per = matches!(
                part.to_ascii_lowercase().as_str(),
                "s" | "sec" | "second" | "min" | "minute" | "h" | "hour" | "req" | "request"
            );
            if index > 0 && per {
                words.push("per".to_owned());
            }
            push_humps(part, &mut words);
        }
    }
    words
}

/// The part of a name that says what is measured: of a Windows counter's path
/// the last, of a Prometheus series what stands before its labels.
fn essence(name: &str) -> &str {
    let last = name.rsplit('\\').find(|part| !part.trim().is_empty());
    let name = last.unwrap_or(name).trim();
    let name = match name.split_once('{') {
        Some((before, _)) if !before.trim().is_empty() => before.trim(),
        _ => name,
    };
    // `rss_mb [api]` is that of one of several things, `RSS [KB]` has a unit.
    let name = match name.rsplit_once(" [") {
        Some((before, thing)) if !before.is_empty() && thing.ends_with(']') => {
            let thing = thing.trim_end_matches(']');
            if thing == "%" || units::of_option(thing).is_some() || TIME_UNITS.has(thing) {
                name
            } else {
                before
            }
        }
        _ => name,
    };
    match name.rsplit_once(" (") {
        Some((before, number))
            if number.ends_with(')')
                && number.len() > 1
                && number[..number.len() - 1]
                    .bytes()
                    .all(|b| b.is_ascii_digit()) =>
        {
            before
        }
        _ => name,
    }
}

/// The words of `camelCase`, `RSSBytes` and `openFDs`.
fn push_humps(chunk: &str, words: &mut Vec<String>) {
    let chars: Vec<char> = chunk.chars().collect();
    let mut word = String::new();
    let mut humps: Vec<String> = Vec::new();
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(index + 1).copied();
        let upper = |c: Option<char>| c.is_some_and(char::is_uppercase);
        let lower = |c: Option<char>| c.is_some_and(char::is_lowercase);
        // The last letters of "FDs" are one word with the first.
        let plural = after == Some('s') && !lower(chars.get(index + 2).copied());
        let begins = c.is_uppercase()
            && (lower(before)
                || before.is_some_and(|c| c.is_ascii_digit())
                || upper(before) && lower(after) && !plural)
            || c == '%'
            || before == Some('%');
        if begins && !word.is_empty() {
            humps.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    if !word.is_empty() {
        humps.push(word);
    }
    let mut humps = humps.into_iter().peekable();
    while let Some(hump) = humps.next() {
        let prefix = matches!(
            hump.as_str(),
            "k" | "m" | "g" | "t" | "ki" | "mi" | "gi" | "ti"
        );
        if hump == "%" {
            words.push("percent".to_owned());
        } else if prefix && humps.next_if(|next| next == "b").is_some() {
            words.push(format!("{hump}b"));
        } else if let Some((_, parts)) = COMPOUNDS.iter().find(|(whole, _)| *whole == hump) {
            words.extend(parts.iter().map(|&part| part.to_owned()));
        } else if let Some((stem, unit)) = glued(&hump) {
            words.extend([stem.to_owned(), unit.to_owned()]);
        } else {
            words.push(hump);
        }
    }
}

fn glued(word: &str) -> Option<(&str, &str)> {
    GLUED_UNITS.iter().find_map(|unit| {
        let stem = word.strip_suffix(unit)?;
        GLUED_TO.contains(&stem).then_some((stem, *unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_words_however_it_is_spelt() {
        for (name, expected) in [
            ("rss_mb", "rss mb"),
            ("RSS (KB)", "rss kb"),
            ("rssKB", "rss kb"),
            ("rsskb", "rss kb"),
            ("rss[KiB]", "rss kib"),
            ("Real (MB)", "real mb"),
            ("mem.kb", "mem kb"),
            ("VmRSS", "vm rss"),
            ("VmRSS:kB", "vm rss kb"),
            ("RSSBytes", "rss bytes"),
            ("heapUsed", "heap used"),
            ("heapUsedMiB", "heap used mib"),
            ("openFDs", "open fds"),
            ("numFDs", "num fds"),
            ("%CPU", "percent cpu"),
            ("cpu%", "cpu percent"),
            ("MEM %", "mem percent"),
            ("kB_rd/s", "kb rd per s"),
            ("req/s", "req per s"),
            ("minor-faults", "minor faults"),
            (
                "process_resident_memory_bytes{job=\"shop\"}",
                "process resident memory bytes",
            ),
            (
                r"\\HOST\Process(shop)\Working Set - Private",
                "working set private",
            ),
            ("rss_mb (2)", "rss mb"),
            ("threads [api-1]", "threads"),
            ("RSS [KB]", "rss kb"),
            ("lag [ms]", "lag ms"),
            ("memory_info().rss", "memory info rss"),
            ("loaded_modules", "loaded modules"),
            ("pids", "pids"),
            ("p99_ms", "p99 ms"),
            ("Größe_MB", "größe mb"),
            ("", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }
}
