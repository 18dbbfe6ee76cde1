//! A file of the run directory that grows by whole lines, up to a bound.
//!
//! A line is on disk whole or not at all: after a partial write the file is cut
//! back. A file that lost its name, or whose directory was removed, is noticed
//! before each line, and made anew once it can be; a new file begins with the
//! old one's header. A directory that is moved takes its files with it.

use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::sync::Arc;

use soakscope_report::RunDir;

type Open = fn(&RunDir) -> std::result::Result<Arc<File>, soakscope_report::Error>;

#[derive(Debug)]
pub(crate) struct Appender {
    /// Where it is, and how it is made there.
    place: Option<(RunDir, Open)>,
    file: Arc<File>,
    /// The first line ever, where it is a header.
    header: Option<String>,
    lines: u64,
    max_bytes: u64,
}

impl Appender {
    pub(crate) fn open(
        dir: RunDir,
        open: Open,
        max_bytes: u64,
    ) -> std::result::Result<Self, soakscope_report::Error> {
        let file = open(&dir)?;
        Ok(Self {
            place: Some((dir, open)),
            file,
            header: None,
            lines: 0,
            max_bytes,
        })
    }

    /// A file that is in no directory.
    #[cfg(test)]
    pub(crate) fn nowhere(file: File) -> Self {
        Self {
            place: None,
            file: Arc::new(file),
            header: None,
            lines: 0,
            max_bytes: u64::MAX,
        }
    }

    /// Appends a line with its newline. Answers `false` where the file has
    /// reached its bound, and the line is not in it.
    pub(crate) fn append(&mut self, line: &str) -> Result<bool> {
        let mut length = self.length()?;
        if length + line.len() as u64 > self.max_bytes {
            return Ok(false);
        }
        if self.lines == 0 && (line.starts_with("elapsed_min,") || line.starts_with('#')) {
            self.header = Some(line.to_owned());
        } else if length == 0
            && let Some(header) = &self.header
        {
            write_whole(&self.file, header, 0)?;
            length = header.len() as u64;
        }
        write_whole(&self.file, line, length)?;
        self.lines += 1;
        Ok(true)
    }

    /// The file's length; opens it anew where it is not there any more.
    fn length(&mut self) -> Result<u64> {
        if let Some((dir, open)) = &self.place {
            if dir.is_gone() {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("{} is gone", dir.path().display()),
                ));
            }
            if !dir.holds(&self.file)? {
                self.file = open(dir).map_err(from_report)?;
            }
        }
        Ok(self.file.metadata()?.len())
    }
}

/// What the system said, with its number where it gave one.
fn from_report(error: soakscope_report::Error) -> Error {
    match error {
        soakscope_report::Error::Io { source, .. } => source,
        other => Error::other(other),
    }
}

fn write_whole(mut file: &File, line: &str, length: u64) -> Result<()> {
    file.write_all(line.as_bytes()).inspect_err(|_| {
        // Half a line may be there; without room to write there is still room
        // to cut. Where even that fails, readers skip the bad line.
        let _ = file.set_len(length);
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::PathBuf;

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
    fn a_file_that_lost_its_name_is_made_anew_and_one_that_was_planted_is_not_written() {
        let (path, dir) = run("name");
        let mut file = Appender::open(dir, RunDir::append_timeline, u64::MAX).unwrap();
        assert!(file.append("elapsed_min,rss_mb\n").unwrap());
        let timeline = path.join("timeline.csv");
        std::fs::rename(&timeline, path.join("old.csv")).unwrap();
        assert!(file.append("0,1\n").unwrap());
        let text = std::fs::read_to_string(&timeline).unwrap();
        assert_eq!(text, "elapsed_min,rss_mb\n0,1\n");
        std::fs::remove_file(&timeline).unwrap();
        let victim = path.join("victim");
        std::fs::write(&victim, "").unwrap();
        std::os::unix::fs::symlink(&victim, &timeline).unwrap();
        assert!(file.append("1,2\n").is_err());
        std::fs::remove_file(&timeline).unwrap();
        std::fs::hard_link(&victim, &timeline).unwrap();
        assert!(file.append("1,2\n").is_err());
        assert_eq!(std::fs::read(&victim).unwrap(), b"");
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
