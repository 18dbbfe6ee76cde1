//! A bounded map that keeps its entries in the order they came: sixteen bytes
//! of key and value cost sixteen bytes and an index of eight.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// Multiply and rotate: keys are addresses and ids, not chosen by an enemy.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Marks a free place of the index.
const FREE: u32 = u32::MAX;

pub(crate) struct Indexed<K, V> {
    entries: Vec<(K, V)>,
    /// Open addressing, linear probing, at most half full.
    index: Vec<u32>,
    limit: usize,
}

impl<K: Copy + Eq + Hash, V> Indexed<K, V> {
    /// An empty map that holds `limit` entries at most.
    pub(crate) fn new(limit: usize) -> Self {
        Indexed {
            entries: Vec::new(),
            index: Vec::new(),
            limit,
        }
    }

    fn place(&self, key: &K) -> usize {
        let mask = self.index.len() - 1;
        let hash = BuildHasherDefault::<Mix>::default().hash_one(key);
        let mut place = (hash >> 7) as usize & mask;
        loop {
            match self.index[place] {
                FREE => return place,
                entry if self.entries[entry as usize].0 == *key => return place,
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// The entry's number, after adding it with `fresh` if it is new; `None`
    /// when it is new and the map is full.
    pub(crate) fn find_or_add(&mut self, key: K, fresh: impl FnOnce() -> V) -> Option<usize> {
        if (self.entries.len() + 1) * 2 > self.index.len() {
            self.grow();
        }
        let place = self.place(&key);
        if self.index[place] != FREE {
            return Some(self.index[place] as usize);
        }
        if self.entries.len() >= self.limit {
            return None;
        }
        let number = self.entries.len();
        self.index[place] = number as u32;
        self.entries.push((key, fresh()));
        Some(number)
    }

    fn grow(&mut self) {
        let size = (self.index.len() * 2).max(256);
        self.index.clear();
        self.index.resize(size, FREE);
        for number in 0..self.entries.len() {
            let key = self.entries[number].0;
            let place = self.place(&key);
            self.index[place] = number as u32;
        }
    }

    pub(crate) fn entry(&mut self, number: usize) -> &mut (K, V) {
        &mut self.entries[number]
    }

    pub(crate) fn entries(&self) -> &[(K, V)] {
        &self.entries
    }

    /// Empties the map and gives back memory that it has not needed lately.
    pub(crate) fn clear(&mut self) {
        let used = self.entries.len();
        self.entries.clear();
        self.entries.shrink_to(used);
        if self.index.len() > used * 8 {
            self.index = Vec::new();
        } else {
            self.index.fill(FREE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_again_and_the_limit_holds() {
        let mut map = Indexed::new(1000);
        for key in 0..1000u64 {
            assert_eq!(map.find_or_add(key * 4096, || key), Some(key as usize));
        }
        assert_eq!(map.find_or_add(1, || 1), None);
        for key in 0..1000u64 {
            assert_eq!(map.find_or_add(key * 4096, || 0), Some(key as usize));
            assert_eq!(map.entry(key as usize).1, key);
        }
        map.clear();
        assert!(map.entries().is_empty());
        assert_eq!(map.find_or_add(1, || 1), Some(0));
    }
}
