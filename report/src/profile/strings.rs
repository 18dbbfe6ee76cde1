//! The string table of a pprof file, both ways.

use std::collections::HashMap;

use crate::error::Error;

/// Gives each distinct string a number; the empty one is 0, as the format asks.
pub(super) struct StringTable<'a> {
    numbers: HashMap<&'a str, i64>,
    strings: Vec<String>,
}

impl<'a> StringTable<'a> {
    pub(super) fn new() -> Self {
        StringTable {
            numbers: HashMap::from([("", 0)]),
            strings: vec![String::new()],
        }
    }

    pub(super) fn number(&mut self, text: &'a str) -> i64 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.strings.push(text.to_owned());
            self.strings.len() as i64 - 1
        })
    }

    pub(super) fn into_strings(self) -> Vec<String> {
        self.strings
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
