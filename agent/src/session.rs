//! What all parts of a running agent share: options, counters, history, and
//! the way to the run directory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use soakscope_report::{DropCause, DropEvent, EventKind, WarningEvent};

use crate::budgets::LiveBudgets;
use crate::config::Config;
use crate::drops::Drops;
use crate::exposition;
use crate::families::{self, Hidden};
use crate::job::Job;
use crate::ours::Ours;
use crate::own_bytes::OwnBytes;
use crate::phases::Phases;
use crate::spans::Spans;
use crate::telemetry::{self, Telemetry};
use crate::timeline::history::History;
use crate::writer::Writer;

pub(crate) struct Session {
    pub(crate) service: String,
    pub(crate) config: Config,
    pub(crate) started: Instant,
    /// The wall clock's time then.
    pub(crate) start_time: Timestamp,
    pub(crate) phases: Phases,
    pub(crate) spans: Spans,
    pub(crate) budgets: Option<LiveBudgets>,
    pub(crate) history: History,
    pub(crate) telemetry: Telemetry,
    pub(crate) hidden_families: Hidden,
    pub(crate) drops: Arc<Drops>,
    pub(crate) writer: Writer,
    pub(crate) ours: Ours,
    pub(crate) own: OwnBytes,
    pub(crate) warnings: Mutex<Warnings>,
    pub(crate) ticks: AtomicU64,
    pub(crate) missed_ticks: AtomicU64,
    pub(crate) sealed: AtomicBool,
}

impl Session {
    /// Minutes since the run started, by the monotonic clock.
    pub(crate) fn elapsed_min(&self) -> f64 {
        self.started.elapsed().as_secs_f64() / 60.0
    }

    /// The time of day at a moment, by the run's start and the monotonic clock:
    /// however the wall clock is set meanwhile, what comes later is later.
    pub(crate) fn time_at(&self, moment: Instant) -> Timestamp {
        let elapsed = moment.saturating_duration_since(self.started);
        let elapsed = jiff::SignedDuration::try_from(elapsed).unwrap_or_default();
        self.start_time
            .checked_add(elapsed)
            .unwrap_or(self.start_time)
    }

    /// [`Session::time_at`] in nanoseconds since 1970.
    pub(crate) fn nanos_at(&self, moment: Instant) -> i64 {
        i64::try_from(self.time_at(moment).as_nanosecond()).unwrap_or(0)
    }

    /// Adds an entry to `events.jsonl`.
    pub(crate) fn event(&self, event: &EventKind) {
        let line = event.to_line(&rfc3339(Timestamp::now()), self.elapsed_min());
        self.writer.send(Job::Event(line));
    }

    /// Reports trouble inside the agent: to the service's own log and to the run.
    /// So many in a while; what is more is counted.
    pub(crate) fn warn(&self, what: &str) {
        let room = {
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            warnings.has_room(self.started.elapsed())
        };
        if !room {
            self.drops.add(DropCause::Warnings, 1);
            return;
        }
        tracing::warn!(target: "soakscope", "{what}");
        let message = what.to_owned();
        self.event(&EventKind::Warning(WarningEvent { message }));
    }

    /// Bytes that the agent holds, but for what the ticker has for itself.
    pub(crate) fn bytes(&self) -> u64 {
        let sum = self.spans.bytes() + self.telemetry.bytes() + self.own.sum();
        self.history.bytes() + self.writer.waiting_bytes() + sum as u64
    }

    /// All metrics in Prometheus' text format. A family that both the agent and
    /// the service have is the agent's, and the service is warned of it once.
    pub(crate) fn metrics(&self) -> String {
        let mut text = self.telemetry.render();
        text.push_str(&exposition::spans(&self.spans));
        if let Some(service) = self.telemetry.of_service() {
            for family in families::append(&mut text, &service, telemetry::is_own) {
                if self.hidden_families.insert(&family) {
                    self.warn(&format!(
                        "the service's own metric {family} is not on the agent's /metrics: \
                         another there has that name"
                    ));
                }
            }
        }
        text
    }

    /// Reports what was found in requests, with its sums, and what was lost; from
    /// then on nothing more of requests.
    pub(crate) fn seal_findings(&self) {
        if self.sealed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.spans.cpu.stop();
        for sum in self.spans.findings.sums() {
            self.event(&EventKind::NPlusOne(sum));
        }
        self.count_suppressed();
        self.report_drops();
    }

    /// Counts what was found and has no event.
    pub(crate) fn count_suppressed(&self) {
        let spans = &self.spans;
        let slow = spans.slow.suppressed();
        self.drops.set(DropCause::SlowRequestsSuppressed, slow);
        let repeats = spans.findings.no_room();
        self.drops.set(DropCause::RepeatsWithoutRoom, repeats);
    }

    /// Adds an entry for each cause that was never counted before, or whose count
    /// has doubled since its last entry: so few that they fill no disk.
    pub(crate) fn report_drops(&self) {
        for (cause, count) in self.drops.doubled() {
            let cause = cause.to_owned();
            self.event(&EventKind::Drop(DropEvent { cause, count }));
        }
    }

    /// Whether nothing more is to be reported of requests.
    pub(crate) fn sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    pub(crate) fn missed_ticks(&self) -> u64 {
        self.missed_ticks.load(Ordering::Relaxed)
    }
}

/// How many warnings were given of late.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
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

/// UTC with milliseconds, e.g. `2026-01-31T12:00:00.250Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
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

    #[test]
    fn what_comes_later_is_later_and_nothing_is_before_the_start() {
        let run = crate::three_days::Simulation::new("time-at");
        let session = run.session();
        let at = |seconds| session.time_at(session.started + Duration::from_secs(seconds));
        assert_eq!(at(0), session.start_time);
        assert_eq!(
            at(90).duration_since(at(30)),
            jiff::SignedDuration::from_secs(60)
        );
        let before = session
            .started
            .checked_sub(Duration::from_secs(5))
            .expect("uptime");
        assert_eq!(session.time_at(before), session.start_time);
        assert_eq!(
            session.nanos_at(session.started + Duration::from_nanos(7)),
            session.nanos_at(session.started) + 7
        );
    }
}
