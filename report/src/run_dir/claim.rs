//! Making the directory of a new run, which is nobody else's.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{CLIENT, Directory, Held, PROFILES, RUN_JSON, RunDir};
use crate::error::Error;
use crate::run::RunInfo;

impl RunDir {
    /// Makes the directory of a new run, with its `run.json`, `profiles/` and
    /// `client/`, for nobody else to look into. An empty one that is there will
    /// do.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyARun`] if there is something already, [`Error::Io`] if the
    /// directory cannot be made or written.
    pub fn create(path: &Path, info: &RunInfo) -> Result<RunDir, Error> {
        Self::create_with(path, info, None)
    }

    /// [`RunDir::create`] with a mode that says who may look in, such as
    /// `0o750`. Files are made to suit.
    ///
    /// # Errors
    ///
    /// As [`RunDir::create`].
    pub fn create_with(path: &Path, info: &RunInfo, mode: Option<u32>) -> Result<RunDir, Error> {
        match Self::create_new(path, info, mode) {
            Err(Error::AlreadyARun(_)) => {}
            made => return made,
        }
        let taken = Directory::take_empty(path, mode);
        let directory = taken.map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => Error::AlreadyARun(path.to_owned()),
            _ => Error::io("use", path)(error),
        })?;
        Self::begin(path, directory, info, mode)
    }

    /// Makes the directory of a new run where nothing is: of all who ask for
    /// one path, one gets it.
    ///
    /// # Errors
    ///
    /// As [`RunDir::create`]; an empty directory is something, too.
    pub fn create_new(path: &Path, info: &RunInfo, mode: Option<u32>) -> Result<RunDir, Error> {
        let failed = |error| match io::ErrorKind::AlreadyExists {
            exists if io::Error::kind(&error) == exists => Error::AlreadyARun(path.to_owned()),
            _ => Error::io("make directory", path)(error),
        };
        // Held while the directory is made in it, so that both are in one place.
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(Error::io("make directory", path))?;
        let base = File::open(parent).map_err(Error::io("open", parent))?;
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?;
        let directory = Directory::make_new(base.as_fd(), Path::new(name), mode).map_err(failed)?;
        Self::begin(path, directory, info, mode)
    }

    fn begin(
        path: &Path,
        directory: Directory,
        info: &RunInfo,
        mode: Option<u32>,
    ) -> Result<RunDir, Error> {
        for name in [PROFILES, CLIENT] {
            let made = directory.subdirectory(name);
            made.map_err(Error::io("make directory", path.join(name)))?;
        }
        let locked = directory.lock().and_then(|()| directory.identity());
        let dir = RunDir {
            // So that it is the same path wherever the process goes.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            held: Arc::new(Held {
                directory: Mutex::new(Arc::new(directory)),
                mode,
                growing: Mutex::default(),
                lock: locked.ok(),
            }),
        };
        let mut info = info.clone();
        info.process.lock = dir.held.lock.clone();
        dir.replace(RUN_JSON, info.to_json().as_bytes(), false)?;
        Ok(dir)
    }
}
