//! `spans.hlog`: histograms of durations, by name and interval.
//!
//! It is a log of HdrHistogram intervals, as its own tools read it, with a tag
//! for the span's name. A tag can hold neither commas nor spaces, so those of
//! a name are percent-encoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::SpanRange;

/// A log that was read. Values are nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct SpanLog {
    entries: Vec<Entry>,
    unread: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    span: String,
    phase: Option<String>,
    end_min: f64,
    durations_ns: Histogram<u32>,
}

impl SpanLog {
    /// Reads the bytes of a `spans.hlog`. What cannot be read is counted.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut log = SpanLog::default();
        // Line by line, so that one that was cut off costs no other.
        let mut phase = None;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(said) = comment(line) {
                if let Some(name) = said.strip_prefix("phase ") {
                    phase = Some(span_of_tag(name));
                }
                continue;
            }
            for entry in IntervalLogIterator::new(line) {
                match entry.ok().as_ref().map(Entry::of) {
                    Some(Read::Interval(mut entry)) => {
                        entry.phase.clone_from(&phase);
                        log.entries.push(entry);
                    }
                    Some(Read::Nothing) => {}
                    Some(Read::Broken) | None => log.unread += 1,
                }
            }
        }
        log
    }

    /// Intervals that could not be read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Every interval: span, phase, end in minutes, durations in nanoseconds.
    pub(crate) fn intervals(
        &self,
    ) -> impl Iterator<Item = (&str, Option<&str>, f64, &Histogram<u32>)> {
        self.entries.iter().map(|entry| {
            let phase = entry.phase.as_deref();
            (
                entry.span.as_str(),
                phase,
                entry.end_min,
                &entry.durations_ns,
            )
        })
    }

    /// All durations of a span in a part of the run, in nanoseconds; `None` if
    /// there is no interval of it.
    #[must_use]
    pub fn of(&self, span: &str, range: &SpanRange) -> Option<Histogram<u32>> {
        let mut sum: Option<Histogram<u32>> = None;
        let entries = self.entries.iter();
        for entry in entries
            .filter(|e| e.span == span)
            .filter(|e| range.takes(e.end_min, e.phase.as_deref()))
        {
            match &mut sum {
                // Sums are of one precision and grow as they need.
                Some(sum) => drop(sum.add(&entry.durations_ns)),
                None => {
                    let mut first = entry.durations_ns.clone();
                    first.auto(true);
                    sum = Some(first);
                }
            }
        }
        sum
    }
}

fn comment(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    Some(line.strip_prefix('#')?.trim())
}

enum Read {
    Interval(Entry),
    /// A line that is none, such as a comment.
    Nothing,
    Broken,
}

impl Entry {
    fn of(entry: &LogEntry<'_>) -> Read {
        let LogEntry::Interval(interval) = entry else {
            return Read::Nothing;
        };
        let encoded = STANDARD.decode(interval.encoded_histogram()).ok();
        let durations =
            encoded.and_then(|bytes| Deserializer::new().deserialize(&mut bytes.as_slice()).ok());
        let (Some(tag), Some(durations_ns)) = (interval.tag(), durations) else {
            return Read::Broken;
        };
        let end = interval.start_timestamp() + interval.duration();
        Read::Interval(Entry {
            span: span_of_tag(tag.as_str()),
            phase: None,
            end_min: end.as_secs_f64() / 60.0,
            durations_ns,
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
        let log = SpanLog::parse(
            b"#[Histogram log format version 1.3]\nTag=x,0.000,1.0,1.0,AAAA\nnonsense\n",
        );
        assert_eq!(log.unread(), 2);
        assert!(log.of("x", &SpanRange::default()).is_none());
    }
}
