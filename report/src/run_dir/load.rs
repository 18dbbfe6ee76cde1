//! All of a run at once, with notes on what is missing.

use std::path::PathBuf;

use super::{Liveness, ProfileRange, RunDir};
use crate::budgets::Watch;
use crate::error::Error;
use crate::limits::LISTED_FILES;
use crate::profile::Profile;
use crate::run::{Run, RunInfo, RunState};
use crate::spans::{SpanRange, agreement};
use crate::timeline::Timeline;

impl RunDir {
    /// Everything needed to judge and render the run. What is missing or
    /// cannot be read is noted in [`Run::notes`].
    ///
    /// A state recorded as running stays so; see [`RunDir::load_with`].
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where a version that is not known wrote the run.
    pub fn load(&self) -> Result<Run, Error> {
        let (info, note) = self.info_or_guess()?;
        let mut run = self.load_described(info);
        run.notes.splice(0..0, note);
        Ok(run)
    }

    /// [`RunDir::load`], asking `liveness` whether the process of a run recorded
    /// as running is still there; if not, the run was interrupted. The CPU
    /// profile is read on threads of its own meanwhile.
    ///
    /// # Errors
    ///
    /// As [`RunDir::load`].
    pub fn load_with(
        &self,
        liveness: impl FnOnce(&RunDir, &RunInfo) -> Liveness,
    ) -> Result<Run, Error> {
        std::thread::scope(|scope| {
            let cpu = scope.spawn(|| self.profile_ahead("cpu", &ProfileRange::default()));
            let read = || match cpu.join() {
                Ok(read) => read,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            self.load_judged_with(liveness, read)
        })
    }

    /// [`RunDir::load_with`] but for the CPU profile, which no verdict needs.
    ///
    /// # Errors
    ///
    /// As [`RunDir::load`].
    pub fn load_without_cpu(
        &self,
        liveness: impl FnOnce(&RunDir, &RunInfo) -> Liveness,
    ) -> Result<Run, Error> {
        self.load_judged_with(liveness, || Ok((None, Vec::new())))
    }

    fn load_judged_with(
        &self,
        liveness: impl FnOnce(&RunDir, &RunInfo) -> Liveness,
        cpu: impl FnOnce() -> Result<(Option<Profile>, Vec<String>), Error>,
    ) -> Result<Run, Error> {
        let (mut info, note) = self.info_or_guess()?;
        if info.state == RunState::Running {
            info.state = match liveness(self, &info) {
                Liveness::Running => RunState::Running,
                Liveness::Ended => RunState::Interrupted,
                Liveness::Unknown => RunState::Unknown,
            };
        }
        let mut run = self.load_parts(info, cpu);
        run.notes.splice(0..0, note);
        Ok(run)
    }

    /// The run's description; where it cannot be read, what the other files say
    /// of it, and what is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where a version that is not known wrote it.
    pub fn info_or_guess(&self) -> Result<(RunInfo, Option<String>), Error> {
        let error = match self.info() {
            Ok(info) => return Ok((info, None)),
            Err(error) if error.is_of_the_format() => return Err(error),
            Err(error) => error,
        };
        let name = self.path.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        let info = RunInfo {
            // The directory is named <service>-<start> where nobody named it.
            service: name
                .split_once("-20")
                .map_or(&*name, |(service, _)| service)
                .to_owned(),
            start: self.start_by_timeline().unwrap_or_default(),
            state: RunState::Unknown,
            ..RunInfo::default()
        };
        let note = format!(
            "the run's description cannot be read ({error}): host, limits, options and whether \
             it was finished are not known; everything else is read"
        );
        Ok((info, Some(note)))
    }

    /// When the run began, by the first row that says when it was taken.
    fn start_by_timeline(&self) -> Option<String> {
        let timeline = self.timeline().ok()?;
        let times = timeline.text("time")?.iter();
        let rows = times.zip(timeline.elapsed_hours());
        let mut starts = rows.filter_map(|(time, hours)| {
            let time: jiff::Timestamp = time?.parse().ok()?;
            let elapsed = jiff::SignedDuration::try_from_secs_f64(hours * 3600.0).ok()?;
            time.checked_sub(elapsed).ok()
        });
        Some(starts.next()?.to_string())
    }

    /// When the run began, in nanoseconds since 1970.
    pub(super) fn start_nanos(&self) -> Option<f64> {
        let (info, _) = self.info_or_guess().ok()?;
        let start: jiff::Timestamp = info.start.parse().ok()?;
        Some(start.as_nanosecond() as f64)
    }

    /// Everything but the description, which is known. What is missing or
    /// cannot be read is noted in [`Run::notes`].
    #[must_use]
    pub fn load_described(&self, info: RunInfo) -> Run {
        self.load_parts(info, || self.profile("cpu", &ProfileRange::default()))
    }

    fn load_parts(
        &self,
        info: RunInfo,
        cpu: impl FnOnce() -> Result<(Option<Profile>, Vec<String>), Error>,
    ) -> Run {
        let mut run = Run::new(info, Timeline::default());
        match self.timeline() {
            Ok(timeline) => {
                run.notes.extend(timeline.losses());
                run.timeline = timeline;
            }
            Err(error) => {
                let note = format!("no timeline: {error}");
                run.unread.push(note.clone());
                run.notes.push(note);
            }
        }
        match self.read_events() {
            Ok(events) => {
                run.events = events.held;
                run.findings = events.findings;
                run.notes.extend(events.notes);
            }
            Err(error) => run.notes.push(format!("no events: {error}")),
        }
        let before_cpu = run.notes.len();
        let watch = match self.budgets(&run.info) {
            Ok(Some(budgets)) => {
                run.leak_budget = budgets.leaks;
                let mut watch = Watch::new(budgets);
                watch.timeline(&run.timeline);
                Some(watch)
            }
            Ok(None) => None,
            Err(error) => {
                let note = format!("budgets not judged: {error}");
                run.unread.push(note.clone());
                run.notes.push(note);
                None
            }
        };
        // Budgets of the process hold whether or not the spans can be read.
        let without_spans = watch.clone();
        // The span files of three days are read once for both.
        match self.read_spans(&SpanRange::default(), watch) {
            Ok(read) => {
                run.spans = read.totals;
                run.unread_spans.clone_from(&read.notes);
                run.notes.extend(read.notes);
                run.budgets = read.watch.map(|watch| watch.outcomes()).unwrap_or_default();
                // A run that was cut off may have it in its rows alone.
                if let Some(trust) = &mut run.info.trust {
                    let of_rows = || agreement(&run.spans);
                    trust.agreement = trust.agreement.take().or_else(of_rows);
                }
            }
            Err(error) => {
                let note = format!("no spans: {error}");
                run.budgets = without_spans
                    .map(|watch| watch.outcomes())
                    .unwrap_or_default();
                run.unread_spans.push(note.clone());
                run.notes.push(note);
            }
        }
        // Last, as it is read meanwhile; its notes stand before those of spans.
        match cpu() {
            Ok((cpu, notes)) => {
                run.cpu = cpu;
                run.notes.splice(before_cpu..before_cpu, notes);
            }
            Err(error) => {
                let note = format!("no profile: {error}");
                run.notes.insert(before_cpu, note);
            }
        }
        match self.heap_shots() {
            Ok((heap, notes)) => {
                run.heap = heap;
                run.notes.extend(notes);
            }
            Err(error) => run.notes.push(format!("no heap profile: {error}")),
        }
        run.files = self.artifacts();
        run
    }

    /// The files beside the timeline that a person may want to open.
    #[must_use]
    pub fn artifacts(&self) -> Vec<PathBuf> {
        let directory = self.directory();
        let Ok(names) = directory.names() else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = names
            .filter(|name| !name.starts_with('.'))
            .map(|name| self.path.join(name))
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
