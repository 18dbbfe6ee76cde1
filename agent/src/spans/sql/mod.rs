//! Statements as templates: the same for all values.
//!
//! Literals and placeholders become `?`, lists of them one `?`, rows of
//! `VALUES` one row, runs of white space one space; comments go. This is a scan
//! over characters, not a parser, and it does not know whose dialect it reads.
//! So it holds to one rule: **no value is left in the template in any dialect**.
//! Where dialects disagree about where a literal ends, and a wrong guess would
//! leave some of it, all the rest of the statement becomes one `?`:
//!
//! - a backslash before a closing quote, which MySQL takes as one that goes on
//!   and standard SQL as the end (with a prefix, as `E'…'` and `q'[…]'`, it is
//!   known);
//! - a comment in a comment, which PostgreSQL nests and MySQL does not, and
//!   MySQL's executable comments with a quote in them;
//! - a `#` or a `--` without a space that is a comment to one and an operator to
//!   another, where something quoted goes on behind its line;
//! - whatever is quoted and never ends.
//!
//! `"…"` is a name in standard SQL and a value in MySQL. It is kept where it
//! can only be a name: beside a dot, or anywhere but after a comparison in a
//! statement that shows that it quotes names so (`FROM "t"`, `"t"."c"`, `$1`).
//! Otherwise it becomes `?`. What this leaves is SQLite's habit of taking a
//! quoted name that it does not know for a value, in a statement that quotes
//! its tables, where nothing is compared.

mod quotes;
mod scan;
#[cfg(test)]
mod tests;

use std::hash::Hasher;

use self::scan::scanned;

/// A statement without its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normal {
    pub(crate) template: String,
    /// A hash of the literals; `None` where there are none, or where
    /// placeholders hide the values.
    pub(crate) values: Option<u64>,
}

/// Takes the values out of a statement.
pub(crate) fn normal(sql: &str) -> Normal {
    // Whether the statement quotes names with `"` is known at its end only.
    let first = scanned(sql, false);
    let scan = match first.quotes_names && first.quoted {
        true => scanned(sql, true),
        false => first,
    };
    let known = scan.literals && !scan.placeholders;
    Normal {
        values: known.then(|| scan.hasher.finish()),
        template: collapsed(scan.template.trim().trim_end_matches(';').trim_end()),
    }
}

/// Whether a statement only reads.
pub(crate) fn reads(template: &str) -> bool {
    let first = template.split([' ', '(']).find(|word| !word.is_empty());
    first.is_some_and(|word| {
        ["select", "with", "show", "values"]
            .iter()
            .any(|read| word.eq_ignore_ascii_case(read))
    })
}

/// Makes one of lists: `(?, ?, ?)` is `(?)`, and so are many of these in a row.
fn collapsed(template: &str) -> String {
    let mut text = template
        .replace(" ,", ",")
        .replace("( ", "(")
        .replace(" )", ")");
    for (many, one) in [
        ("?, ?", "?"),
        ("?,?", "?"),
        ("(?), (?)", "(?)"),
        ("(?),(?)", "(?)"),
    ] {
        while text.contains(many) {
            text = text.replace(many, one);
        }
    }
    text
}
