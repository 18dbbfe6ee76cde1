//! Profiles of CPU and heap: taken on threads of their own, named, written, and
//! merged as they age.

pub(crate) mod heap;
pub(crate) mod heap_watch;
pub(crate) mod module_path;
pub(crate) mod piece;
pub(crate) mod profile;
pub(crate) mod profiler;
pub(crate) mod strata;
