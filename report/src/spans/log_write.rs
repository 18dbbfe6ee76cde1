//! `spans.hlog`, written: a line per span name and stretch of time.

use std::fmt;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, Tag};

use super::log::tag_of_span;

/// The column of maxima is in milliseconds.
const NANOS_PER_MS: f64 = 1e6;

/// Formats the lines of `spans.hlog`.
pub struct SpanLogWriter {
    serializer: V2DeflateSerializer,
}

impl fmt::Debug for SpanLogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanLogWriter")
    }
}

impl Default for SpanLogWriter {
    fn default() -> Self {
        SpanLogWriter {
            serializer: V2DeflateSerializer::new(),
        }
    }
}

impl SpanLogWriter {
    /// What the file begins with; times in it count from `base`.
    #[must_use]
    pub fn header(&mut self, base: SystemTime) -> String {
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_base_time(base);
        self.lines(&mut builder, |_| true).unwrap_or_default()
    }

    /// The comment that stands before the stretches of a phase.
    #[must_use]
    pub fn phase(name: &str) -> String {
        format!("#phase {}\n", tag_of_span(name))
    }

    /// The line of a span's durations in a stretch; `None` where they cannot be
    /// written.
    #[must_use]
    pub fn interval(
        &mut self,
        span: &str,
        start: Duration,
        length: Duration,
        durations_ns: &Histogram<u32>,
    ) -> Option<String> {
        let tag = tag_of_span(span);
        let text = self.lines(&mut IntervalLogWriterBuilder::new(), |log| {
            // Into memory; a tag of ours is always one.
            log.write_histogram(durations_ns, start, length, Tag::new(&tag))
                .is_ok()
        })?;
        // What follows the header, which is repeated each time.
        let line = text.lines().find(|line| !line.starts_with('#'))?;
        Some(format!("{line}\n"))
    }

    /// What a log that is begun in memory says; `None` where it could not.
    fn lines(
        &mut self,
        builder: &mut IntervalLogWriterBuilder,
        write: impl FnOnce(&mut Log<'_>) -> bool,
    ) -> Option<String> {
        let mut text = Vec::new();
        builder
            .add_comment("[Histogram log format version 1.3]")
            .with_max_value_divisor(NANOS_PER_MS);
        let mut log = builder
            .begin_log_with(&mut text, &mut self.serializer)
            .ok()?;
        if !write(&mut log) {
            return None;
        }
        drop(log);
        String::from_utf8(text).ok()
    }
}

type Log<'a> = IntervalLogWriter<'a, 'a, Vec<u8>, V2DeflateSerializer>;

#[cfg(test)]
mod tests {
    use super::super::log::{Unread, intervals};
    use super::*;

    #[test]
    fn a_stretch_is_read_as_it_was_written() {
        let mut durations = Histogram::<u32>::new(2).unwrap();
        durations.auto(true);
        durations.record_n(1_000_000, 3).unwrap();
        durations.record(90_000_000).unwrap();
        let mut writer = SpanLogWriter::default();
        let second = Duration::from_secs;
        let mut log = writer.header(SystemTime::UNIX_EPOCH + second(1_700_000_000));
        assert!(log.contains("#[BaseTime: 1700000000"), "{log}");
        log += &SpanLogWriter::phase("warm up");
        log += &writer
            .interval("GET /a b,c", second(60), second(90), &durations)
            .unwrap();
        let mut seen = Vec::new();
        let unread = intervals(log.as_bytes(), |interval| {
            let phase = interval.phase.map(str::to_owned);
            let counts: Vec<u64> = interval.durations_ns.iter().map(|(_, n)| *n).collect();
            seen.push((interval.span.to_owned(), phase, interval.end_min, counts));
        });
        assert_eq!(unread, Unread::default());
        let phase = Some("warm up".to_owned());
        assert_eq!(seen, [("GET /a b,c".to_owned(), phase, 2.5, vec![3, 1])]);
    }
}
