//! All of a run at once, with notes on what is missing.

use std::fs;
use std::path::PathBuf;

use super::{ProfileRange, RunDir};
use crate::budgets::Watch;
use crate::error::Error;
use crate::limits::LISTED_FILES;
use crate::run::{Run, RunInfo, RunState};
use crate::spans::SpanRange;
use crate::timeline::Timeline;

impl RunDir {
    /// Everything needed to judge and render the run. What is missing or
    /// cannot be read is noted in [`Run::notes`].
    ///
    /// A state recorded as running stays so; see [`RunDir::load_with`].
    ///
    /// # Errors
    ///
    /// Only what [`RunDir::info`] gives.
    pub fn load(&self) -> Result<Run, Error> {
        self.load_with(|_| true)
    }

    /// [`RunDir::load`], asking `alive` whether the process of a run recorded
    /// as running is still there; if not, the run was interrupted.
    ///
    /// # Errors
    ///
    /// As [`RunDir::load`].
    pub fn load_with(&self, alive: impl FnOnce(&RunInfo) -> bool) -> Result<Run, Error> {
        let mut info = self.info()?;
        if info.state == RunState::Running && !alive(&info) {
            info.state = RunState::Interrupted;
        }
        let mut run = Run::new(info, Timeline::default());
        match self.timeline() {
            Ok(timeline) => {
                run.notes.extend(timeline.losses());
                run.timeline = timeline;
            }
            Err(error) => run.notes.push(format!("no timeline: {error}")),
        }
        match self.read_events() {
            Ok(events) => {
                run.events = events.held;
                run.findings = events.findings;
                run.notes.extend(events.notes);
            }
            Err(error) => run.notes.push(format!("no events: {error}")),
        }
        match self.profile("cpu", &ProfileRange::default()) {
            Ok((cpu, notes)) => {
                run.cpu = cpu;
                run.notes.extend(notes);
            }
            Err(error) => run.notes.push(format!("no profile: {error}")),
        }
        let watch = match self.budgets(&run.info) {
            Ok(Some(budgets)) => {
                run.leak_budget = budgets.leaks;
                let mut watch = Watch::new(budgets);
                watch.timeline(&run.timeline);
                Some(watch)
            }
            Ok(None) => None,
            Err(error) => {
                run.notes.push(format!("budgets not judged: {error}"));
                None
            }
        };
        // The span files of three days are read once for both.
        match self.read_spans(&SpanRange::default(), watch) {
            Ok(read) => {
                run.spans = read.totals;
                run.notes.extend(read.notes);
                run.budgets = read.watch.map(|watch| watch.outcomes()).unwrap_or_default();
            }
            Err(error) => run.notes.push(format!("no spans: {error}")),
        }
        match self.heap_shots() {
            Ok((heap, notes)) => {
                run.heap = heap;
                run.notes.extend(notes);
            }
            Err(error) => run.notes.push(format!("no heap profile: {error}")),
        }
        run.files = self.artifacts();
        Ok(run)
    }

    /// The files beside the timeline that a person may want to open.
    #[must_use]
    pub fn artifacts(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let extension = path.extension().and_then(|extension| extension.to_str());
                matches!(
                    extension,
                    Some("csv" | "svg" | "html" | "md" | "json" | "xml")
                )
            })
            .take(LISTED_FILES)
            .collect();
        paths.sort();
        paths
    }
}
