//! Skeleton.
#![forbid(unsafe_code)]
mod error;
pub mod exit_code;
mod number;
mod timeline;
pub use error::Error;
pub use number::number;
pub use timeline::{Cell, PhaseSpan, TextColumn, Timeline, TimelineWriter};
