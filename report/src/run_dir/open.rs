//! Opening files of a run for reading, whoever put them there.
//!
//! Only regular files are read: a FIFO would wait for a writer that never
//! comes, a device may have no end or do something when it is opened, and a
//! link leads out of the directory to whatever the reader may read. What was
//! opened is checked, not its name, so that nothing can change in between.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file below a run's directory, such as `profiles/cpu-000001.pb.gz`.
/// No part of `name` may be a link; the directory itself may lie behind one.
#[cfg(unix)]
pub(super) fn regular(directory: &Path, name: &str) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open, openat};

    let inside = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = inside | OFlags::DIRECTORY;
    let mut at = open(
        directory,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        // Without NONBLOCK the opening of a FIFO itself would wait.
        let last = parts.peek().is_none();
        let flags = if last {
            inside | OFlags::NONBLOCK | OFlags::NOCTTY
        } else {
            folder
        };
        at = openat(&at, part, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::MLINK => refused("it is a link"),
            // What a link to a folder is called where a folder is wanted.
            rustix::io::Errno::NOTDIR if !last => refused("it lies behind a link"),
            // What has no reader, and sockets.
            rustix::io::Errno::NXIO => refused("it is not a regular file"),
            other => other.into(),
        })?;
    }
    checked(File::from(at))
}

/// Opens a file below a run's directory.
#[cfg(not(unix))]
pub(super) fn regular(directory: &Path, name: &str) -> io::Result<File> {
    let path = directory.join(name);
    if path.symlink_metadata()?.is_symlink() {
        return Err(refused("it is a link"));
    }
    checked(File::open(path)?)
}

fn checked(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused("it is not a regular file"))
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what}; of a run directory only regular files are read, and no links are followed"
    ))
}
