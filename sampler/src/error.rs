//! The one error type of the crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::clock::Clock;

/// Why a measurement could not be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A second sampler was asked for while one is running. Signal
    /// dispositions belong to the process, so there can be only one.
    AlreadyRunning,
    /// A setting is outside what can be honoured.
    InvalidSetting(String),
    /// The clock that was asked for by name cannot run here.
    ClockRefused {
        /// The clock.
        clock: Clock,
        /// What refused it, in the words of the system where there are any.
        reason: String,
    },
    /// Every clock was tried in turn and none can run here.
    NoClock(Vec<Fallback>),
    /// This build or engine has no such measurement.
    Unsupported(&'static str),
    /// A file of the system or of the program could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A system call failed.
    System {
        /// The call.
        call: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// This process was forked from the one that is measured.
    Forked,
    /// Bytes of the program or the system are not what their format says.
    Malformed {
        /// What was being read.
        what: &'static str,
        /// Where it came from.
        path: PathBuf,
    },
}

/// One clock that was tried and refused before another was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The clock that could not be used.
    pub clock: Clock,
    /// Why not.
    pub reason: String,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.clock, self.reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AlreadyRunning => {
                f.write_str("a CPU sampler is already running in this process")
            }
            Error::InvalidSetting(what) => f.write_str(what),
            Error::ClockRefused { clock, reason } => {
                write!(f, "the {clock} clock cannot run here: {reason}")
            }
            Error::NoClock(tried) => {
                f.write_str("no clock can run here")?;
                for fallback in tried {
                    write!(f, "; {fallback}")?;
                }
                Ok(())
            }
            Error::Forked => f.write_str(
                "this process was forked from the one that is sampled; start a sampler of its own",
            ),
            Error::Unsupported(what) => write!(f, "unsupported: {what}"),
            Error::Read { path, source } => write!(f, "reading {}: {source}", path.display()),
            Error::System { call, source } => write!(f, "{call}: {source}"),
            Error::Malformed { what, path } => write!(f, "malformed {what} in {}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } | Error::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
