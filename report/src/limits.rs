//! How much is read of a file, and how much may be made of it: every bound on
//! what comes from outside, in one place.
//!
//! A run directory may come from anywhere: from a service that its users can
//! fill with names, from a colleague, from an upload. A few hundred bytes can
//! unpack to gigabytes, name a column for every comma, or refer to one long
//! name a million times. So every reader counts two things, the bytes that it
//! takes in and the memory that it makes of them, and stops at these bounds.
//!
//! Together they keep a run of up to 200 MB within 256 MB of memory. A run of
//! three days with a row every second, 52 columns and 20 routes is within all
//! of them; with all columns that the agent writes, every second row of more
//! than 49 hours is read. What is beyond one costs that record or that file, never the run,
//! and is noted with the bound and a remedy.

use std::io::{self, Read};

use crate::error::Error;

/// One bound: a number of things, and what to do about more of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// The most that is taken.
    pub(crate) most: u64,
    /// What is counted.
    things: &'static str,
    /// What the reader of the message can do.
    remedy: &'static str,
}

impl Limit {
    const fn new(most: u64, things: &'static str, remedy: &'static str) -> Limit {
        Limit {
            most,
            things,
            remedy,
        }
    }

    /// The error of what is beyond the bound.
    pub(crate) fn exceeded(&self) -> Error {
        Error::Limit(format!(
            "more than {} {}, which is the most that is read; {}",
            grouped(self.most),
            self.things,
            self.remedy
        ))
    }

    /// All bytes of a file, up to the bound.
    pub(crate) fn read(&self, input: impl Read) -> io::Result<Result<Vec<u8>, Error>> {
        let mut bytes = Vec::new();
        input.take(self.most + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > self.most {
            Err(self.exceeded())
        } else {
            Ok(bytes)
        })
    }
}

// ---- Documents, which are held in memory while they are read.

/// `run.json`. A real one has a few kilobytes.
pub(crate) const RUN_JSON_BYTES: Limit = Limit::new(
    1 << 20,
    "bytes",
    "a run.json has a few thousand, so this is none or was tampered with",
);

/// `budgets.toml`: its parser makes some fifty bytes of each.
pub(crate) const BUDGET_BYTES: Limit = Limit::new(
    256 << 10,
    "bytes",
    "keep the budgets that are judged and leave the rest out",
);

/// Budgets of one file: each keeps a histogram and looks at every row.
pub(crate) const BUDGETS: Limit = Limit::new(
    500,
    "budgets",
    "keep the budgets that are judged and leave the rest out",
);

/// Names longer than this are not compared letter by letter to find the
/// nearest, which takes the product of two lengths.
pub(crate) const COMPARED_NAME_BYTES: usize = 256;

/// Steps that judging budgets by the span files of a run may take: a value of
/// a histogram for a budget is one.
pub(crate) const BUDGET_STEPS: u64 = 200_000_000;

// ---- CSV files, which are streamed.

/// Bytes of a CSV file, which need not be a file and may have no end.
pub(crate) const CSV_BYTES: Limit = Limit::new(
    2 << 30,
    "bytes",
    "keep fewer rows, say every tenth, or fewer columns",
);

/// Bytes of an answer of Prometheus, which is held in memory while it is read.
pub(crate) const ANSWER_BYTES: Limit = Limit::new(
    24 << 20,
    "bytes in one JSON document",
    "ask for fewer series, or with a larger step",
);

/// Bytes of one row. Where a quote is never closed, all that follows is one.
pub(crate) const ROW_BYTES: usize = 1 << 20;

/// Columns of a timeline: those of the agent and more than 5,000 series of the
/// service's own. To judge one for leaks takes a millisecond or two.
pub(crate) const COLUMNS: Limit = Limit::new(
    6_000,
    "columns",
    "leave out the columns that are not judged",
);

/// Numbers of a timeline that are held: 259,200 rows of 54 columns. Of a larger
/// one every second row is kept, or every fourth, and so on.
pub(crate) const CELLS: usize = 14_000_000;

/// Bytes of words that a timeline holds; cells beyond read as missing.
pub(crate) const WORD_BYTES: usize = 16 << 20;

/// Hours from the start, or from 1970: what is farther away is no time of a run.
pub(crate) const HOURS: f64 = 1e8;

/// Files of a run that a summary lists.
pub(crate) const LISTED_FILES: usize = 1_000;

/// Stretches of phases that are kept apart.
pub(crate) const PHASES: usize = 4_096;

/// Phases that a summary lists.
pub(crate) const LISTED_PHASES: usize = 100;

/// Names of spans that are kept apart, in `spans.csv` and `spans.hlog`. The
/// agent writes 1,024 at most.
pub(crate) const SPANS: usize = 2_048;

/// Bytes of one name: of a span, a function, a file, a label.
pub(crate) const NAME_BYTES: usize = 4_096;

// ---- spans.hlog

/// One line of `spans.hlog`: the longest that a histogram of two digits needs
/// is some 90,000.
pub(crate) const LOG_LINE_BYTES: usize = 256 << 10;

/// One histogram of it, unpacked.
pub(crate) const HISTOGRAM_BYTES: u64 = 1 << 20;

/// All of them together, unpacked.
pub(crate) const LOG_UNPACKED_BYTES: Limit = Limit::new(
    192 << 20,
    "bytes when unpacked",
    "the percentiles are of the intervals before; spans.csv still has all counts",
);

// ---- events.jsonl

/// One line of `events.jsonl`.
pub(crate) const EVENT_LINE_BYTES: usize = 64 << 10;

/// Memory that the events held of a run take. Findings are made of all.
pub(crate) const EVENT_MEMORY: usize = 16 << 20;

/// Routes and statements that are found something about.
pub(crate) const FINDINGS: usize = 1_000;

/// Findings that a summary lists.
pub(crate) const LISTED_FINDINGS: usize = 50;

// ---- Profiles

/// Profiles of a run, in files.
pub(crate) const PROFILE_FILES: usize = 20_000;

/// One profile as it is stored.
pub(crate) const PROFILE_BYTES: Limit = Limit::new(
    24 << 20,
    "bytes",
    "take it over a shorter time, or at a lower frequency",
);

/// One profile, unpacked.
pub(crate) const PROFILE_UNPACKED_BYTES: Limit = Limit::new(
    24 << 20,
    "bytes when unpacked",
    "take it over a shorter time, or at a lower frequency",
);

/// All profiles of a run that are read for one question, unpacked.
pub(crate) const PROFILES_UNPACKED_BYTES: Limit = Limit::new(
    1 << 30,
    "bytes of profiles when unpacked",
    "name a part of the run with --from and --to",
);

/// One message of a profile but its strings: a sample, a location.
pub(crate) const MESSAGE_BYTES: Limit = Limit::new(
    256 << 10,
    "bytes in one sample or location",
    "it is damaged, or its stacks have no end",
);

/// Memory that is made of one profile.
pub(crate) const PROFILE_MEMORY: Limit = Limit::new(
    40 << 20,
    "bytes of stacks, names and labels",
    "take it over a shorter time, or at a lower frequency",
);

/// Memory that is made of the sum of a run's profiles.
pub(crate) const MERGED_MEMORY: Limit = Limit::new(
    56 << 20,
    "bytes of stacks, names and labels in the sum of all windows",
    "name a part of the run with --from and --to",
);

/// Memory that the heap profiles looked at take together.
pub(crate) const SHOTS_MEMORY: usize = 40 << 20;

/// Comments of a profile that is put together.
pub(crate) const COMMENTS: usize = 64;

/// Frames of one stack.
pub(crate) const FRAMES: usize = 1_024;

/// Functions inlined at one location.
pub(crate) const INLINED: usize = 128;

/// Bytes of a function's name where stacks are drawn or listed.
pub(crate) const SHOWN_NAME_BYTES: usize = 512;

/// Brackets within brackets of a function's name that are looked into.
pub(crate) const NAME_DEPTH: usize = 24;

/// Frames of all stacks that are drawn, those that stacks share counted once:
/// the lightest beyond it are put together.
pub(crate) const TREE_NODES: usize = 600_000;

/// Bytes of all stacks as text: the lightest beyond it are put together.
pub(crate) const STACK_TEXT_BYTES: usize = 32 << 20;

/// Frames of all stacks in a speedscope file, likewise.
pub(crate) const SPEEDSCOPE_FRAMES: usize = 4_000_000;

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of at most so many bytes: cut between characters, and marked.
pub(crate) fn cut(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end]).into()
}

/// Bytes as text of at most so many bytes, whatever they are: what is not UTF-8
/// costs its own characters and nothing else.
pub(crate) fn lenient(bytes: &[u8], most: usize) -> String {
    // As nearly all are.
    if bytes.len() <= most
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let some = &bytes[..bytes.len().min(most + 4)];
    cut(&String::from_utf8_lossy(some), most).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_names_the_number_and_the_remedy() {
        let error = COLUMNS.exceeded().to_string();
        assert!(error.contains("more than 6,000 columns"), "{error}");
        assert!(error.contains("leave out"), "{error}");
    }

    #[test]
    fn reading_stops_at_the_bound() {
        let bound = Limit::new(10, "bytes", "stop");
        assert_eq!(bound.read(&[7u8; 10][..]).unwrap().unwrap().len(), 10);
        assert!(bound.read(io::repeat(7)).unwrap().is_err());
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äöüß", 6), "ä…");
        assert_eq!(lenient(b"a\xffb", 99), "a\u{fffd}b");
        assert!(lenient(&[0xff; 1000], 30).len() <= 30);
    }
}
