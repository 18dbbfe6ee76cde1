//! Rules by program counter, shared by all threads without a lock.
//!
//! An entry is two words: the rule, and the scrambled key XORed with the rule.
//! Writers store both without coordination. A reader that meets halves of two
//! different writes computes a key that is not the one it looks for (short of a
//! coincidence of 64 bits) and takes it for a miss. That is why `Relaxed`
//! suffices: no order between the two words is needed to distinguish them.
//!
//! Keys carry the generation of the module table, so that loading or unloading
//! a library empties the cache by itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A power of two: 4,096 entries of 16 bytes.
const ENTRIES: usize = 4096;

pub(crate) struct RuleCache {
    entries: [Entry; ENTRIES],
}

struct Entry {
    check: AtomicU64,
    rule: AtomicU64,
}

/// What a rule is looked up by.
#[derive(Clone, Copy)]
pub(crate) struct Key(u64);

impl Key {
    #[inline]
    pub(crate) fn new(pc: u64, generation: u16) -> Key {
        // An odd multiplier loses nothing; the high half stirs the low.
        let mixed = (pc ^ u64::from(generation) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Key(mixed ^ (mixed >> 32))
    }

    #[inline]
    fn slot(self) -> usize {
        self.0 as usize % ENTRIES
    }
}

impl RuleCache {
    pub(crate) const fn new() -> Self {
        RuleCache {
            entries: [const {
                Entry {
                    check: AtomicU64::new(0),
                    rule: AtomicU64::new(0),
                }
            }; ENTRIES],
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<u64> {
        let entry = &self.entries[key.slot()];
        let rule = entry.rule.load(Relaxed);
        (rule != 0 && entry.check.load(Relaxed) ^ rule == key.0).then_some(rule)
    }

    pub(crate) fn put(&self, key: Key, rule: u64) {
        let entry = &self.entries[key.slot()];
        entry.rule.store(rule, Relaxed);
        entry.check.store(key.0 ^ rule, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_under_its_own_key_only() {
        let cache = Box::new(RuleCache::new());
        cache.put(Key::new(0x1000, 1), 42);
        assert_eq!(cache.get(Key::new(0x1000, 1)), Some(42));
        assert_eq!(cache.get(Key::new(0x1000, 2)), None);
        assert_eq!(cache.get(Key::new(0x1001, 1)), None);
    }

    #[test]
    fn halves_of_two_writes_are_a_miss() {
        let cache = Box::new(RuleCache::new());
        let (one, other) = (Key::new(0x1000, 1), Key::new(0x2000, 1));
        cache.put(one, 42);
        cache.entries[one.slot()].rule.store(43, Relaxed);
        assert_eq!(cache.get(one), None);
        assert_eq!(cache.get(other), None);
    }
}
