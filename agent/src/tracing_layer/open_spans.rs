//! What is kept of each open span, by its id.
//!
//! The registry has room for this in a span's extensions, but reaching it
//! takes a look-up, a lock and a hash four times in a span's life, and a block
//! of memory. Here it is one lock and one hash, and no memory once there were
//! as many open spans before.
//!
//! The entries of one thread's spans share a shard, as their ids share bits:
//! `sharded-slab`, which gives them out, puts the thread's number above the
//! 38 bits of an address. Were that to change, this would be slower and as
//! right as before.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::span::Id;

const SHARDS: usize = 64;
/// Bits of an id below those of the thread.
const ADDRESS_BITS: u32 = 38;

pub(crate) struct OpenSpans<T> {
    shards: Box<[Shard<T>]>,
}

/// Apart from its neighbours, so that threads do not slow each other down.
#[repr(align(128))]
struct Shard<T>(Mutex<HashMap<u64, T, BuildHasherDefault<IdHasher>>>);

/// Ids are given out by the registry and need no defence, only spreading.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        let mixed = (self.0 ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The table takes its place from the low bits, its tag from the high.
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl<T> Default for OpenSpans<T> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard(Mutex::default())).collect(),
        }
    }
}

impl<T> OpenSpans<T> {
    /// Keeps something for a span; answers what was kept for that id before.
    pub(crate) fn insert(&self, id: &Id, value: T) -> Option<T> {
        self.shard(id).insert(id.into_u64(), value)
    }

    /// Runs `f` on what is kept for a span, if anything is. `f` must not come
    /// back here.
    pub(crate) fn with<R>(&self, id: &Id, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.shard(id).get_mut(&id.into_u64()).map(f)
    }

    pub(crate) fn remove(&self, id: &Id) -> Option<T> {
        self.shard(id).remove(&id.into_u64())
    }

    fn shard(&self, id: &Id) -> MutexGuard<'_, HashMap<u64, T, BuildHasherDefault<IdHasher>>> {
        // Ids are an index plus one.
        let thread = (id.into_u64() - 1) >> ADDRESS_BITS;
        let shard = &self.shards[thread as usize % SHARDS];
        shard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_id_and_no_other() {
        let open = OpenSpans::default();
        let ids: Vec<Id> = (0..10_000_u64)
            .map(|n| Id::from_u64(((n % 7) << 51 | (n % 5) << ADDRESS_BITS | n) + 1))
            .collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(open.insert(id, n), None);
        }
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(open.with(id, |kept| *kept), Some(n));
            assert_eq!(open.remove(id), Some(n));
            assert_eq!(open.remove(id), None);
        }
    }
}
