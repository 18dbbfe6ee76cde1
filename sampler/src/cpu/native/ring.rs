//! The ring that signal handlers write samples into and one consumer reads.
//!
//! # Protocol
//!
//! The ring is an array of words, all zero at first. A record is a run of
//! words whose first, the header, is never zero and has the record's length in
//! its low 16 bits.
//!
//! - `reserved` counts words ever handed out, `consumed` words ever given back.
//!   Both only grow; a word's place is its number modulo the capacity.
//! - A producer reserves a run by moving `reserved`, writes all words but the
//!   header, then the header. It never waits: when there is no room, it says so
//!   and the caller counts a drop.
//! - The consumer reads the header at `consumed`. Zero means that the record
//!   there is still being written: it stops and comes back. Otherwise it takes
//!   the words, **sets them to zero**, and moves `consumed`.
//!
//! # Who orders what
//!
//! - header: `Release` by the producer, `Acquire` by the consumer: whoever sees
//!   the header sees the words behind it.
//! - `consumed`: `Release` by the consumer, `Acquire` by the producer: whoever
//!   finds room there finds it zeroed, so no old header is taken for a new one.
//! - `reserved`: only its own value matters; `Relaxed`.
//!
//! # What was rejected
//!
//! A ring per thread takes memory per thread and loses the last samples of a
//! thread that ends. A lock, even a try-lock, loses samples exactly when many
//! threads are sampled in one tick. Slots of a fixed size waste most of their
//! bytes on short stacks. The price paid here: a producer that is preempted
//! between its two steps holds back the records behind it, not their writing.

use super::sync::{AtomicU64, Ordering};

/// Longest record, in words.
pub(crate) const MAX_RECORD: usize = 0xffff;

pub(crate) struct Ring {
    words: Box<[AtomicU64]>,
    reserved: AtomicU64,
    consumed: AtomicU64,
}

/// There was no room for a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Ring {
    /// A ring of `capacity` words, a power of two.
    pub(crate) fn new(capacity: usize) -> Ring {
        assert!(capacity.is_power_of_two(), "capacity {capacity}");
        Ring {
            words: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            reserved: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
        }
    }

    fn word(&self, number: u64) -> &AtomicU64 {
        // The length is a power of two, so the mask keeps the index inside.
        &self.words[number as usize & (self.words.len() - 1)]
    }

    /// Appends one record made of `parts`, whose first word is the header.
    /// Returns how many words are in use. Does not allocate or wait.
    pub(crate) fn push(&self, parts: &[&[u64]]) -> Result<usize, Full> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut start = self.reserved.load(Ordering::Relaxed);
        let used = loop {
            let used = start.wrapping_sub(self.consumed.load(Ordering::Acquire)) as usize;
            // `start` may be older than `consumed`; then `used` is huge and
            // the exchange below would fail anyway.
            if used > self.words.len() {
                start = self.reserved.load(Ordering::Relaxed);
                continue;
            }
            if length > MAX_RECORD || used + length > self.words.len() {
                return Err(Full);
            }
            match self.reserved.compare_exchange_weak(
                start,
                start + length as u64,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => break used + length,
                Err(now) => start = now,
            }
        };
        let mut words = parts.iter().flat_map(|part| part.iter());
        let Some(header) = words.next() else {
            return Ok(used);
        };
        debug_assert_eq!(*header as usize & MAX_RECORD, length);
        for (offset, value) in words.enumerate() {
            self.word(start + 1 + offset as u64)
                .store(*value, Ordering::Relaxed);
        }
        self.word(start).store(*header, Ordering::Release);
        Ok(used)
    }

    /// Takes the oldest record into `record`; `false` when there is none.
    ///
    /// There must be one consumer at a time: the caller holds a lock.
    pub(crate) fn pop(&self, record: &mut Vec<u64>) -> bool {
        record.clear();
        let start = self.consumed.load(Ordering::Relaxed);
        let header = self.word(start).load(Ordering::Acquire);
        if header == 0 {
            return false;
        }
        let length = header & MAX_RECORD as u64;
        for number in start..start + length {
            let word = self.word(number);
            record.push(word.load(Ordering::Relaxed));
            word.store(0, Ordering::Relaxed);
        }
        self.consumed.store(start + length, Ordering::Release);
        true
    }

    /// Words in all.
    pub(crate) fn capacity(&self) -> usize {
        self.words.len()
    }
}
