//! Platform readings behind one set of signatures. The only place in
//! `resources` that asks which platform this is.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{Process, suspended, thread_cpu};

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Process, suspended, thread_cpu};
