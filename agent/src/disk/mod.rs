//! The way to the run directory: what is written, by whom, and what of it is
//! kept as it ages.

pub(crate) mod appender;
pub(crate) mod job;
pub(crate) mod retention;
pub(crate) mod writer;
