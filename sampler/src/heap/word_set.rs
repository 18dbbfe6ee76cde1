//! A bounded set of words that are added and never removed, without a lock.
//!
//! A word is its own key and all of its data: whoever finds it has read it
//! whole, so no order between memory accesses is needed, and a thread that is
//! stopped anywhere leaves nothing half done.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Places looked at for one word; when all are taken the set is full for it.
const PROBES: usize = 64;

/// Up to `N` words other than 0; `N` is a power of two.
pub(super) struct WordSet<const N: usize> {
    words: [AtomicU64; N],
    used: AtomicUsize,
}

impl<const N: usize> WordSet<N> {
    pub(super) const fn new() -> Self {
        assert!(N.is_power_of_two());
        WordSet {
            words: [const { AtomicU64::new(0) }; N],
            used: AtomicUsize::new(0),
        }
    }

    /// The word's number, below `N`; `None` when it is new and has no room.
    pub(super) fn find_or_add(&self, word: u64) -> Option<usize> {
        let mut at = hash(word) as usize;
        for _ in 0..PROBES {
            at &= N - 1;
            let place = &self.words[at];
            let there = match place.load(Relaxed) {
                0 => match place.compare_exchange(0, word, Relaxed, Relaxed) {
                    Ok(_) => {
                        self.used.fetch_add(1, Relaxed);
                        return Some(at);
                    }
                    Err(there) => there,
                },
                there => there,
            };
            if there == word {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The word of a number, 0 if it has none.
    pub(super) fn word(&self, number: usize) -> u64 {
        self.words.get(number).map_or(0, |word| word.load(Relaxed))
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

/// An odd multiplier loses nothing; the shifts bring the high bits down
/// (the finaliser of SplitMix64; Steele, Lea and Flood 2014).
pub(super) fn hash(word: u64) -> u64 {
    let mixed = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_number_and_a_full_set_says_so() {
        let set = Box::new(WordSet::<64>::new());
        let numbers: Vec<usize> = (1..=64)
            .map(|word| set.find_or_add(word * 977).expect("there is room"))
            .collect();
        assert_eq!(set.used(), 64);
        for (word, number) in (1..=64u64).zip(&numbers) {
            assert_eq!(set.find_or_add(word * 977), Some(*number));
            assert_eq!(set.word(*number), word * 977);
        }
        assert_eq!(set.find_or_add(5), None);
        assert_eq!(set.word(64), 0);
    }

    #[test]
    fn threads_that_add_the_same_words_agree_on_their_numbers() {
        static SET: WordSet<1024> = WordSet::new();
        let number = || (1..=500u64).map(|word| SET.find_or_add(word)).collect();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(number)).collect();
        let mine: Vec<Option<usize>> = number();
        for thread in threads {
            let theirs: Vec<Option<usize>> = thread.join().expect("no panic");
            assert_eq!(theirs, mine);
        }
        assert_eq!(SET.used(), 500);
    }
}
