//! The word that another thread carries at this moment.
//!
//! A signal lands some microseconds after the instant that it is sent for. The
//! word of the instant goes with it, so that the end of a short piece of work
//! is not charged to what comes after.
//!
//! A thread's words are in its own memory, which goes when the thread does. They
//! are read through `/proc/self/mem`, where an address that is no longer there
//! is an error and not a fault.

use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use crate::own_files::OwnFile;
use crate::threads::state::{self, ThreadState};

/// The memory of this process, as a file.
pub(super) struct Words(Option<OwnFile>);

impl Words {
    /// Where the system does not open it, no word is found. A child that gives up
    /// its rights must not read its parent through it.
    pub(super) fn open() -> Self {
        let memory = File::open("/proc/self/mem").ok();
        Self(memory.map(OwnFile::closed_in_child))
    }

    /// The word of a thread, if it is known where it is.
    pub(super) fn of(&self, tid: u32) -> Option<u64> {
        let address = state::address_of(tid)?;
        let memory = self.0.as_ref()?;
        let mut bytes = [0; size_of::<ThreadState>()];
        memory.read_exact_at(&mut bytes, address).ok()?;
        let at = |offset: usize, length: usize| bytes.get(offset..offset + length);
        let owner = at(offset_of!(ThreadState, tid), 4)?.try_into().ok()?;
        let label = at(offset_of!(ThreadState, label), 8)?.try_into().ok()?;
        // The memory may be another thread's by now.
        (u32::from_ne_bytes(owner) == tid).then(|| u64::from_ne_bytes(label))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::platform;
    use crate::threads::state::set_label;

    #[test]
    fn a_threads_word_is_read_while_it_lives_and_not_afterwards() {
        let (ready, is_ready) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            set_label(4_711);
            ready.send(platform::gettid()).expect("it is awaited");
            let _ = ended.recv();
        });
        let tid = is_ready.recv().expect("it is sent");
        let words = Words::open();
        assert_eq!(words.of(tid), Some(4_711));
        assert_eq!(words.of(tid + 4096), None, "another thread");
        drop(end);
        thread.join().expect("it ends well");
        // The C library may keep the memory for the next thread, or not: what is
        // read is no fault.
        let _ = words.of(tid);
    }
}
