//! Statements as templates: the same for all values.
//!
//! Literals and placeholders become `?`, lists of them one `?`, rows of
//! `VALUES` one row, runs of white space one space; comments go. Quoted names
//! stay as they are. This is a scan over characters, not a parser: it knows
//! what all dialects of SQL share, and what it does not know it leaves alone.

use std::hash::{DefaultHasher, Hash, Hasher};

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
    let mut scan = Scan {
        rest: sql,
        template: String::with_capacity(sql.len()),
        hasher: DefaultHasher::new(),
        literals: false,
        placeholders: false,
    };
    while scan.step() {}
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

struct Scan<'a> {
    rest: &'a str,
    template: String,
    hasher: DefaultHasher,
    literals: bool,
    placeholders: bool,
}

impl Scan<'_> {
    /// Takes one thing off the front; `false` at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let mut chars = rest.chars();
        let Some(first) = chars.next() else {
            return false;
        };
        let second = chars.next();
        let in_word = self
            .template
            .ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match (first, second) {
            (c, _) if c.is_whitespace() => {
                self.space();
                self.rest = rest.trim_start();
            }
            ('-', Some('-')) => self.skip(rest.find('\n').unwrap_or(rest.len())),
            ('/', Some('*')) => {
                self.skip(rest[2..].find("*/").map_or(rest.len(), |end| end + 4));
            }
            ('\'', _) => self.literal(quoted(rest, '\'')),
            ('"' | '`', _) => self.keep(quoted(rest, first)),
            ('$', _) if !in_word && dollar_quoted(rest).is_some() => {
                self.literal(dollar_quoted(rest).unwrap_or(1));
            }
            ('?', _) => self.placeholder(1 + word(&rest[1..])),
            ('$', Some(c)) if c.is_ascii_digit() => self.placeholder(1 + word(&rest[1..])),
            // `::` is a cast, not a parameter.
            (':', Some(':')) => self.keep(2),
            (':' | '@', Some(c)) if c.is_alphanumeric() || c == '_' => {
                self.placeholder(1 + word(&rest[1..]));
            }
            (c, _) if c.is_ascii_digit() && !in_word => self.literal(numeral(rest)),
            (c, _) if c.is_alphanumeric() || c == '_' => self.keep(word(rest)),
            (c, _) => self.keep(c.len_utf8()),
        }
        true
    }

    fn space(&mut self) {
        if !self.template.is_empty() && !self.template.ends_with(' ') {
            self.template.push(' ');
        }
    }

    /// Bytes that stand for nothing, like a space.
    fn skip(&mut self, bytes: usize) {
        self.space();
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.template.push_str(kept);
        self.rest = rest;
    }

    fn literal(&mut self, bytes: usize) {
        let (value, rest) = self.rest.split_at(bytes);
        value.hash(&mut self.hasher);
        self.literals = true;
        self.template.push('?');
        self.rest = rest;
    }

    fn placeholder(&mut self, bytes: usize) {
        self.placeholders = true;
        self.template.push('?');
        self.rest = &self.rest[bytes..];
    }
}

/// The length of the word at the front.
fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// The length of the number at the front, as `12`, `1.5e-3` or `0xFF`.
fn numeral(text: &str) -> usize {
    let mut length = 0;
    let mut before = ' ';
    for c in text.chars() {
        let exponent = matches!(before, 'e' | 'E') && !text.starts_with("0x");
        if !(c.is_ascii_alphanumeric() || c == '.' || (exponent && matches!(c, '+' | '-'))) {
            break;
        }
        length += c.len_utf8();
        before = c;
    }
    length
}

/// The length of what is quoted at the front; a quote is doubled inside.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of PostgreSQL's `$tag$…$tag$` at the front.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = text[1..].find('$')? + 2;
    let tag = &text[..tag_end];
    let named = tag[1..tag_end - 1]
        .chars()
        .all(|c| c.is_alphabetic() || c == '_');
    if !named {
        return None;
    }
    Some(text[tag_end..].find(tag)? + 2 * tag_end)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn template(sql: &str) -> String {
        normal(sql).template
    }

    #[test]
    fn values_become_question_marks() {
        for (sql, wanted) in [
            ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE a = ?"),
            ("select 'it''s', -1.5e-3, 0xFF", "select ?, -?"),
            (
                "SELECT a1 FROM t2\n\t WHERE  b_3='x' -- no\n;",
                "SELECT a1 FROM t2 WHERE b_3=?",
            ),
            (
                "SELECT /* here */ \"col 1\", `c'2` FROM t",
                "SELECT \"col 1\", `c'2` FROM t",
            ),
            ("WHERE a IN (1, 2,3 , ?4)", "WHERE a IN (?)"),
            (
                "WHERE a = $1 AND b = :name AND c = @p AND d = ?",
                "WHERE a = ? AND b = ? AND c = ? AND d = ?",
            ),
            (
                "INSERT INTO t VALUES (1,2), (3,4),(5,6)",
                "INSERT INTO t VALUES (?)",
            ),
            ("SELECT x::int, $$a 'b' 1$$, $q$z$q$", "SELECT x::int, ?"),
            ("", ""),
            ("'never ends", "?"),
            ("SELECT 'ünï', 名前 FROM t", "SELECT ?, 名前 FROM t"),
        ] {
            assert_eq!(template(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn values_are_told_apart_where_they_are_known() {
        let values = |sql| normal(sql).values;
        assert_eq!(values("SELECT 1"), values("SELECT  1"));
        assert_ne!(values("SELECT 1"), values("SELECT 2"));
        assert_eq!(values("SELECT ?"), None);
        assert_eq!(values("SELECT a FROM t WHERE b = 1 AND c = $1"), None);
        assert_eq!(values("SELECT a FROM t"), None);
    }

    #[test]
    fn any_text_has_a_template() {
        let mut random = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..random % 40 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let all = "'\"`$?:@-/*()0e.x ,;\nü名_";
                text.extend(
                    all.chars()
                        .nth((random >> 33) as usize % all.chars().count()),
                );
            }
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let once = template(&text);
            assert!(once.len() <= text.len() + 1, "{text:?} {once:?}");
        }
    }

    #[test]
    fn reads_are_told_from_writes() {
        for sql in ["SELECT 1", "(select 1)", "WITH a AS (SELECT ?) SELECT"] {
            assert!(reads(sql), "{sql}");
        }
        for sql in ["INSERT INTO t SELECT", "UPDATE t", "BEGIN", ""] {
            assert!(!reads(sql), "{sql}");
        }
    }
}
