//! What can keep the shop from opening, or its load from running.

use std::io;
use std::net::SocketAddr;

/// Why the shop could not start or the load could not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address could not be listened on.
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The database's directory could not be made.
    Directory(io::Error),
    /// The database could not be opened or filled.
    Database(sqlx::Error),
    /// The load generator could not be set up; the text says what and why.
    Load(String),
    /// A trial gave no figure; the text says what and why.
    Trial(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Self::Directory(source) => {
                write!(f, "cannot make a directory for the database: {source}")
            }
            Self::Database(source) => write!(f, "cannot open the database: {source}"),
            Self::Load(what) => write!(f, "load generator: {what}"),
            Self::Trial(what) => write!(f, "trial: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Directory(source) => Some(source),
            Self::Database(source) => Some(source),
            Self::Load(_) | Self::Trial(_) => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}
