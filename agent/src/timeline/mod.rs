//! The timeline: what a tick reads, and the row that becomes of it.

mod base;
pub(crate) mod missing;
pub(crate) mod rates;
pub(crate) mod readings;
pub(crate) mod row;
mod span_log;
mod span_rows;
pub(crate) mod ticker;
pub(crate) mod tokio_runtime;
pub(crate) mod tracked;
pub(crate) mod wall_clock;
