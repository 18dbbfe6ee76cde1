//! The lines of `spans.hlog`: a histogram of durations for each span name and
//! stretch, as a log of HdrHistogram intervals.
//!
//! A histogram takes some hundred bytes, so stretches are longer than those of
//! `spans.csv`: a minute, or until the phase changes, which is told in a
//! comment `#phase NAME` before the stretches that are in it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use soakscope_report::tag_of_span;

use crate::disk::job::Job;
use crate::own_bytes;
use crate::session::Session;
use crate::spans::interval::sum_up;

/// Minutes of a stretch, where spans are few.
const STRETCH_MIN: f64 = 1.0;
/// Names for which that holds; with twice as many it is twice as long.
const FEW: f64 = 16.0;

#[derive(Default)]
pub(crate) struct SpanLog {
    gathered: BTreeMap<String, Histogram<u32>>,
    since_min: f64,
    phase: String,
    begun: bool,
}

impl SpanLog {
    pub(crate) fn add(&mut self, span: &str, durations_ns: &Histogram<u32>) {
        // Sums are of one precision and grow as they need.
        match self.gathered.get_mut(span) {
            Some(sum) => sum_up(sum, durations_ns),
            None => {
                let mut first = durations_ns.clone();
                first.auto(true);
                self.gathered.insert(span.to_owned(), first);
            }
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let gathered = self.gathered.iter();
        let held = gathered.map(|(span, sum)| {
            span.capacity() + own_bytes::counts(sum) + size_of::<(String, Histogram<u32>)>()
        });
        held.sum()
    }

    /// Writes the stretch that has ended, if one has.
    pub(crate) fn advance(&mut self, elapsed_min: f64, phase: &str, session: &Session) {
        let many = (self.gathered.len() as f64 / FEW).max(1.0);
        let due = elapsed_min - self.since_min >= STRETCH_MIN * many * 0.99;
        if due || phase != self.phase {
            self.write(elapsed_min, session);
        }
        if phase != self.phase {
            phase.clone_into(&mut self.phase);
            let line = format!("#phase {}\n", tag_of_span(phase));
            self.begin(session);
            session.writer.send(Job::SpanLog(line));
        }
    }

    /// Writes what is left.
    pub(crate) fn write(&mut self, elapsed_min: f64, session: &Session) {
        let minutes = |minutes: f64| Duration::from_secs_f64((minutes * 60.0).max(0.0));
        let start = minutes(self.since_min);
        let length = minutes(elapsed_min).saturating_sub(start);
        self.since_min = elapsed_min;
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return;
        }
        self.begin(session);
        let mut serializer = V2DeflateSerializer::new();
        for (span, durations) in gathered {
            let tag = tag_of_span(&span);
            let line = lines(
                &mut IntervalLogWriterBuilder::new(),
                &mut serializer,
                |log| {
                    // Into memory; a tag of ours is always one.
                    log.write_histogram(&durations, start, length, Tag::new(&tag))
                        .is_ok()
                },
            );
            // What follows the header, which is repeated each time.
            match line
                .as_deref()
                .map(|line| line.lines().find(|l| !l.starts_with('#')))
            {
                Some(Some(line)) => session.writer.send(Job::SpanLog(format!("{line}\n"))),
                _ => session.drops.add("span_histograms", 1),
            }
        }
    }

    fn begin(&mut self, session: &Session) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let base = SystemTime::from(session.clock.start_time);
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_base_time(base);
        let header = lines(&mut builder, &mut V2DeflateSerializer::new(), |_| true);
        session
            .writer
            .send(Job::SpanLog(header.unwrap_or_default()));
    }
}

type Log<'a> = hdrhistogram::serialization::interval_log::IntervalLogWriter<
    'a,
    'a,
    Vec<u8>,
    V2DeflateSerializer,
>;

/// What a log that is begun in memory says; `None` where it could not.
fn lines(
    builder: &mut IntervalLogWriterBuilder,
    serializer: &mut V2DeflateSerializer,
    write: impl FnOnce(&mut Log<'_>) -> bool,
) -> Option<String> {
    let mut text = Vec::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .with_max_value_divisor(1e6);
    let mut log = builder.begin_log_with(&mut text, serializer).ok()?;
    if !write(&mut log) {
        return None;
    }
    drop(log);
    String::from_utf8(text).ok()
}
