//! Finishing a run: judge it and write everything that shows it.

use crate::artifacts::{ARTIFACTS, Part, Source};
use crate::error::Error;
use crate::judging::{RunVerdict, judge};
use crate::profile::Profile;
use crate::run::Run;
use crate::run_dir::RunDir;
use crate::timeline::Timeline;
use crate::view::RunView;

/// A run that was judged, with its artifacts beside it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sealed {
    /// The view of the run; its notes say what was not written, and why.
    pub view: RunView,
    /// Names of files that could not be drawn or written.
    pub unwritten: Vec<String>,
}

/// Judges a run and writes `verdict.json`, `report.md`, `timeline.svg`,
/// `flamegraph.svg`, `flamegraph-<phase>.svg`, `flamegraph-diff.svg` (first
/// against last quarter), `heap.svg` (in use at the end) and `heap-growth.svg`
/// (what grew) into its directory.
///
/// A file that cannot be drawn or written is noted in [`RunVerdict::notes`] and
/// costs none of the others.
///
/// # Errors
///
/// Only what [`RunDir::load`] gives.
pub fn seal(dir: &RunDir) -> Result<RunVerdict, Error> {
    let run = dir.load()?;
    let verdict = judge(&run);
    Ok(seal_judged(dir, run, verdict).view.verdict)
}

/// [`seal`] for a run that is loaded and judged already. Its parts are let go of
/// one after the other, as soon as what shows them is written.
#[must_use]
pub fn seal_judged(dir: &RunDir, mut run: Run, verdict: RunVerdict) -> Sealed {
    let mut view = RunView::of(&run, verdict);
    let mut unwritten = Vec::new();
    for artifact in &ARTIFACTS {
        run.let_go_before(artifact.needs());
        let source = Source {
            dir,
            run: &run,
            view: &view,
        };
        let mut failures = Vec::new();
        artifact.files(&source, |name, made| {
            if let Err(error) = made.and_then(|bytes| dir.write_artifact(name, &bytes)) {
                failures.push(format!("{name} was not written: {error}"));
                unwritten.push(name.to_owned());
            }
        });
        view.verdict.notes.append(&mut failures);
    }
    Sealed { view, unwritten }
}

impl Run {
    /// Lets go of the parts before this one.
    fn let_go_before(&mut self, part: Part) {
        if part > Part::Heap {
            self.heap = Vec::new();
        }
        if part > Part::Timeline {
            self.timeline = Timeline::default();
        }
        if part > Part::Cpu {
            self.cpu = None::<Profile>;
        }
    }
}
