//! Support for the tests: a subject to drive, HTTP to it, and the programs of
//! the workspace. What a test needs and the machine lacks is a failure that
//! says how to get it, never a test passed over.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod burn;
mod http;
pub mod imports;
#[path = "../../sampler/tests/support/others.rs"]
mod others;
mod programs;
mod running;
pub mod sessions;
mod subject;

pub use burn::{burn, thread_cpu};
pub use http::{Answer, get, get_with, post};
pub use others::Others;
pub use programs::{example, output_text, program, soakscope, tool};
pub use running::{Running, free_port};
pub use subject::{Subject, Timeline, remove_held, scratch};
