//! The allocator below the heap profiler: the system's, or with `--features jemalloc` or `--features mimalloc` one of these.

#[cfg(feature = "jemalloc")]
mod chosen {
    /// The allocator below the heap profiler.
    pub type Inner = tikv_jemallocator::Jemalloc;
    /// It.
    pub const INNER: Inner = tikv_jemallocator::Jemalloc;
}

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
mod chosen {
    /// The allocator below the heap profiler.
    pub type Inner = mimalloc::MiMalloc;
    /// It.
    pub const INNER: Inner = mimalloc::MiMalloc;
}

#[cfg(not(any(feature = "jemalloc", feature = "mimalloc")))]
mod chosen {
    /// The allocator below the heap profiler.
    pub type Inner = std::alloc::System;
    /// It.
    pub const INNER: Inner = std::alloc::System;
}

pub use chosen::{INNER, Inner};
