//! The names of threads that allocate, each once, by number.
//!
//! A name is two words, and a set holds one: the set has the name's hash, and
//! whoever uses a name writes it beside, so that a thread that is stopped in
//! between leaves it to the next one. A reader finds the name or, for that
//! moment, none.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::word_set::{WordSet, hash};
use crate::platform::{self, NAME};
use crate::threads::name::text_of;

/// Distinct names; further ones are [`OTHER`].
const NAMES: usize = 512;
/// What threads beyond those are called.
const OTHER: &str = "<other>";

/// A thread is asked its name at so many first samples, since it is named
/// after it first allocates, and then after so many milliseconds.
const ASKED_FIRST: u32 = 16;
const ASK_AGAIN_MS: u64 = 100;

/// Bits that hold every number.
pub(super) const NUMBER_BITS: u32 = 10;

/// Bytes of the table.
pub(super) const TABLE_BYTES: usize = size_of::<Threads>();

struct Threads {
    hashes: WordSet<NAMES>,
    names: [[AtomicU64; NAME]; NAMES],
}

static THREADS: Threads = Threads {
    hashes: WordSet::new(),
    names: [const { [const { AtomicU64::new(0) }; NAME] }; NAMES],
};

struct Mine {
    number: Cell<u64>,
    asked: Cell<u32>,
    asked_ms: Cell<u64>,
}

thread_local! {
    // As the words of `account`: no destructor.
    static MINE: Mine = const {
        Mine {
            number: Cell::new(0),
            asked: Cell::new(0),
            asked_ms: Cell::new(0),
        }
    };
}

/// The number of the calling thread's name, which costs a system call now and
/// then.
pub(super) fn mine(now_ms: u64) -> u64 {
    MINE.with(|mine| {
        let asked = mine.asked.get();
        if asked < ASKED_FIRST || now_ms.wrapping_sub(mine.asked_ms.get()) >= ASK_AGAIN_MS {
            mine.number.set(number(platform::thread_name()));
            mine.asked.set(asked.saturating_add(1));
            mine.asked_ms.set(now_ms);
        }
        mine.number.get()
    })
}

/// The number of a name; 0 for none.
fn number(name: Option<[u64; NAME]>) -> u64 {
    let Some(name) = name.filter(|name| name[0] != 0) else {
        return 0;
    };
    let key = hash(hash(name[0]) ^ name[1]).max(1);
    let Some(number) = THREADS.hashes.find_or_add(key) else {
        return NAMES as u64 + 1;
    };
    for (there, word) in THREADS.names[number].iter().zip(name) {
        if there.load(Relaxed) != word {
            there.store(word, Relaxed);
        }
    }
    number as u64 + 1
}

/// The name with this number; empty for none.
pub(super) fn name(number: u64) -> String {
    let Some(number) = number.checked_sub(1) else {
        return String::new();
    };
    match THREADS.names.get(number as usize) {
        Some(name) => text_of([name[0].load(Relaxed), name[1].load(Relaxed)]),
        None => OTHER.to_owned(),
    }
}

/// Where the table is, and its bytes.
pub(super) fn table() -> (usize, usize) {
    (std::ptr::from_ref(&THREADS).addr(), size_of_val(&THREADS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers_until_there_are_too_many() {
        assert_eq!((number(None), number(Some([0, 0]))), (0, 0));
        assert_eq!(name(0), "");
        let words = |text: &str| {
            let mut bytes = [0; 16];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            let (low, high) = bytes.split_at(8);
            let word = |half: &[u8]| u64::from_ne_bytes(half.try_into().expect("8 bytes"));
            Some([word(low), word(high)])
        };
        let first = number(words("fifteen-letters"));
        assert_eq!(name(first), "fifteen-letters");
        assert_ne!(number(words("fifteen-letterz")), first, "the end counts");
        let all: Vec<u64> = (0..2_000)
            .map(|n| number(words(&format!("worker-{n}"))))
            .collect();
        assert!(all.iter().all(|number| *number >> NUMBER_BITS == 0));
        assert_eq!(number(words("fifteen-letters")), first);
        assert_eq!(name(all[1_999]), OTHER);
    }
}
