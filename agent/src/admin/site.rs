//! What every route can reach: the running agent, and a lane for each kind of
//! work.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::counts::Counts;
use super::lane::Lane;
use crate::metrics::telemetry::Telemetry;
use crate::run::live::Live;

/// Requests that wait for a lane whose work is short: as many as there are
/// connections.
const ALL: usize = 64;

pub(super) struct Site {
    pub(super) live: Arc<Live>,
    pub(super) lanes: Lanes,
    pub(super) counts: Arc<Counts>,
}

/// A lane for each kind of work.
pub(super) struct Lanes {
    /// One CPU profile at a time, and nobody waits.
    pub(super) profile: Lane,
    /// Heap profiles of now: scrapers ask for two or three at once.
    pub(super) heap: Lane,
    /// Heap profiles of a stretch; each holds a snapshot meanwhile.
    pub(super) heap_change: Lane,
    pub(super) threads: Lane,
    pub(super) timeline: Lane,
    pub(super) metrics: Lane,
    pub(super) status: Lane,
    pub(super) finish: Lane,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            profile: Lane::new("a CPU profile", 1, 0),
            heap: Lane::new("a heap profile", 1, 3),
            heap_change: Lane::new("a heap profile of a stretch", 2, 0),
            threads: Lane::new("the threads' stacks", 1, 3),
            timeline: Lane::new("the timeline", 2, 6),
            metrics: Lane::new("the metrics", 1, ALL),
            status: Lane::new("the status", 1, ALL),
            finish: Lane::new("the end of the run", 1, ALL),
        }
    }

    /// Each lane, by its name in metrics.
    fn named(&self) -> [(&'static str, &Lane); 8] {
        [
            ("profile", &self.profile),
            ("heap", &self.heap),
            ("heap_change", &self.heap_change),
            ("threads", &self.threads),
            ("timeline", &self.timeline),
            ("metrics", &self.metrics),
            ("status", &self.status),
            ("finish", &self.finish),
        ]
    }

    /// Threads that work in all lanes at once.
    pub(super) fn threads(&self) -> usize {
        self.named().iter().map(|(_, lane)| lane.slots()).sum()
    }
}

impl Site {
    /// What came to this server, for `/status`.
    pub(super) fn to_json(&self) -> Value {
        let closed: Map<String, Value> = self
            .counts
            .by_cause()
            .map(|(cause, count)| (cause.to_owned(), count.into()))
            .collect();
        let work: Map<String, Value> = self
            .lanes
            .named()
            .into_iter()
            .map(|(name, lane)| {
                let (begun, refused, abandoned) = lane.counts();
                let counts = json!({"begun": begun, "refused": refused, "abandoned": abandoned});
                (name.to_owned(), counts)
            })
            .collect();
        json!({
            "connections": self.counts.connections(),
            "closed": closed,
            "work": work,
        })
    }

    /// The same as metrics.
    pub(super) fn publish(&self, telemetry: &Telemetry) {
        let connections = self.counts.connections() as f64;
        telemetry.gauge("soakscope_admin_connections", &[], Some(connections));
        for (cause, count) in self.counts.by_cause() {
            let labels = [("cause", cause)];
            telemetry.counter("soakscope_admin_connections_closed_total", &labels, count);
        }
        for (work, lane) in self.lanes.named() {
            let (begun, refused, abandoned) = lane.counts();
            for (outcome, count) in [
                ("begun", begun),
                ("refused", refused),
                ("abandoned", abandoned),
            ] {
                let labels = [("work", work), ("outcome", outcome)];
                telemetry.counter("soakscope_admin_work_total", &labels, count);
            }
        }
    }
}
