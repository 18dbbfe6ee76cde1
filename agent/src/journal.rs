//! The run's journal, `events.jsonl`: what happened, and what the agent warns of.
//!
//! Each entry has a time, the minutes since the run started and a kind. Warnings
//! go to the service's own log, too, so many in a while; what is more is counted
//! among the [drops](crate::drops).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use soakscope_report::{DropCause, EventKind, WarningEvent};

use crate::clock::{RunClock, rfc3339};
use crate::disk::job::Job;
use crate::disk::writer::Writer;
use crate::drops::Drops;

#[derive(Debug)]
pub(crate) struct Journal {
    clock: RunClock,
    writer: Arc<Writer>,
    pub(crate) drops: Arc<Drops>,
    warnings: Mutex<Warnings>,
}

impl Journal {
    pub(crate) fn new(clock: RunClock, writer: Arc<Writer>, drops: Arc<Drops>) -> Self {
        Self {
            clock,
            writer,
            drops,
            warnings: Mutex::default(),
        }
    }

    /// Adds an entry to `events.jsonl`.
    pub(crate) fn event(&self, event: &EventKind) {
        let line = event.to_line(&rfc3339(Timestamp::now()), self.clock.elapsed_min());
        self.writer.send(Job::Event(line));
    }

    /// Reports trouble inside the agent: to the service's own log and to the run.
    pub(crate) fn warn(&self, what: &str) {
        let room = {
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            warnings.has_room(self.clock.started.elapsed())
        };
        if !room {
            self.drops.add(DropCause::Warnings, 1);
            return;
        }
        tracing::warn!(target: "soakscope", "{what}");
        let message = what.to_owned();
        self.event(&EventKind::Warning(WarningEvent { message }));
    }

    /// Waits until what was handed to the disk before is written, at most
    /// `patience`. Answers whether everything is there.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        self.writer.flush(patience)
    }
}

/// How many warnings were given of late.
#[derive(Debug, Default)]
struct Warnings {
    since: Duration,
    count: u32,
}

impl Warnings {
    /// Warnings in a stretch of time, for people to read.
    const MAX: u32 = 50;
    const STRETCH: Duration = Duration::from_secs(600);

    /// Whether one more may be given at this time of the run.
    fn has_room(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.since) >= Self::STRETCH {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(1);
        self.count <= Self::MAX
    }
}

/// Milliseconds to the microsecond, as entries give them.
pub(crate) fn ms(ns: u64) -> f64 {
    (ns as f64 / 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_warnings_is_cut_off_and_later_ones_are_heard() {
        let mut warnings = Warnings::default();
        let mut given = |second| warnings.has_room(Duration::from_secs(second));
        let first = (0..45_000).filter(|n| given(n % 600)).count();
        assert_eq!(first, Warnings::MAX as usize);
        assert!(given(601));
    }
}
