//! Skeleton.
#![forbid(unsafe_code)]
mod error;
pub mod exit_code;
mod frame_name;
mod number;
pub mod profile;
mod timeline;
pub use error::Error;
pub use frame_name::readable_name;
pub use number::number;
pub use timeline::{Cell, PhaseSpan, TextColumn, Timeline, TimelineWriter};
