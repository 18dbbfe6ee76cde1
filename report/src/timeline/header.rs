//! The line that names the columns.

use super::dates;
use super::filling::{float, text};
use crate::error::Error;
use crate::names::unguarded;
use crate::records::Row;

/// The names of the columns; an error where the line holds numbers or a time
/// instead.
pub(super) fn read(row: Row<'_>) -> Result<Vec<String>, Error> {
    let is_time = |cell: &str| dates::parse(cell).is_some_and(|stamp| stamp.time.is_some());
    let first = row.get(0).unwrap_or_default();
    if float(first).is_some() || text(first).is_some_and(is_time) {
        return Err(no_header(
            "numbers where the columns' names should be; \
             add a header such as elapsed_min,rss_mb",
        ));
    }
    Ok(names(row))
}

/// The names that a row's cells make.
pub(super) fn names(row: Row<'_>) -> Vec<String> {
    unique(row.iter().map(|cell| {
        let cell = String::from_utf8_lossy(cell);
        unguarded(&cell).to_owned()
    }))
}

/// Names of which each is its own: the second `rss_mb` is `rss_mb (2)`, one
/// without a name is called by its place.
pub(super) fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut taken = std::collections::HashMap::<String, usize>::new();
    for (index, name) in names.enumerate() {
        let name = if name.is_empty() {
            format!("column_{}", index + 1)
        } else {
            name
        };
        let mut one = name.clone();
        while taken.contains_key(&one) {
            let count = taken.entry(name.clone()).or_insert(1);
            *count += 1;
            one = format!("{name} ({count})");
        }
        taken.insert(one.clone(), 1);
        all.push(one);
    }
    all
}

/// Whether a row is a header like the file's first: no number, and most cells
/// are names of columns.
pub(super) fn is_again(row: Row<'_>, columns: &[String]) -> bool {
    let known = |cell: &[u8]| columns.iter().any(|name| name.as_bytes() == cell);
    let (mut cells, mut names) = (0, 0);
    for cell in row.iter().take(100) {
        if float(cell).is_some() {
            return false;
        }
        cells += usize::from(text(cell).is_some());
        names += usize::from(known(cell));
    }
    names > 0 && names * 2 >= cells
}

pub(super) fn no_header(problem: &str) -> Error {
    Error::Csv {
        line: 1,
        problem: problem.to_owned(),
    }
}
