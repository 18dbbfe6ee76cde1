//! What `/metrics` answers: the agent's metrics, those of spans, and the
//! service's own.

use super::exposition;
use super::families::{self, Hidden};
use super::telemetry::{self, Telemetry};
use crate::journal::Journal;
use crate::spans::Spans;

/// All metrics in Prometheus' text format. A family that both the agent and
/// the service have is the agent's, and the service is warned of it once.
pub(crate) fn render(
    telemetry: &Telemetry,
    spans: &Spans,
    hidden: &Hidden,
    journal: &Journal,
) -> String {
    let mut text = telemetry.render();
    text.push_str(&exposition::spans(spans));
    if let Some(service) = telemetry.of_service() {
        for family in families::append(&mut text, &service, telemetry::is_own) {
            if hidden.insert(&family) {
                journal.warn(&format!(
                    "the service's own metric {family} is not on the agent's /metrics: \
                     another there has that name"
                ));
            }
        }
    }
    text
}
