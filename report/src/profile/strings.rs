//! The string table of a pprof file, both ways.

use hashbrown::HashMap;

use crate::error::Error;

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

/// Looks a string up that a message refers to.
pub(super) fn string(table: &[String], number: i64) -> Result<&str, Error> {
    if number == 0 {
        return Ok("");
    }
    usize::try_from(number)
        .ok()
        .and_then(|index| table.get(index))
        .map(String::as_str)
        .ok_or_else(|| Error::Profile(format!("string {number} is not in its table")))
}
