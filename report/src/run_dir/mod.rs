//! The directory of a run. The only module of the library that touches the file
//! system.
//!
//! Documents are replaced whole (written aside, then renamed), rows are only
//! ever appended: a process killed at any moment leaves a readable run.

mod budgets;
mod events;
mod liveness;
mod load;
mod open;
mod profiles;
mod spans;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

pub use budgets::read_budgets;
pub use liveness::process_alive;
pub use profiles::ProfileRange;

use crate::error::Error;
use crate::limits::{CSV_BYTES, RUN_JSON_BYTES};
use crate::run::RunInfo;
use crate::timeline::{Timeline, count_lines};

const RUN_JSON: &str = "run.json";
const TIMELINE: &str = "timeline.csv";
const EVENTS: &str = "events.jsonl";
const SPANS: &str = "spans.csv";
const SPAN_LOG: &str = "spans.hlog";
const BUDGETS: &str = "budgets.toml";
const PROFILES: &str = "profiles";
const CLIENT: &str = "client";

/// A run's directory, new or old.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
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
        let file = self.open_file(RUN_JSON).map_err(Error::io("read", &path))?;
        RUN_JSON_BYTES
            .read(file)
            .map_err(Error::io("read", &path))?
            .and_then(|bytes| RunInfo::parse(&bytes))
            .map_err(|error| error.in_file(&path))
    }

    /// A file of the run, to be read: a regular one, and no link.
    fn open_file(&self, name: &str) -> io::Result<File> {
        open::regular(&self.path, name)
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
        let path = self.path.join(TIMELINE);
        let file = self.open_file(TIMELINE).map_err(Error::io("read", &path))?;
        timeline_of(file, &path)
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

    /// A handle to append intervals to `spans.hlog`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_span_log(&self) -> Result<File, Error> {
        self.append(SPAN_LOG)
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

/// Reads a timeline from any CSV file, without holding its text in memory. A
/// pipe will do, and `-` is standard input.
///
/// # Errors
///
/// [`Error::Io`], or as [`Timeline::parse`].
pub fn read_timeline(path: &Path) -> Result<Timeline, Error> {
    if path.as_os_str() == "-" {
        return Timeline::read(io::stdin().lock(), 0).map_err(|error| error.in_file(path));
    }
    let file = File::open(path).map_err(Error::io("read", path))?;
    timeline_of(file, path)
}

/// The timeline in a file that was opened.
fn timeline_of(mut file: File, path: &Path) -> Result<Timeline, Error> {
    let io = |error| Error::io("read", path)(error);
    let mut rows = 0;
    // Once to count the rows, once to read them: the file is cheaper to read
    // twice than its columns are to grow. A pipe can be read but once.
    if file.metadata().map_err(io)?.is_file() {
        let mut buffer = vec![0; 1 << 16];
        let mut left = CSV_BYTES.most;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    rows += count_lines(&buffer[..read]);
                    left = left.saturating_sub(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io(error)),
            }
            if left == 0 {
                return Err(CSV_BYTES.exceeded().in_file(path));
            }
        }
        file.rewind().map_err(io)?;
    }
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
