//! What all observers know of threads' signal masks, so that each is read once.
//!
//! Reading a mask takes some 30 µs, in which a short piece of work would end:
//! masks of new threads are read after an instant, not in it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::wall_clock;
use crate::platform;

/// A mask is read again after this time, in milliseconds, and one that blocks
/// the signal after this.
const AGE: u64 = 1_000;
const AGE_OF_BLOCKED: u64 = 100;

const PLACES: usize = 4096;
const BLOCKS: u64 = 1 << 31;
const CONFIRMED: u64 = 1 << 30;
const TIME: u64 = CONFIRMED - 1;

/// Masks by the low bits of the threads' ids. A word holds the id, whether the
/// signal may not be sent, whether two looks said so, and the time in
/// milliseconds.
pub(super) struct MasksSeen {
    signal: libc::c_int,
    words: Box<[AtomicU64]>,
}

/// What is known of a thread's mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) blocks: bool,
    /// It is to be read again.
    pub(super) is_old: bool,
}

impl MasksSeen {
    pub(super) fn new(signal: libc::c_int) -> Self {
        Self {
            signal,
            words: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// What is known; `None` of a thread that was never looked at.
    pub(super) fn known(&self, tid: u32, now_ms: u64) -> Option<Seen> {
        let word = self.place(tid)?.load(Relaxed);
        let blocks = word & BLOCKS != 0;
        let age = (now_ms & TIME).saturating_sub(word & TIME);
        // The C library blocks all signals while it makes a thread and ends it.
        let is_old = match (blocks, word & CONFIRMED != 0) {
            (false, _) => age > AGE,
            (true, true) => age > AGE_OF_BLOCKED,
            (true, false) => true,
        };
        (word >> 32 == u64::from(tid)).then_some(Seen { blocks, is_old })
    }

    /// Reads a thread's mask; whether the signal may not be sent to it.
    pub(super) fn look(&self, tid: u32, now_ms: u64) -> bool {
        let before = self.known(tid, now_ms).is_some_and(|seen| seen.blocks);
        let blocks = !wall_clock::may_be_sent(self.signal, tid);
        let flag = match (blocks, before) {
            (true, true) => BLOCKS | CONFIRMED,
            (true, false) => BLOCKS,
            (false, _) => 0,
        };
        if let Some(place) = self.place(tid) {
            place.store(u64::from(tid) << 32 | flag | now_ms & TIME, Relaxed);
        }
        blocks
    }

    /// How many threads block the signal, as two looks said.
    pub(super) fn blocking(&self) -> usize {
        let words = self.words.iter();
        words
            .map(|word| word.load(Relaxed))
            .filter(|word| word & CONFIRMED != 0 && platform::thread_exists((word >> 32) as u32))
            .count()
    }

    fn place(&self, tid: u32) -> Option<&AtomicU64> {
        self.words.get(tid as usize % PLACES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{SignalMask, gettid};

    #[test]
    fn a_mask_is_known_until_it_is_old() {
        // On a thread of its own, as its mask is its own.
        std::thread::spawn(|| {
            let masks = MasksSeen::new(libc::SIGUSR2);
            let tid = gettid();
            assert_eq!(masks.known(tid, 5_000), None);
            assert!(!masks.look(tid, 5_000));
            let seen = |blocks, is_old| Some(Seen { blocks, is_old });
            assert_eq!(masks.known(tid, 5_900), seen(false, false));
            assert_eq!(masks.known(tid, 6_100), seen(false, true));
            assert_eq!(masks.known(tid + PLACES as u32, 5_000), None);
            let _ = SignalMask::block(&[libc::SIGUSR2]);
            assert!(masks.look(tid, 6_000));
            assert_eq!(masks.blocking(), 0, "it may be blocked for a moment");
            assert!(masks.look(tid, 6_200));
            assert_eq!(masks.blocking(), 1);
            assert_eq!(masks.known(tid, 6_400), seen(true, true));
        })
        .join()
        .expect("it ends well");
    }
}
