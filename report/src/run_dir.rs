//! The directory of a run. The only module here that touches the file system.
//!
//! Documents are replaced whole (written aside, then renamed), rows are only
//! ever appended: a process killed at any moment leaves a readable run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::profile::{Merger, Profile};
use crate::run::{Event, Run, RunInfo, RunState};
use crate::timeline::Timeline;

const RUN_JSON: &str = "run.json";
const TIMELINE: &str = "timeline.csv";
const EVENTS: &str = "events.jsonl";
const SPANS: &str = "spans.csv";
const PROFILES: &str = "profiles";
const CLIENT: &str = "client";

/// A run's directory, new or old.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

/// Which part of a run's profiles is wanted. The default is all of it.
#[derive(Debug, Clone, Default)]
pub struct ProfileRange {
    /// Samples with this label in `phase` only.
    pub phase: Option<String>,
    /// Windows that end after this minute of the run only.
    pub from_min: Option<f64>,
    /// Windows that begin before this minute of the run only.
    pub to_min: Option<f64>,
}

impl RunDir {
    /// Makes the directory of a new run, with its `run.json`, `profiles/` and
    /// `client/`.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyARun`] if there is a run already, [`Error::Io`] if the
    /// directory cannot be made or written.
    pub fn create(path: &Path, info: &RunInfo) -> Result<RunDir, Error> {
        if path.join(RUN_JSON).exists() {
            return Err(Error::AlreadyARun(path.to_owned()));
        }
        for directory in [path.to_owned(), path.join(PROFILES), path.join(CLIENT)] {
            fs::create_dir_all(&directory).map_err(Error::io("make directory", &directory))?;
        }
        let dir = RunDir {
            path: path.to_owned(),
        };
        dir.write_info(info)?;
        Ok(dir)
    }

    /// Opens the directory of a run, finished or not.
    ///
    /// # Errors
    ///
    /// [`Error::NotARun`] if there is no `run.json`, otherwise as
    /// [`RunInfo::parse`].
    pub fn open(path: &Path) -> Result<RunDir, Error> {
        if !path.join(RUN_JSON).is_file() {
            // A path that is not there at all says so itself.
            fs::metadata(path).map_err(Error::io("open", path))?;
            return Err(Error::NotARun(path.to_owned()));
        }
        let dir = RunDir {
            path: path.to_owned(),
        };
        dir.info()?;
        Ok(dir)
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's description, as it was last written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`RunInfo::parse`].
    pub fn info(&self) -> Result<RunInfo, Error> {
        let path = self.path.join(RUN_JSON);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        RunInfo::parse(&bytes).map_err(|error| error.in_file(&path))
    }

    /// Replaces the run's description.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write_info(&self, info: &RunInfo) -> Result<(), Error> {
        self.replace(RUN_JSON, info.to_json().as_bytes())
    }

    /// The run's series.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`Timeline::parse`].
    pub fn timeline(&self) -> Result<Timeline, Error> {
        read_timeline(&self.path.join(TIMELINE))
    }

    /// A handle to append rows to `timeline.csv`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_timeline(&self) -> Result<File, Error> {
        self.append(TIMELINE)
    }

    /// A handle to append lines to `events.jsonl`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_events(&self) -> Result<File, Error> {
        self.append(EVENTS)
    }

    /// A handle to append rows to `spans.csv`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_spans(&self) -> Result<File, Error> {
        self.append(SPANS)
    }

    /// Writes an encoded profile to `profiles/<name>.pb.gz`; names are a kind
    /// and a number, such as `cpu-000001`.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] or [`Error::Io`].
    pub fn write_profile(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        check_name(name)?;
        let directory = self.path.join(PROFILES);
        fs::create_dir_all(&directory).map_err(Error::io("make directory", &directory))?;
        self.replace(&format!("{PROFILES}/{name}.pb.gz"), bytes)
    }

    /// The profiles of a kind (`cpu`, `heap`), in the order of their names.
    /// None is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn profiles(&self, kind: &str) -> Result<Vec<PathBuf>, Error> {
        let directory = self.path.join(PROFILES);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &directory)(error)),
        };
        let prefix = format!("{kind}-");
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".pb.gz"))
            })
            .collect();
        paths.sort();
        Ok(paths)
    }

    /// The merged profile of a kind over a range of the run, and what could
    /// not be read of it. `None` if there is no window in the range.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be read. A window that cannot be
    /// read is left out and noted.
    pub fn profile(
        &self,
        kind: &str,
        range: &ProfileRange,
    ) -> Result<(Option<Profile>, Vec<String>), Error> {
        let start = self
            .info()
            .ok()
            .and_then(|info| info.start.parse::<jiff::Timestamp>().ok())
            .map(|start| start.as_nanosecond() as f64);
        let mut merger = Merger::new();
        let mut notes = Vec::new();
        let (mut taken, mut broken) = (0, 0);
        for path in self.profiles(kind)? {
            let window = fs::read(&path)
                .map_err(Error::io("read", &path))
                .and_then(|bytes| Profile::decode(&bytes))
                .and_then(|window| {
                    if !range.covers(&window, start) {
                        return Ok(0);
                    }
                    match &range.phase {
                        Some(phase) => {
                            merger.add(&window.filter(|s| s.label("phase") == Some(phase)))
                        }
                        None => merger.add(&window),
                    }
                    .map(|()| 1)
                });
            match window {
                Ok(count) => taken += count,
                Err(error) if broken == 0 => {
                    broken = 1;
                    notes.push(format!("profile {}", error.in_file(&path)));
                }
                Err(_) => broken += 1,
            }
        }
        if broken > 1 {
            notes.push(format!("{broken} {kind} profile windows could not be read"));
        }
        Ok(((taken > 0).then(|| merger.finish()), notes))
    }

    /// What happened in the run. Lines that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; no file is no event.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        Ok(self.events_and_losses()?.0)
    }

    /// Writes a file of the run beside its timeline, such as `report.md`.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] or [`Error::Io`].
    pub fn write_artifact(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        check_name(name)?;
        self.replace(name, bytes)
    }

    /// Whether a file of this name is beside the timeline.
    #[must_use]
    pub fn has_artifact(&self, name: &str) -> bool {
        check_name(name).is_ok() && self.path.join(name).exists()
    }

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

    fn append(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::io("append to", &path))
    }

    /// Writes a file whole or not at all: aside first, then renamed over it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let mut aside = path.clone().into_os_string();
        aside.push(".tmp");
        let aside = PathBuf::from(aside);
        let written = File::create(&aside)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&aside, &path));
        written.map_err(|error| {
            // It is only in the way; that it cannot be removed matters less
            // than why it could not be written.
            let _ = fs::remove_file(&aside);
            Error::io("write", &path)(error)
        })
    }
}

impl ProfileRange {
    /// Whether a window overlaps the range. One whose time is unknown is only
    /// in a range without bounds.
    fn covers(&self, window: &Profile, run_start_nanos: Option<f64>) -> bool {
        if self.from_min.is_none() && self.to_min.is_none() {
            return true;
        }
        let (Some(run_start), true) = (run_start_nanos, window.time_nanos != 0) else {
            return false;
        };
        let minute = |nanos: f64| (nanos - run_start) / 60e9;
        let start = minute(window.time_nanos as f64);
        let end = minute(window.time_nanos as f64 + window.duration_nanos as f64);
        self.from_min.is_none_or(|from| end > from) && self.to_min.is_none_or(|to| start < to)
    }
}

/// Reads a timeline from any CSV file, without holding its text in memory.
///
/// # Errors
///
/// [`Error::Io`], or as [`Timeline::parse`].
pub fn read_timeline(path: &Path) -> Result<Timeline, Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    // Once to count the rows, once to read them: the file is cheaper to read
    // twice than its columns are to grow.
    let mut rows = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => rows += buffer[..read].iter().filter(|b| **b == b'\n').count(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
    let file = File::open(path).map_err(Error::io("read", path))?;
    Timeline::read(file, rows).map_err(|error| error.in_file(path))
}

/// A name of one file, which cannot lead out of the directory.
fn check_name(name: &str) -> Result<(), Error> {
    let usable = !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if usable {
        Ok(())
    } else {
        Err(Error::BadName(name.to_owned()))
    }
}

/// Whether the process that is recorded as writing a run is still there: on
/// this machine, under this id, and not a later process that took the id over.
///
/// Where `/proc` cannot tell, it is taken as gone.
#[must_use]
pub fn process_alive(info: &RunInfo) -> bool {
    let text = |path: &str| fs::read_to_string(path).ok();
    let here = text("/proc/sys/kernel/hostname");
    if let (Some(there), Some(here)) = (&info.host.name, here)
        && there.trim() != here.trim()
    {
        return false;
    }
    let Some(stat) = text(&format!("/proc/{}/stat", info.pid)) else {
        return false;
    };
    // The name in parentheses may hold anything; fields count from after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    // A zombie is there, but it writes no more.
    if matches!(fields.next(), None | Some("Z" | "X")) {
        return false;
    }
    // proc_pid_stat(5): field 22 is the start in ticks since boot, and Linux
    // reports a hundred ticks a second everywhere.
    let started = fields.nth(18).and_then(|ticks| ticks.parse::<f64>().ok());
    let booted = text("/proc/stat").and_then(|stat| {
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse::<f64>().ok()
    });
    let run = info.start.parse::<jiff::Timestamp>().ok();
    match (started, booted, run) {
        (Some(ticks), Some(booted), Some(run)) => {
            // The clock may have been set since; two minutes are forgiven.
            booted + ticks / 100.0 <= run.as_second() as f64 + 120.0
        }
        _ => true,
    }
}
