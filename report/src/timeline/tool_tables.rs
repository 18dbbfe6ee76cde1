//! One header of a table that a tool prints, and how its rows fall under it.

use super::cells;
use super::dates;
use super::header::no_header;
use super::units::Hint;
use crate::error::Error;

/// A line that names columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    /// The name of the time, where the rows begin with one that is named.
    pub(super) time: Option<String>,
    /// The names one by one.
    words: Vec<String>,
    /// The names that have at least two spaces between them, where those with
    /// one belong together: `MEM USAGE / LIMIT`.
    wide: Vec<String>,
    /// Whether the last column is a command, which may have spaces.
    tail: bool,
    /// Whether the tool's memory is in KiB though it does not say so.
    kib: bool,
}

/// A row under a header.
pub(super) struct Fallen<'a> {
    pub(super) time: Option<&'a str>,
    /// Each cell with the name of its column.
    pub(super) cells: Vec<(String, &'a str)>,
}

impl Head {
    /// A line of names: no word of it is a number.
    pub(super) fn of(line: &str) -> Option<Head> {
        let line = line.trim_start_matches(['#', ' ']);
        let (_, names) = times(line).last().unwrap_or((0, line));
        let words: Vec<&str> = names.split_whitespace().collect();
        if words.len() < 2
            || words
                .iter()
                .any(|word| is_number(word) || word.contains("---"))
        {
            return None;
        }
        let wide: Vec<&str> = by_two_spaces(names);
        let has = |word: &str| words.contains(&word);
        let is_time = |name: &str| {
            let name = name.to_ascii_lowercase();
            matches!(
                &name[..],
                "time" | "date" | "timestamp" | "elapsed" | "elapsed time" | "date time" | "t"
            ) || super::Clock::is_named(&name)
        };
        // Names of time at the beginning, by either way of parting names.
        let timed = |names: &[&str]| names.iter().take_while(|name| is_time(name)).count();
        let (in_wide, in_words) = (timed(&wide), timed(&words));
        let time = match (in_wide, in_words) {
            (0, 0) => None,
            (0, count) => Some(words[..count].join(" ")),
            (count, _) => Some(wide[..count].join(" ")),
        };
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let last = words.last().copied().unwrap_or_default();
        Some(Head {
            time,
            tail: matches!(
                last,
                "COMMAND" | "Command" | "CMD" | "ARGS" | "command" | "cmd"
            ),
            kib: has("PID") || has("swpd") || names.contains("kbmem") || names.contains("[MEM]"),
            words: own(&words[in_words..]),
            wide: own(&wide[in_wide..]),
        })
    }

    /// A row's time and cells; `None` if it is none of this header.
    pub(super) fn row<'a>(&self, line: &'a str) -> Option<Fallen<'a>> {
        let line = line.trim();
        if let Some(fallen) = self.timed_at_end(line) {
            return Some(fallen);
        }
        let mut ways: Vec<(Option<&'a str>, &'a str)> = Vec::new();
        for (end, rest) in times(line) {
            ways.insert(0, (Some(line[..end].trim()), rest));
        }
        if self.time.is_some() {
            // Elapsed seconds are no date.
            let end = line.find(char::is_whitespace)?;
            ways.push((Some(&line[..end]), line[end..].trim_start()));
        } else {
            ways.push((None, line));
        }
        ways.into_iter().find_map(|(time, rest)| {
            let cells = self.cells(rest)?;
            Some(Fallen { time, cells })
        })
    }

    /// A row of `vmstat -t`, whose last two words are its time, under the name
    /// of the zone.
    fn timed_at_end<'a>(&self, line: &'a str) -> Option<Fallen<'a>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = words.len().checked_sub(2)?;
        if self.time.is_some() || count == 0 || count + 1 != self.words.len() {
            return None;
        }
        let start = line.rfind(words[count + 1])?;
        let start = line[..start].rfind(words[count])?;
        let time = &line[start..];
        dates::parse(time).filter(|stamp| stamp.date.is_some() && stamp.time.is_some())?;
        let names = self.words.iter().map(|name| self.named(name));
        Some(Fallen {
            time: Some(time),
            cells: names.zip(words[..count].iter().copied()).collect(),
        })
    }

    /// The error of such a table whose rows have no time, with the way to one.
    pub(super) fn untimed(&self) -> Error {
        let has = |name: &str| self.words.iter().any(|word| word == name);
        let (tool, way) = if has("CONTAINER") || has("MEM") {
            (
                "docker stats",
                "while sleep 10; do date +%FT%T; docker stats --no-stream; done >FILE",
            )
        } else if has("CPU(cores)") {
            (
                "kubectl top",
                "while sleep 30; do date +%FT%T; kubectl top pod; done >FILE",
            )
        } else if has("swpd") {
            ("vmstat", "vmstat -t 10 >FILE")
        } else if has("PID") {
            (
                "ps or top",
                "while sleep 10; do date +%FT%T; ps -o pid,rss,vsz,comm -p PID; done >FILE",
            )
        } else {
            (
                "this kind",
                "a time in the first column, called elapsed_s or timestamp",
            )
        };
        no_header(&format!(
            "a table of {tool} without a time for its rows; record it with: {way}"
        ))
    }

    fn cells<'a>(&self, line: &'a str) -> Option<Vec<(String, &'a str)>> {
        let words = joined_ratios(line);
        let wide = by_two_spaces(line);
        // Numbers beside each other are no one cell.
        let one_each = |cells: &[&str]| {
            let numbers = |cell: &&str| cell.split_whitespace().filter(|w| is_number(w)).count();
            cells.iter().all(|cell| numbers(cell) <= 1)
        };
        let (names, cells) = if words.len() == self.words.len() {
            (&self.words, words)
        } else if words.len() == self.wide.len() {
            (&self.wide, words)
        } else if wide.len() == self.wide.len() && wide.len() > 1 && one_each(&wide) {
            (&self.wide, wide)
        } else if self.tail && words.len() > self.words.len() {
            (&self.words, words[..self.words.len()].to_vec())
        } else {
            return None;
        };
        Some(
            names
                .iter()
                .map(|name| self.named(name))
                .zip(cells)
                .collect(),
        )
    }

    /// A column's name with the unit that its tool is known to print.
    fn named(&self, name: &str) -> String {
        const KIB: [&str; 13] = [
            "VSZ", "RSS", "RSZ", "SZ", "VIRT", "RES", "SHR", "SWAP", "swpd", "free", "buff",
            "cache", "StkSize",
        ];
        let kib = KIB.contains(&name)
            || name.starts_with("kb")
            || name.starts_with("[MEM]") && !name.contains('%');
        if self.kib && kib {
            format!("{name} (KB)")
        } else {
            name.to_owned()
        }
    }
}

/// The beginnings of a line that are a time, shortest first: where each ends,
/// and what follows.
fn times(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut ends: Vec<usize> = Vec::new();
    let mut at = 0;
    for word in line.split_whitespace().take(7) {
        let Some(found) = line[at..].find(word) else {
            break;
        };
        at += found + word.len();
        ends.push(at);
    }
    let mut ways = Vec::new();
    for (count, end) in ends.into_iter().enumerate() {
        let beginning = &line[..end];
        let epoch = count == 0 && is_epoch(beginning);
        if epoch || dates::parse(beginning).is_some_and(|stamp| stamp.time.is_some()) {
            ways.push((end, line[end..].trim_start()));
        }
    }
    ways.into_iter()
}

/// Seconds or parts of them since 1970, from 2001 on.
pub(super) fn is_epoch(word: &str) -> bool {
    word.len() >= 10
        && word
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
        && word
            .replace(',', ".")
            .parse::<f64>()
            .is_ok_and(|value| value >= 1e9)
}

/// A line that is nothing but a time.
pub(super) fn is_time(line: &str) -> bool {
    is_epoch(line) || dates::parse(line).is_some_and(|stamp| stamp.time.is_some())
}

pub(super) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && (word.parse::<f64>().is_ok() || cells::read(word, Hint::Memory).is_some())
}

/// Words, of which those around a slash are one: `120.6MiB / 15.5GiB`.
fn joined_ratios(line: &str) -> Vec<&str> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    let mut joins = false;
    for word in line.split_whitespace() {
        let Some(found) = line[at..].find(word) else {
            break;
        };
        let start = at + found;
        at = start + word.len();
        match words.last_mut() {
            Some(last) if joins || word == "/" => {
                last.1 = at;
                joins = word == "/";
            }
            _ => words.push((start, at)),
        }
    }
    words
        .into_iter()
        .map(|(start, end)| &line[start..end])
        .collect()
}

fn by_two_spaces(line: &str) -> Vec<&str> {
    line.split("  ")
        .flat_map(|part| part.split('\t'))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// Text without what moves a terminal's cursor.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            if rest.next_if_eq(&'[').is_some() {
                while rest.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                rest.next();
            }
        } else if c != '\u{feff}' {
            plain.push(c);
        }
    }
    plain
}
