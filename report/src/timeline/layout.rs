//! How a table is laid out, by its beginning: what stands before it, which line
//! names the columns, and what is between its cells.

use super::Clock;
use super::dates;
use super::filling::float;
use super::header::{no_header, unique};
use super::tool_tables::{is_number, is_time};
use crate::error::Error;

/// How a table is laid out.
pub(super) enum Layout {
    /// A byte between cells.
    Cells {
        delimiter: u8,
        /// Bytes before the table, or before its rows where `names` is given.
        skip: usize,
        /// The columns' names, where no one line has them.
        names: Option<Vec<String>>,
    },
    /// White space between cells, as tools print for people.
    Blocks,
    /// JSON.
    Prometheus,
}

/// Recognises the layout by the beginning of a file.
pub(super) fn of(head: &[u8]) -> Result<Layout, Error> {
    let mark = if head.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let lines = lines(head, mark);
    let filled = |line: &&Line<'_>| !line.text.trim_ascii().is_empty();
    let Some(first) = lines.iter().find(filled) else {
        return Ok(plain(b',', 0));
    };
    let text = first.text.trim_ascii();
    // What spreadsheets write for each other.
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = text
        && let Some(next) = lines.iter().find(|line| line.start > first.start)
    {
        return Ok(plain(*delimiter, next.start));
    }
    match text.first() {
        Some(b'{') => return Ok(Layout::Prometheus),
        Some(b'[')
            if text[1..].trim_ascii_start().is_empty()
                || text[1..].trim_ascii_start().starts_with(b"{")
                || text[1..].trim_ascii_start().starts_with(b"[") =>
        {
            return Err(no_header(
                "the file is JSON; write it as CSV, such as with \
                 jq -r '.[] | [.timestamp, .rss_bytes] | @csv'",
            ));
        }
        _ => {}
    }
    if text.starts_with(b"# HELP ") || text.starts_with(b"# TYPE ") {
        return Err(no_header(
            "the file is one scrape of Prometheus metrics, without a course of time; ask \
             Prometheus' /api/v1/query_range, whose JSON is read",
        ));
    }
    if text.starts_with(b"\"Dstat") || text.starts_with(b"\"pcp-dstat") {
        return dstat(&lines);
    }
    let content = lines
        .iter()
        .position(|line| filled(&line) && !line.text.trim_ascii().starts_with(b"#"));
    // A header that a `#` marks stands before rows of numbers.
    let marked = lines[..content.unwrap_or(lines.len())]
        .iter()
        .rfind(|line| line.text.trim_ascii().starts_with(b"#"))
        .filter(|_| content.is_some_and(|row| is_data(lines[row].text)))
        .filter(|line| {
            line.text
                .trim_ascii()
                .iter()
                .any(|b| !matches!(b, b'#' | b' '))
        });
    if let Some(line) = marked {
        let hashes = line
            .text
            .iter()
            .take_while(|b| matches!(b, b'#' | b' ' | b'\t'))
            .count();
        let names = &line.text[hashes..];
        return Ok(match delimiter(names) {
            Some(delimiter) => plain(delimiter, line.start + hashes),
            None => Layout::Blocks,
        });
    }
    let Some(header) = content.map(|row| &lines[row]) else {
        return Ok(plain(b',', 0));
    };
    if header.text.contains(&0) {
        return Err(no_header("the file is not text; name a CSV file"));
    }
    let text = String::from_utf8_lossy(header.text);
    let text = text.trim();
    let tool = text.starts_with("Linux ") && text.contains('(')
        || text.starts_with("top - ")
        || text.starts_with("procs --")
        || is_time(text) && delimiter(header.text).is_none_or(|d| d == b',');
    if tool {
        return Ok(Layout::Blocks);
    }
    if text.starts_with("--") && text.ends_with('-') {
        return Err(no_header(
            "a table that dstat prints for people; record it with dstat -T --output FILE.csv",
        ));
    }
    Ok(match delimiter(header.text) {
        Some(delimiter) => plain(delimiter, 0),
        None if text.split_whitespace().nth(1).is_some() && !text.starts_with('"') => {
            Layout::Blocks
        }
        None => plain(b',', 0),
    })
}

fn plain(delimiter: u8, skip: usize) -> Layout {
    Layout::Cells {
        delimiter,
        skip,
        names: None,
    }
}

/// What is between the cells of a header; `None` where it is white space, or
/// there is but one.
fn delimiter(line: &[u8]) -> Option<u8> {
    let count = |delimiter: u8| line.iter().filter(|b| **b == delimiter).count();
    // What leaves a time in the first cell is it, whatever later names hold.
    let leaves_time = |delimiter: &u8| {
        let first = line.split(|b| b == delimiter).next().unwrap_or_default();
        let name = String::from_utf8_lossy(first);
        count(*delimiter) > 0 && Clock::knows(name.trim_matches(['"', ' ', '\u{feff}', '\r']))
    };
    if let Some(delimiter) = [b',', b';', b'\t', b'|'].into_iter().find(leaves_time) {
        return Some(delimiter);
    }
    // Spreadsheets write semicolons where the comma is a decimal point.
    let most = [b';', b'\t', b'|']
        .into_iter()
        .find(|delimiter| count(*delimiter) > count(b','))
        .unwrap_or(b',');
    (count(most) > 0).then_some(most)
}

/// Whether a line holds values: one of its cells is a number or a time.
fn is_data(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let mut cells = text
        .split([',', ';', '\t', '|'])
        .map(|cell| cell.trim_matches(['"', ' ', '\r']));
    cells.any(|cell| {
        cell.split_whitespace().any(is_number)
            || float(cell.as_bytes()).is_some()
            || is_time(cell)
            || dates::parse(cell).is_some()
    })
}

/// A line of the beginning, and where it starts.
struct Line<'a> {
    text: &'a [u8],
    start: usize,
}

/// Lines, whichever of CR and LF ends them.
fn lines(head: &[u8], from: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = from;
    for (at, byte) in head.iter().enumerate().skip(from) {
        if matches!(byte, b'\n' | b'\r') {
            lines.push(Line {
                text: &head[start..at],
                start,
            });
            start = at + 1;
        }
        if lines.len() == 500 {
            break;
        }
    }
    if start < head.len() && lines.len() < 500 {
        lines.push(Line {
            text: &head[start..],
            start,
        });
    }
    lines
}

/// `dstat --output`: some lines about itself, one of groups (`memory usage`),
/// one of names (`used`).
fn dstat(lines: &[Line<'_>]) -> Result<Layout, Error> {
    let cells = |line: &Line<'_>| -> Vec<String> {
        String::from_utf8_lossy(line.text)
            .trim_end()
            .split(',')
            .map(|cell| cell.trim_matches(['"', ' ']).to_owned())
            .collect()
    };
    let numbers = lines
        .iter()
        .position(|line| line.text.first().is_some_and(u8::is_ascii_digit))
        .filter(|row| *row >= 2)
        .ok_or_else(|| no_header("a file of dstat without a row of numbers"))?;
    // Blank lines may be between CR and LF.
    let mut before = lines[..numbers].iter().rev().filter(|l| !l.text.is_empty());
    let (Some(names), Some(groups)) = (before.next(), before.next()) else {
        return Err(no_header(
            "a file of dstat without the names of its columns",
        ));
    };
    let groups = cells(groups);
    let mut group = String::new();
    let named = cells(names).into_iter().enumerate().map(|(index, name)| {
        if let Some(other) = groups.get(index).filter(|group| !group.is_empty()) {
            group.clone_from(other);
        }
        let bytes = if group == "memory usage" || group == "swap" {
            " (bytes)"
        } else {
            ""
        };
        match &group[..] {
            "epoch" | "system" if matches!(&name[..], "epoch" | "time") => name,
            "" => name,
            group => format!("{group} {name}{bytes}"),
        }
    });
    let names = unique(named);
    if !names.iter().any(|name| Clock::knows(name)) {
        return Err(no_header(
            "a file of dstat without a time; record it with dstat -T -m --output FILE.csv",
        ));
    }
    Ok(Layout::Cells {
        delimiter: b',',
        skip: lines[numbers].start,
        names: Some(names),
    })
}
