//! The atomics of the ring, by a name that its model-checking test can
//! replace.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
