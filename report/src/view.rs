//! One view of a run: all that is known of it when it has been judged.
//!
//! The numbers and profiles that it is known by are a thousand times larger and
//! are not in it, so that whoever shows a run, a terminal, a page or a program
//! in another language, needs none of them.

use std::path::PathBuf;

use serde::Serialize;

use crate::judging::RunVerdict;
use crate::phase_facts::PhaseFacts;
use crate::run::{Run, RunInfo};
use crate::spans::SpanTotal;

/// What is known of a run that was judged.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunView {
    /// The description.
    pub info: RunInfo,
    /// Rows of the timeline.
    pub samples: usize,
    /// Hours from its first row to its last.
    pub hours: f64,
    /// The phases in order, and the whole run last; empty without a row.
    pub phases: Vec<PhaseFacts>,
    /// What the spans of each name did.
    pub spans: Vec<SpanTotal>,
    /// Bytes between two samples of the heap profiles; `None` where there is none.
    pub heap_period: Option<i64>,
    /// The verdict, with all that it is made of.
    pub verdict: RunVerdict,
    /// Files of the run that a person may want to open.
    pub files: Vec<PathBuf>,
}

impl RunView {
    /// The view of a run that was judged so.
    #[must_use]
    pub fn of(run: &Run, verdict: RunVerdict) -> RunView {
        RunView {
            info: run.info.clone(),
            samples: run.timeline.len(),
            hours: run.timeline.span_hours(),
            phases: PhaseFacts::of(&run.timeline),
            spans: run.spans.clone(),
            // As every heap profile of a run has it.
            heap_period: run.heap.last().map(|shot| shot.profile.period),
            verdict,
            files: run.files.clone(),
        }
    }
}
