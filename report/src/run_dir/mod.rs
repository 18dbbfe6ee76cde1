//! The directory of a run. The only module of the library that touches the file
//! system.
//!
//! Documents are replaced whole (written aside, then renamed), rows are only
//! ever appended: a process killed at any moment leaves a readable run. `directory`
//! says how files are reached.

mod budgets;
mod claim;
mod directory;
mod events;
mod liveness;
mod load;
mod profiles;
mod spans;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use budgets::read_budgets;
use directory::{Directory, RunFile};
pub use liveness::{Liveness, identity, liveness};
pub use profiles::{ProfileRange, read_profile};

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

/// A run's directory, new or old, held open: wherever it is moved, it is the
/// same directory, and a link in it is not followed.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    directory: Mutex<Arc<Directory>>,
    mode: Option<u32>,
    /// Files that grow, by name: they can be read back where they can no longer
    /// be opened.
    growing: Mutex<Vec<(&'static str, Arc<File>)>>,
    /// What it was locked as, where it could be.
    lock: Option<String>,
}

impl RunDir {
    /// Opens the directory of a run, finished or not. Links on the way to it
    /// are followed, in it none.
    ///
    /// # Errors
    ///
    /// [`Error::NotARun`] if there is nothing of a run, [`Error::Format`] if a
    /// version that is not known wrote it.
    pub fn open(path: &Path) -> Result<RunDir, Error> {
        let directory = match Directory::open(path, RUN_JSON) {
            Ok(directory) => directory,
            // A path that is not there at all says so itself.
            Err(error) if fs::metadata(path).is_ok_and(|there| !there.is_dir()) => {
                drop(error);
                return Err(Error::NotARun(path.to_owned()));
            }
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let dir = RunDir {
            path: path.to_owned(),
            held: Arc::new(Held {
                directory: Mutex::new(Arc::new(directory)),
                mode: None,
                growing: Mutex::default(),
                lock: None,
            }),
        };
        match dir.info() {
            Ok(_) => Ok(dir),
            Err(error) if error.is_of_the_format() => Err(error),
            // A torn or missing description does not take the rest with it.
            Err(_) if dir.has_anything() => Ok(dir),
            Err(_) if !dir.has_artifact(RUN_JSON) => Err(Error::NotARun(path.to_owned())),
            Err(error) => Err(error),
        }
    }

    fn has_anything(&self) -> bool {
        [TIMELINE, EVENTS, SPANS, SPAN_LOG, PROFILES]
            .iter()
            .any(|name| self.has_artifact(name))
    }

    /// Where the directory is, or was when it was made or opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the directory was locked as, for `run.json`; `None` where the file
    /// system has no locks.
    #[must_use]
    pub fn lock(&self) -> Option<String> {
        self.held.lock.clone()
    }

    /// Whether the directory was removed while it is held. Where there is one
    /// of its path again, it is taken instead.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let mut held = lock(&self.held.directory);
        if !held.is_removed() {
            return false;
        }
        // Whatever somebody put into it stays as it is: files are made only
        // where nothing is.
        let again = rustix::fs::lstat(&self.path).is_ok_and(|there| {
            rustix::fs::FileType::from_raw_mode(there.st_mode) == rustix::fs::FileType::Directory
        });
        let Some(anew) = again
            .then(|| Directory::take_back(&self.path, self.held.mode).ok())
            .flatten()
        else {
            return true;
        };
        *held = Arc::new(anew);
        lock(&self.held.growing).clear();
        false
    }

    fn directory(&self) -> Arc<Directory> {
        Arc::clone(&lock(&self.held.directory))
    }

    /// The directory's descriptor, for who has to know which it is.
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.directory().as_fd().as_raw_fd()
    }

    /// The run's description, as it was last written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`RunInfo::parse`].
    pub fn info(&self) -> Result<RunInfo, Error> {
        let path = self.path.join(RUN_JSON);
        let file = self.file(RUN_JSON).map_err(Error::io("read", &path))?;
        RUN_JSON_BYTES
            .read(file)
            .map_err(Error::io("read", &path))?
            .and_then(|bytes| RunInfo::parse(&bytes))
            .map_err(|error| error.in_file(&path))
    }

    /// Replaces the run's description, and has it on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write_info(&self, info: &RunInfo) -> Result<(), Error> {
        self.replace(RUN_JSON, info.to_json().as_bytes(), true)
    }

    /// The run's series.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`Timeline::parse`].
    pub fn timeline(&self) -> Result<Timeline, Error> {
        let path = self.path.join(TIMELINE);
        let file = self.file(TIMELINE).map_err(Error::io("read", &path))?;
        timeline_of(file, &path)
    }

    /// A handle to append rows to `timeline.csv`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_timeline(&self) -> Result<Arc<File>, Error> {
        self.append(TIMELINE)
    }

    /// A handle to append lines to `events.jsonl`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_events(&self) -> Result<Arc<File>, Error> {
        self.append(EVENTS)
    }

    /// A handle to append rows to `spans.csv`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_spans(&self) -> Result<Arc<File>, Error> {
        self.append(SPANS)
    }

    /// A handle to append intervals to `spans.hlog`, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn append_span_log(&self) -> Result<Arc<File>, Error> {
        self.append(SPAN_LOG)
    }

    /// Whether a handle to append with is still the file that has its name in
    /// the directory. Where that may no longer be looked at, it is.
    ///
    /// # Errors
    ///
    /// What the system said of the handle.
    pub fn holds(&self, file: &Arc<File>) -> io::Result<bool> {
        let name = lock(&self.held.growing)
            .iter()
            .find(|(_, kept)| Arc::ptr_eq(kept, file))
            .map(|(name, _)| *name);
        match name {
            Some(name) => self.directory().names_file(name, file),
            None => Ok(false),
        }
    }

    /// Whether the run's description is missing.
    #[must_use]
    pub fn lacks_info(&self) -> bool {
        self.directory().lacks(RUN_JSON)
    }

    /// Puts the run's description on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn sync_info(&self) -> Result<(), Error> {
        let directory = self.directory();
        let synced = directory
            .read(RUN_JSON)
            .and_then(|file| file.sync())
            .and_then(|()| directory.sync());
        synced.map_err(Error::io("put on the disk", self.path.join(RUN_JSON)))
    }

    /// Writes a file of the run beside its timeline, such as `report.md`.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] or [`Error::Io`].
    pub fn write_artifact(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        check_name(name)?;
        self.replace(name, bytes, false)
    }

    /// Whether a file of this name is beside the timeline.
    #[must_use]
    pub fn has_artifact(&self, name: &str) -> bool {
        check_name(name).is_ok() && self.directory().has(name)
    }

    /// Puts everything that was written on the disk, for as long as `go_on`
    /// says so between two files. Answers how many files were left out.
    ///
    /// # Errors
    ///
    /// The first that the disk refused; the others are tried all the same.
    pub fn sync(&self, mut go_on: impl FnMut() -> bool) -> Result<usize, Error> {
        let directory = self.directory();
        let (mut first, mut left) = (None, 0);
        let mut sync = |directory: &Directory, path: &Path| {
            let names: Vec<String> = match directory.names() {
                Ok(names) => names.collect(),
                Err(error) => return first = first.take().or(Some((path.to_owned(), error))),
            };
            for name in names {
                if !go_on() {
                    left += 1;
                    continue;
                }
                // What is no file, or is gone again, is none of ours.
                let Ok(file) = directory.read(&name) else {
                    continue;
                };
                if let Err(error) = file.sync() {
                    first = first.take().or(Some((path.join(name), error)));
                }
            }
            if let Err(error) = directory.sync() {
                first = first.take().or(Some((path.to_owned(), error)));
            }
        };
        sync(&directory, &self.path);
        if let Ok(profiles) = directory.existing_subdirectory(PROFILES) {
            sync(&profiles, &self.path.join(PROFILES));
        }
        match first {
            Some((path, error)) => Err(Error::io("put on the disk", path)(error)),
            None => Ok(left),
        }
    }

    fn append(&self, name: &'static str) -> Result<Arc<File>, Error> {
        let path = self.path.join(name);
        let failed = Error::io("append to", &path);
        let file = Arc::new(self.directory().append(name).map_err(failed)?);
        let mut growing = lock(&self.held.growing);
        growing.retain(|(kept, _)| *kept != name);
        growing.push((name, Arc::clone(&file)));
        Ok(file)
    }

    /// A file of the run to read. One that grows is at hand also where it can
    /// no longer be opened: its directory was removed, or the process has given
    /// up the rights it began with.
    fn file(&self, name: &str) -> io::Result<RunFile> {
        self.directory().read(name).or_else(|error| {
            let growing = lock(&self.held.growing);
            let kept = growing.iter().find(|(kept, _)| *kept == name);
            kept.map_or(Err(error), |(_, file)| RunFile::new(Arc::clone(file)))
        })
    }

    /// Writes a file whole or not at all.
    fn replace(&self, name: &str, bytes: &[u8], durable: bool) -> Result<(), Error> {
        let replaced = self.directory().replace(name, bytes, durable);
        replaced.map_err(Error::io("write", self.path.join(name)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    let io = |error| Error::io("read", path)(error);
    let file = File::open(path).map_err(io)?;
    // A pipe can be read but once.
    if !file.metadata().map_err(io)?.is_file() {
        return Timeline::read(file, 0).map_err(|error| error.in_file(path));
    }
    timeline_of(RunFile::new(Arc::new(file)).map_err(io)?, path)
}

/// The timeline in a file that was opened. It is read once to count the rows
/// and once to read them: that is cheaper than to have its columns grow.
fn timeline_of(file: RunFile, path: &Path) -> Result<Timeline, Error> {
    let mut rows = 0;
    let mut counted = file.clone();
    let mut buffer = vec![0; 1 << 16];
    let mut left = CSV_BYTES.most;
    loop {
        match counted.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                rows += count_lines(&buffer[..read]);
                left = left.saturating_sub(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
        if left == 0 {
            return Err(CSV_BYTES.exceeded().in_file(path));
        }
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
