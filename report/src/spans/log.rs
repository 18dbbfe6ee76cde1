//! `spans.hlog`: histograms of durations, by name and interval.
//!
//! It is a log of HdrHistogram intervals, as its own tools read it, with a tag
//! for the span's name. A tag can hold neither commas nor spaces, so those of
//! a name are percent-encoded. Intervals are shown one by one as they are read:
//! those of three days do not fit into memory together.

use std::io::BufRead;

use super::histogram::Unpacker;
use crate::limits::{LOG_LINE_BYTES, LOG_UNPACKED_BYTES, NAME_BYTES, cut};
use crate::lines::{Line, Lines};

/// An interval of one span.
pub(crate) struct Interval<'a> {
    pub(crate) span: &'a str,
    pub(crate) phase: Option<&'a str>,
    pub(crate) end_min: f64,
    /// Nanoseconds, and how many spans took so long.
    pub(crate) durations_ns: &'a [(u64, u64)],
}

/// What of a log could not be read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Unread {
    /// Lines.
    pub(crate) lines: usize,
    /// Whether there is more in it than is unpacked.
    pub(crate) large: bool,
}

impl Unread {
    /// The same in sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.lines > 0 {
            notes.push(format!(
                "spans.hlog: lines that could not be read: {}",
                self.lines
            ));
        }
        if self.large {
            notes.push(format!("spans.hlog: {}", LOG_UNPACKED_BYTES.exceeded()));
        }
        notes
    }
}

/// Shows every interval of a log that can be read.
pub(crate) fn intervals(input: impl BufRead, mut see: impl FnMut(&Interval<'_>)) -> Unread {
    let mut unread = Unread::default();
    let mut phase: Option<String> = None;
    let mut unpacker = Unpacker::default();
    let mut unpacked = 0;
    let mut lines = Lines::new(input, LOG_LINE_BYTES);
    while let Some(line) = lines.next() {
        let Line::Whole(line) = line else {
            unread.lines += 1;
            continue;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(comment) = line.strip_prefix(b"#") {
            if let Some(name) = comment.strip_prefix(b"phase ") {
                let name = String::from_utf8_lossy(name);
                phase = Some(cut(&span_of_tag(name.trim()), NAME_BYTES).into_owned());
            }
            continue;
        }
        // A legend names the columns for spreadsheets.
        if line.is_empty() || line.starts_with(b"\"") {
            continue;
        }
        if unpacked > LOG_UNPACKED_BYTES.most {
            unread.large = true;
            break;
        }
        let entry = Entry::of(line);
        let durations_ns = entry
            .as_ref()
            .and_then(|entry| unpacker.values(entry.histogram));
        if let (Some(entry), Some(durations_ns)) = (&entry, durations_ns) {
            see(&Interval {
                span: &entry.span,
                phase: phase.as_deref(),
                end_min: entry.end_min,
                durations_ns,
            });
        } else {
            unread.lines += 1;
        }
        unpacked += unpacker.unpacked();
    }
    unread
}

struct Entry<'a> {
    span: String,
    end_min: f64,
    histogram: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `Tag=NAME,START,LENGTH,MAX,HISTOGRAM`, times in seconds.
    fn of(line: &'a [u8]) -> Option<Entry<'a>> {
        let mut fields = line.strip_prefix(b"Tag=")?.split(|byte| *byte == b',');
        let mut next = || fields.next();
        let (tag, start, length, _max) = (next()?, next()?, next()?, next()?);
        let histogram = next()?;
        let seconds = |field: &[u8]| {
            let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
            value.is_finite().then_some(value)
        };
        let end_min = (seconds(start)? + seconds(length)?) / 60.0;
        if next().is_some() || !end_min.is_finite() {
            return None;
        }
        let tag = std::str::from_utf8(tag).ok()?;
        Some(Entry {
            span: cut(&span_of_tag(tag), NAME_BYTES).into_owned(),
            end_min,
            histogram: histogram.trim_ascii(),
        })
    }
}
/// A name as a tag of the log.
#[must_use]
pub fn tag_of_span(name: &str) -> String {
    let mut tag = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '%' || c == ',' || c == '#' || c.is_whitespace() || c.is_control() {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                tag.push_str(&format!("%{byte:02X}"));
            }
        } else {
            tag.push(c);
        }
    }
    tag
}

/// The name that a tag stands for.
#[must_use]
pub fn span_of_tag(tag: &str) -> String {
    let mut bytes = Vec::with_capacity(tag.len());
    let mut rest = tag.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_comes_back_from_its_tag() {
        for name in [
            "GET /orders/{user}",
            "a,b",
            "100 %",
            "\n",
            "ünï côde\u{2003}x",
            "",
        ] {
            let tag = tag_of_span(name);
            assert!(!tag.contains([' ', ',', '\n']), "{tag}");
            assert_eq!(span_of_tag(&tag), name);
        }
        assert_eq!(span_of_tag("%zz%"), "%zz%", "not ours; left alone");
    }

    #[test]
    fn rubbish_is_counted_and_costs_no_other_line() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use hdrhistogram::Histogram;
        use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

        let mut histogram = Histogram::<u64>::new(2).unwrap();
        histogram.record(1_000_000).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&histogram, &mut bytes)
            .unwrap();
        let good = STANDARD.encode(bytes);
        let log = format!(
            "#[Histogram log format version 1.3]\n#phase steady%20state\n\
             Tag=x,0.000,1.0,1.0,AAAA\nnonsense\n\
             Tag=x,1e308,1e308,1.0,{good}\nTag=x,nan,1.0,1.0,{good}\n\
             \"StartTimestamp\",\"Interval_Length\"\n\
             Tag=GET%20/a,60.0,60.0,1.0,{good}\nTag=x,0.0,1.0,1.0,{}",
            &good[..20]
        );
        let mut seen = Vec::new();
        let unread = intervals(log.as_bytes(), |interval| {
            seen.push((
                interval.span.to_owned(),
                interval.phase.map(str::to_owned),
                interval.end_min,
                interval.durations_ns.len(),
            ));
        });
        assert_eq!(unread.lines, 5);
        assert_eq!(
            seen,
            [("GET /a".to_owned(), Some("steady state".to_owned()), 2.0, 1)]
        );
    }
}
