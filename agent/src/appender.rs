//! A file of the run directory that grows by whole lines, up to a bound.
//!
//! A line is on disk whole or not at all: after a partial write the file is cut
//! back. A file that is no longer where it was (its directory was removed or
//! moved, or its disk is gone) is noticed before each line, and opened anew once
//! its directory is back; a new file begins with the old one's header.

use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use soakscope_report::RunDir;

type Open = fn(&RunDir) -> std::result::Result<File, soakscope_report::Error>;

#[derive(Debug)]
pub(crate) struct Appender {
    dir: RunDir,
    open: Open,
    file: File,
    path: Option<PathBuf>,
    /// The first line ever, where it is a header.
    header: Option<String>,
    lines: u64,
    most_bytes: u64,
}

impl Appender {
    pub(crate) fn open(
        dir: RunDir,
        open: Open,
        most_bytes: u64,
    ) -> std::result::Result<Self, soakscope_report::Error> {
        let file = open(&dir)?;
        Ok(Self {
            path: path_of(&dir, &file),
            dir,
            open,
            file,
            header: None,
            lines: 0,
            most_bytes,
        })
    }

    /// Appends a line with its newline. Answers `false` where the file has
    /// reached its bound, and the line is not in it.
    pub(crate) fn append(&mut self, line: &str) -> Result<bool> {
        let mut length = self.length()?;
        if length + line.len() as u64 > self.most_bytes {
            return Ok(false);
        }
        if self.lines == 0 && (line.starts_with("elapsed_min,") || line.starts_with('#')) {
            self.header = Some(line.to_owned());
        } else if length == 0
            && let Some(header) = &self.header
        {
            write_whole(&mut self.file, header, 0)?;
            length = header.len() as u64;
        }
        write_whole(&mut self.file, line, length)?;
        self.lines += 1;
        Ok(true)
    }

    /// The file's length; opens it anew where it is not there any more.
    fn length(&mut self) -> Result<u64> {
        let ours = self.file.metadata()?;
        let Some(path) = &self.path else {
            return Ok(ours.len());
        };
        match std::fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(ours.len()),
            _ if !self.dir.path().is_dir() => Err(Error::new(
                ErrorKind::NotFound,
                format!("{} is gone", self.dir.path().display()),
            )),
            _ => {
                self.file = (self.open)(&self.dir).map_err(Error::other)?;
                Ok(self.file.metadata()?.len())
            }
        }
    }
}

/// Where an open file of the directory is: the one of the same number.
fn path_of(dir: &RunDir, file: &File) -> Option<PathBuf> {
    let ours = file.metadata().ok()?;
    let mut entries = std::fs::read_dir(dir.path()).ok()?.flatten();
    entries
        .find(|entry| {
            let there = entry.metadata();
            there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        })
        .map(|entry| entry.path())
}

fn write_whole(file: &mut File, line: &str, length: u64) -> Result<()> {
    file.write_all(line.as_bytes()).inspect_err(|_| {
        // Half a line may be there; without room to write there is still room
        // to cut. Where even that fails, readers skip the bad line.
        let _ = file.set_len(length);
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use soakscope_report::RunInfo;

    use super::*;

    fn run(name: &str) -> (PathBuf, RunDir) {
        let path =
            std::env::temp_dir().join(format!("soakscope-appender-{name}-{}", std::process::id()));
        let dir = RunDir::create(&path, &RunInfo::default()).unwrap();
        (path, dir)
    }

    #[test]
    fn a_directory_that_went_is_waited_for_and_the_file_begins_with_its_header() {
        let (path, dir) = run("gone");
        let mut file = Appender::open(dir, RunDir::append_timeline, u64::MAX).unwrap();
        assert!(file.append("elapsed_min,rss_mb\n").unwrap());
        assert!(file.append("0,1\n").unwrap());
        std::fs::remove_dir_all(&path).unwrap();
        assert!(
            file.append("1,2\n")
                .unwrap_err()
                .to_string()
                .contains("gone")
        );
        assert!(!path.exists(), "it is not ours to make it");
        std::fs::create_dir(&path).unwrap();
        assert!(file.append("1,2\n").unwrap());
        let text = std::fs::read_to_string(path.join("timeline.csv")).unwrap();
        assert_eq!(text, "elapsed_min,rss_mb\n1,2\n");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_bound_holds() {
        let (path, dir) = run("bound");
        let mut file = Appender::open(dir, RunDir::append_events, 10).unwrap();
        assert!(file.append("12345\n").unwrap());
        assert!(!file.append("67890\n").unwrap());
        assert!(file.append("abc\n").unwrap());
        std::fs::remove_dir_all(path).unwrap();
    }
}
