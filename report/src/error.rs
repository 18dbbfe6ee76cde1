//! The crate's one error type.
//!
//! Messages are lowercase fragments, so that they can be strung together after
//! a colon. Each names the thing (a path, a line, a field) and, where there is
//! one, the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that can go wrong while reading, judging or writing a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a path.
    Io {
        /// What was being done, as in "cannot `read` …".
        action: &'static str,
        /// The path it was being done to.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A timeline is not a CSV file whose first column is a time.
    Csv {
        /// The line at fault, counted from 1.
        line: u64,
        /// What is wrong there, and what to do about it.
        problem: String,
    },
    /// A profile is not a readable pprof file.
    Profile(String),
    /// Two profiles measure different things and cannot be put together.
    Mismatch(String),
    /// A JSON document does not have the shape it must have.
    Json {
        /// Which document, such as `run.json`.
        what: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A run directory was written in a format this version does not know.
    Format {
        /// The format the directory names.
        found: String,
        /// The newest format this version reads.
        known: &'static str,
    },
    /// A directory does not hold a run.
    NotARun(PathBuf),
    /// A new run was to be written where there already is one.
    AlreadyARun(PathBuf),
    /// A name that would leave the run directory.
    BadName(String),
    /// More of something than is read: the bound, and the remedy.
    Limit(String),
    /// A budget file that cannot be used: what is wrong where, and the remedy.
    Budgets(String),
    /// A column was asked for that is not there, or in a unit that is none.
    Column(String),
    /// A picture could not be drawn.
    Render(String),
    /// Another error, with the file it happened in.
    InFile {
        /// The file being read.
        path: PathBuf,
        /// What went wrong in it.
        source: Box<Error>,
    },
}

impl Error {
    /// The same error with the file it happened in put before it.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Error {
        match self {
            // These already name their path.
            Error::Io { .. } | Error::NotARun(_) | Error::AlreadyARun(_) | Error::InFile { .. } => {
                self
            }
            other => Error::InFile {
                path: path.to_owned(),
                source: Box::new(other),
            },
        }
    }

    /// Whether another version of the format is to blame: what it wrote is not
    /// to be guessed at.
    pub(crate) fn is_of_the_format(&self) -> bool {
        match self {
            Error::Format { .. } => true,
            Error::InFile { source, .. } => source.is_of_the_format(),
            _ => false,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} {}: {source}", path.display()),
            Error::Csv { line, problem } => write!(f, "line {line}: {problem}"),
            Error::Profile(problem) => write!(f, "not a readable pprof profile: {problem}"),
            Error::Mismatch(problem) => write!(f, "profiles do not belong together: {problem}"),
            Error::Json { what, source } => write!(f, "{what} is not as expected: {source}"),
            Error::Format { found, known } => write!(
                f,
                "run format {found:?} is not known to this version, which reads {known}; \
                 read it with the soakscope that wrote it, or a newer one"
            ),
            Error::NotARun(path) => write!(
                f,
                "{} is not a run directory (it has no run.json); \
                 name the directory that the agent wrote, <service>-<start>",
                path.display()
            ),
            Error::AlreadyARun(path) => write!(
                f,
                "{} already holds a run; choose a new directory or move that run away",
                path.display()
            ),
            Error::BadName(name) => write!(
                f,
                "{name:?} is not a usable file name; use letters, digits, '-', '_' and '.'"
            ),
            Error::Limit(problem) => write!(f, "it has {problem}"),
            Error::Budgets(problem) => write!(f, "budgets: {problem}"),
            Error::Column(problem) => f.write_str(problem),
            Error::Render(problem) => write!(f, "cannot draw: {problem}"),
            Error::InFile { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Json { source, .. } => Some(source),
            Error::InFile { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
