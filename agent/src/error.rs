//! What `start` and `finish` can fail with. Everything later is a counted
//! warning, never an error that reaches the service.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the agent could not start, or a run could not be sealed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Another agent runs in this process.
    AlreadyRunning,
    /// An option is not usable.
    Option {
        /// The builder's method or the environment variable.
        name: String,
        /// What it was set to.
        value: String,
        /// What it takes.
        remedy: String,
    },
    /// The admin server could not have its address.
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address that others can reach was asked for without a token.
    TokenRequired {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The run directory could not be made, read or written.
    Run(soakscope_report::Error),
    /// The directory for runs could not be made.
    RunDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The budget file could not be read.
    Budgets {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The CPU sampler could not start.
    Sampler(soakscope_sampler::Error),
    /// A thread could not be started.
    Thread(std::io::Error),
    /// The run could not be judged, as a part of the agent failed.
    Seal,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::AlreadyRunning => f.write_str(
                "an agent already runs in this process; finish or drop it before starting another",
            ),
            Error::Option {
                name,
                value,
                remedy,
            } => write!(f, "{name} is {value:?}; {remedy}"),
            Error::Listen { address, source } => write!(
                f,
                "cannot listen on {address}: {source}; choose another address with \
                 .listen(..) or SOAKSCOPE_LISTEN, port 0 for any free one"
            ),
            Error::TokenRequired { address } => write!(
                f,
                "{address} can be reached from other machines and no token is set; \
                 set SOAKSCOPE_TOKEN or .token(..), or listen on 127.0.0.1"
            ),
            Error::Run(source) => write!(f, "{source}"),
            Error::RunDir { path, source } => write!(
                f,
                "cannot make {} for runs: {source}; choose another with .run_dir(..) or \
                 SOAKSCOPE_RUN_DIR",
                path.display()
            ),
            Error::Budgets { path, source } => write!(
                f,
                "cannot read the budgets {}: {source}; name a file with .budgets(..) or \
                 SOAKSCOPE_BUDGETS, or SOAKSCOPE_BUDGETS=off",
                path.display()
            ),
            Error::Sampler(source) => write!(
                f,
                "{source}; SOAKSCOPE_CPU_CLOCK=off starts without a CPU profile"
            ),
            Error::Thread(source) => write!(f, "cannot start a thread: {source}"),
            Error::Seal => f.write_str(
                "the run could not be judged, as a part of the agent failed; \
                 `soakscope report` reads what was written",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Listen { source, .. }
            | Error::RunDir { source, .. }
            | Error::Budgets { source, .. }
            | Error::Thread(source) => Some(source),
            Error::Run(source) => Some(source),
            Error::Sampler(source) => Some(source),
            _ => None,
        }
    }
}

impl From<soakscope_report::Error> for Error {
    fn from(source: soakscope_report::Error) -> Self {
        Error::Run(source)
    }
}

impl From<soakscope_sampler::Error> for Error {
    fn from(source: soakscope_sampler::Error) -> Self {
        Error::Sampler(source)
    }
}
