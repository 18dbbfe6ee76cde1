//! The sampled blocks that live, by address.
//!
//! The index is a table of buckets of eight words, a cache line each. A block
//! belongs into one of two buckets, the emptier when it comes (Azar et al.
//! 1994, "Balanced allocations"), so a lookup reads two lines at most and a
//! removal leaves no trace. A word holds the address and the number of a
//! record; records come from a stack of free ones (Treiber 1986), whose head
//! carries a count so that a number that went and came back is noticed.
//!
//! A block's word is put in by the thread that allocated the block, before
//! anyone else can know of it, and taken out by the one thread that may free
//! it, before the allocator can hand its address out again. So a lookup for a
//! block that is owned needs no more than to read; only empty places are
//! fought for.

use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::word_set::hash;

const BUCKETS: usize = 8192;
const BUCKET: usize = 8;
/// Seven eighths of the index: at the default interval 28 GB of live heap.
pub(super) const RECORDS: usize = BUCKETS * 7;

/// Bytes of the index and the records.
pub(super) const TABLE_BYTES: usize = size_of::<Blocks>();

const NUMBER_BITS: u32 = 20;
const SITE_BITS: u32 = 20;
const OFFSET_BITS: u32 = 12;
/// No block of more than 4 PB.
const SIZE_BITS: u32 = 52;

/// What is known of a sampled block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) size: usize,
    /// How far it lies into what the inner allocator gave, below 4,096.
    pub(super) offset: usize,
    /// How many blocks it stands for.
    pub(super) weight: f64,
    /// Number of the place that allocated it.
    pub(super) site: u32,
    /// Milliseconds of the monotonic clock.
    pub(super) born_ms: u64,
}

#[repr(align(64))]
struct Bucket([AtomicU64; BUCKET]);

struct Record {
    /// Offset and size; in a free record the number of the next free one, plus one.
    what: AtomicU64,
    weight: AtomicU64,
    /// Birth and site.
    origin: AtomicU64,
}

pub(super) struct Blocks {
    index: [Bucket; BUCKETS],
    records: [Record; RECORDS],
    /// Records that were ever used.
    fresh: AtomicUsize,
    /// The free ones: a count, and the number of the first plus one.
    free: AtomicU64,
    live: AtomicUsize,
}

pub(super) static BLOCKS: Blocks = Blocks::new();

impl Blocks {
    const fn new() -> Self {
        Blocks {
            index: [const { Bucket([const { AtomicU64::new(0) }; BUCKET]) }; BUCKETS],
            records: [const {
                Record {
                    what: AtomicU64::new(0),
                    weight: AtomicU64::new(0),
                    origin: AtomicU64::new(0),
                }
            }; RECORDS],
            fresh: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            live: AtomicUsize::new(0),
        }
    }

    fn buckets(&self, address: usize) -> [&Bucket; 2] {
        let hash = hash(address as u64) as usize;
        let first = hash % BUCKETS;
        // An odd distance below the number of buckets: never the same one.
        let second = first ^ (((hash >> 32) % BUCKETS) | 1);
        [&self.index[first], &self.index[second]]
    }

    /// Adds a block that the caller owns; `false` where there is no room for
    /// it, or its address is of no known kind.
    pub(super) fn add(&self, address: usize, block: &Block) -> bool {
        let known_kind = address.is_multiple_of(16) && address as u64 >> 47 == 0;
        if !known_kind
            || block.size as u64 >> SIZE_BITS != 0
            || block.offset as u64 >> OFFSET_BITS != 0
        {
            return false;
        }
        let Some(number) = self.take_record() else {
            return false;
        };
        let record = &self.records[number];
        let what = (block.offset as u64) << SIZE_BITS | block.size as u64;
        record.what.store(what, Relaxed);
        record.weight.store(block.weight.to_bits(), Relaxed);
        let origin = block.born_ms << SITE_BITS | u64::from(block.site);
        record.origin.store(origin, Relaxed);
        let word = (address as u64 >> 4) << NUMBER_BITS | number as u64;

        let taken = |bucket: &Bucket| {
            let words = bucket.0.iter();
            words.filter(|word| word.load(Relaxed) != 0).count()
        };
        let [mut first, mut second] = self.buckets(address);
        if taken(second) < taken(first) {
            std::mem::swap(&mut first, &mut second);
        }
        let added = first.0.iter().chain(&second.0).any(|place| {
            place.load(Relaxed) == 0 && place.compare_exchange(0, word, Release, Relaxed).is_ok()
        });
        if added {
            self.live.fetch_add(1, Relaxed);
        } else {
            self.give_record(number);
        }
        added
    }

    /// Takes a block out that the caller owns; `None` if it was not sampled.
    pub(super) fn remove(&self, address: usize) -> Option<Block> {
        let (place, word) = self.find(address)?;
        let number = number(word);
        let block = self.block(number);
        place.store(0, Relaxed);
        self.give_record(number);
        self.live.fetch_sub(1, Relaxed);
        Some(block)
    }

    /// Whether a block that the caller owns was sampled.
    pub(super) fn has(&self, address: usize) -> bool {
        self.find(address).is_some()
    }

    fn find(&self, address: usize) -> Option<(&AtomicU64, u64)> {
        let wanted = address as u64 >> 4;
        if !address.is_multiple_of(16) {
            return None;
        }
        let [first, second] = self.buckets(address);
        first.0.iter().chain(&second.0).find_map(|place| {
            let word = place.load(Acquire);
            (word != 0 && word >> NUMBER_BITS == wanted).then_some((place, word))
        })
    }

    fn block(&self, number: usize) -> Block {
        let record = &self.records[number];
        let what = record.what.load(Relaxed);
        let origin = record.origin.load(Relaxed);
        Block {
            size: (what & ((1 << SIZE_BITS) - 1)) as usize,
            offset: (what >> SIZE_BITS) as usize,
            site: origin as u32 & ((1 << SITE_BITS) - 1),
            weight: f64::from_bits(record.weight.load(Relaxed)),
            born_ms: origin >> SITE_BITS,
        }
    }

    fn take_record(&self) -> Option<usize> {
        let mut head = self.free.load(Acquire);
        // Whoever keeps changing the head makes progress; that bounds nothing
        // for us, so we give up at some time.
        for _ in 0..1_000 {
            let Some(number) = (head as u32).checked_sub(1).map(|n| n as usize) else {
                break;
            };
            let next = self.records[number].what.load(Relaxed) as u32;
            let changed = (head >> 32).wrapping_add(1) << 32 | u64::from(next);
            match self
                .free
                .compare_exchange_weak(head, changed, AcqRel, Acquire)
            {
                Ok(_) => return Some(number),
                Err(now) => head = now,
            }
        }
        let more = |fresh: usize| (fresh < RECORDS).then_some(fresh + 1);
        self.fresh.fetch_update(Relaxed, Relaxed, more).ok()
    }

    fn give_record(&self, number: usize) {
        let mut head = self.free.load(Relaxed);
        loop {
            let record = &self.records[number].what;
            record.store(head & u64::from(u32::MAX), Relaxed);
            let changed = (head >> 32).wrapping_add(1) << 32 | (number as u64 + 1);
            match self
                .free
                .compare_exchange_weak(head, changed, Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Blocks in the table now.
    pub(super) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Calls `each` with every block. Those that come or go meanwhile may be
    /// in or not.
    pub(super) fn each(&self, mut each: impl FnMut(Block)) {
        for place in self.index.iter().flat_map(|bucket| &bucket.0) {
            let word = place.load(Acquire);
            if word == 0 {
                continue;
            }
            let block = self.block(number(word));
            // A record that went to another block was read in parts of both.
            if place.load(Acquire) == word {
                each(block);
            }
        }
    }
}

fn number(word: u64) -> usize {
    word as usize & ((1 << NUMBER_BITS) - 1)
}

/// Where the table is, and its bytes.
pub(super) fn table() -> (usize, usize) {
    (std::ptr::from_ref(&BLOCKS).addr(), size_of_val(&BLOCKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: usize) -> Block {
        Block {
            size,
            offset: 4080,
            weight: 2.5,
            site: 65_536,
            born_ms: 123_456_789,
        }
    }

    #[test]
    fn blocks_are_found_by_their_address_until_they_go() {
        static TABLE: Blocks = Blocks::new();
        for n in 1..=10_000 {
            assert!(TABLE.add(n * 4096, &block(n)));
        }
        assert!(!TABLE.add(4096 + 8, &block(1)));
        assert_eq!(TABLE.remove(4096 * 20_000), None);
        assert_eq!(TABLE.remove(8), None);
        for n in (1..=10_000).step_by(2) {
            assert_eq!(TABLE.remove(n * 4096), Some(block(n)));
            assert_eq!(TABLE.remove(n * 4096), None);
        }
        let mut sizes = Vec::new();
        TABLE.each(|block| sizes.push(block.size));
        sizes.sort_unstable();
        assert_eq!(sizes, (2..=10_000).step_by(2).collect::<Vec<_>>());
        assert_eq!(TABLE.live(), 5_000);
        assert_eq!(TABLE.fresh.load(Relaxed), 10_000);
    }

    #[test]
    fn a_full_table_refuses_and_forgets_nothing() {
        static TABLE: Blocks = Blocks::new();
        let kept: Vec<usize> = (1..=RECORDS + 5_000)
            .map(|n| n * 4096)
            .filter(|address| TABLE.add(*address, &block(7)))
            .collect();
        assert!(kept.len() > RECORDS * 9 / 10, "{}", kept.len());
        for address in &kept {
            assert_eq!(TABLE.remove(*address), Some(block(7)));
        }
        assert_eq!(TABLE.live(), 0);
        assert!(TABLE.add(4096, &block(1)), "records came back");
    }

    #[test]
    fn threads_share_it() {
        static TABLE: Blocks = Blocks::new();
        let threads: Vec<_> = (0..4usize)
            .map(|thread| {
                std::thread::spawn(move || {
                    for round in 0..200 {
                        let mine = |n: usize| ((round % 7) * 4_000 + n * 4 + thread + 1) * 4096;
                        (0..200).for_each(|n| assert!(TABLE.add(mine(n), &block(n))));
                        (0..200).for_each(|n| assert_eq!(TABLE.remove(mine(n)), Some(block(n))));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("every block is found");
        }
        assert_eq!(TABLE.live(), 0);
    }
}
