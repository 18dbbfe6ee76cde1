//! Measures the process it runs in: CPU stacks, heap, resources.

mod heap;
mod own;
pub mod resources;

pub use heap::{HeapProfiler, heap_allocated_bytes, heap_live_bytes};
pub use own::OwnThread;
