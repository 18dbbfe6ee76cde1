//! What the files of mapped images were when they were first seen, to notice
//! that one was written over: the image in memory changes with it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::modules::Module;
use crate::fork::PerProcess;

/// More than any process has mapped; beyond it nothing is remembered.
const MAX_FILES: usize = 4096;

/// An image: its address, and its file's device and inode.
type Key = (u64, (u32, u32), u64);

#[derive(Debug, PartialEq, Eq)]
struct State {
    length: u64,
    modified: (i64, i64),
    build_id: Option<String>,
}

/// A forked child begins anew: here another thread may hold the lock.
static SEEN: PerProcess<Mutex<HashMap<Key, State>>> = PerProcess::new(Mutex::default);

fn lock() -> MutexGuard<'static, HashMap<Key, State>> {
    // A map is whole after a panic elsewhere.
    SEEN.get().lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(module: &Module) -> Key {
    (module.image(), module.origin.device, module.origin.inode)
}

/// Whether the file of an image is not what it was when it was first seen.
pub(super) fn has_changed(module: &Module, file: &Metadata, build_id: Option<String>) -> bool {
    let now = State {
        length: file.len(),
        modified: (file.mtime(), file.mtime_nsec()),
        build_id,
    };
    let mut seen = lock();
    let Some(before) = seen.get_mut(&key(module)) else {
        if seen.len() < MAX_FILES {
            seen.insert(key(module), now);
        }
        return false;
    };
    let touched = (before.length, before.modified) != (now.length, now.modified);
    let same = !touched || before.build_id.is_some() && before.build_id == now.build_id;
    if same {
        *before = now;
    }
    !same
}

/// Forgets images that are not mapped any more.
pub(super) fn keep(modules: &[Module]) {
    let mapped: std::collections::HashSet<Key> = modules.iter().map(key).collect();
    lock().retain(|key, _| mapped.contains(key));
}
