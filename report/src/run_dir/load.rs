//! All of a run at once, with notes on what is missing.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{EVENTS, ProfileRange, RunDir};
use crate::error::Error;
use crate::run::{Event, Run, RunInfo, RunState};
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
        match self.events_and_losses() {
            Ok((events, lost)) => {
                run.events = events;
                if lost > 0 {
                    run.notes
                        .push(format!("events: lines that could not be read: {lost}"));
                }
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
        match self.spans(&SpanRange::default()) {
            Ok((spans, notes)) => {
                run.spans = spans;
                run.notes.extend(notes);
            }
            Err(error) => run.notes.push(format!("no spans: {error}")),
        }
        match self.budgets(&run.info) {
            Ok(Some(budgets)) => {
                run.leak_budget = budgets.leaks;
                match self.budget_outcomes(&budgets, &run.timeline) {
                    Ok(outcomes) => run.budgets = outcomes,
                    Err(error) => run.notes.push(format!("budgets not judged: {error}")),
                }
            }
            Ok(None) => {}
            Err(error) => run.notes.push(format!("budgets not judged: {error}")),
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
            .collect();
        paths.sort();
        paths
    }

    fn events_and_losses(&self) -> Result<(Vec<Event>, usize), Error> {
        let path = self.path.join(EVENTS);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        let events: Vec<Event> = lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let lost = lines().count() - events.len();
        Ok((events, lost))
    }

    /// What happened in the run. Lines that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; no file is no event.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        Ok(self.events_and_losses()?.0)
    }
}
