//! A column of words, stored once each.
//!
//! `phase` repeats a handful of words over days, and `time` never repeats one.
//! Both fit: words lie end to end in one string, rows hold word numbers, and
//! only the first few distinct words are remembered for sharing.

use std::collections::HashMap;

/// Distinct words worth remembering. A column with more is not of labels.
const SHARED_WORDS: usize = 1024;

/// One text column of a [`Timeline`](super::Timeline). Row by row, a word or
/// nothing.
#[derive(Debug, Clone, Default)]
pub struct TextColumn {
    /// Word number of each row; 0 is the missing cell.
    rows: Vec<u32>,
    /// Where in `words` each word ends; word `n` (from 1) is at `n - 1`.
    ends: Vec<u32>,
    words: String,
    shared: HashMap<Box<str>, u32>,
}

impl TextColumn {
    pub(super) fn with_capacity(rows: usize) -> Self {
        TextColumn {
            rows: Vec::with_capacity(rows),
            ..TextColumn::default()
        }
    }

    pub(super) fn push(&mut self, word: &str) {
        let id = self.intern(word);
        self.rows.push(id);
    }

    /// Whether a word would have to be stored anew.
    pub(super) fn adds(&self, word: &str) -> bool {
        let last = self.rows.last().map(|last| *last as usize);
        !word.is_empty()
            && last.and_then(|last| self.word(last)) != Some(word)
            && !self.shared.contains_key(word)
    }

    /// Bytes of all words stored.
    pub(super) fn bytes(&self) -> usize {
        self.words.len()
    }

    /// Lets every second row go, and the words that only it had.
    pub(super) fn thin(&mut self) {
        let mut thinned = TextColumn::with_capacity(self.rows.capacity());
        for word in self.iter().step_by(2) {
            thinned.push(word.unwrap_or(""));
        }
        *self = thinned;
    }

    /// The word in a row; `None` where the cell is missing.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let id = *self.rows.get(row)? as usize;
        self.word(id)
    }

    /// The words of all rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.rows.iter().map(|id| self.word(*id as usize))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn clear_last(&mut self) {
        if let Some(last) = self.rows.last_mut() {
            *last = 0;
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    pub(super) fn reorder(&mut self, order: &[u32]) {
        self.rows = order.iter().map(|row| self.rows[*row as usize]).collect();
    }

    pub(super) fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.words.shrink_to_fit();
    }

    fn word(&self, id: usize) -> Option<&str> {
        let index = id.checked_sub(1)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends[before] as usize,
            None => 0,
        };
        self.words.get(start..self.ends[index] as usize)
    }

    fn intern(&mut self, word: &str) -> u32 {
        if word.is_empty() {
            return 0;
        }
        if let Some(&last) = self.rows.last()
            && self.word(last as usize) == Some(word)
        {
            return last;
        }
        if let Some(&id) = self.shared.get(word) {
            return id;
        }
        let Ok(end) = u32::try_from(self.words.len() + word.len()) else {
            // Four gigabytes of labels: what follows reads as missing.
            return 0;
        };
        self.words.push_str(word);
        self.ends.push(end);
        let id = self.ends.len() as u32;
        if self.shared.len() < SHARED_WORDS {
            self.shared.insert(word.into(), id);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stored_once_and_missing_stays_missing() {
        let mut column = TextColumn::default();
        for word in ["warmup", "warmup", "", "steady", "warmup"] {
            column.push(word);
        }
        let rows: Vec<_> = column.iter().collect();
        assert_eq!(
            rows,
            [
                Some("warmup"),
                Some("warmup"),
                None,
                Some("steady"),
                Some("warmup")
            ]
        );
        assert_eq!(column.words, "warmupsteady");
    }

    #[test]
    fn many_distinct_words_are_kept_without_being_remembered() {
        let mut column = TextColumn::default();
        for n in 0..5000 {
            column.push(&format!("t{n}"));
        }
        assert_eq!(column.get(4999), Some("t4999"));
        assert_eq!(column.shared.len(), SHARED_WORDS);
    }
}
