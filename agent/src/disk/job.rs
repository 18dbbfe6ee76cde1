//! What is handed to the writer: a line of a file that grows, or a profile.

use soakscope_report::DropCause;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Job {
    Timeline(String),
    Spans(String),
    SpanLog(String),
    Event(String),
    Profile { name: String, bytes: Vec<u8> },
}

/// In the order in which they are given up when there is no room.
pub(crate) const LANES: usize = 5;

impl Job {
    pub(crate) fn lane(&self) -> usize {
        match self {
            Job::Profile { .. } => 0,
            Job::SpanLog(_) => 1,
            Job::Spans(_) => 2,
            Job::Event(_) => 3,
            Job::Timeline(_) => 4,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Job::Timeline(line) | Job::Spans(line) | Job::SpanLog(line) | Job::Event(line) => {
                line.len()
            }
            Job::Profile { bytes, .. } => bytes.len(),
        }
    }

    /// What it is counted as where it is given up.
    pub(crate) fn lost(&self) -> DropCause {
        match self {
            Job::Timeline(_) => DropCause::TimelineRows,
            Job::Spans(_) => DropCause::SpanRows,
            Job::SpanLog(_) => DropCause::SpanHistograms,
            Job::Event(_) => DropCause::Events,
            Job::Profile { .. } => DropCause::ProfileWindows,
        }
    }
}
