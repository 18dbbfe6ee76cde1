//! The string table of a pprof file that is written.

use hashbrown::HashMap;

/// Gives each distinct string a number; the empty one is 0, as the format asks.
pub(super) struct StringTable<'a> {
    numbers: HashMap<&'a str, i64>,
    strings: Vec<&'a str>,
}

impl<'a> StringTable<'a> {
    pub(super) fn new() -> Self {
        StringTable {
            numbers: HashMap::from([("", 0)]),
            strings: vec![""],
        }
    }

    pub(super) fn number(&mut self, text: &'a str) -> i64 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.strings.push(text);
            self.strings.len() as i64 - 1
        })
    }

    /// Every string, in the order of their numbers.
    pub(super) fn strings(&self) -> &[&'a str] {
        &self.strings
    }
}
