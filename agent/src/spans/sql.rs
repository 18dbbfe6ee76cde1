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

fn scanned(sql: &str, names: bool) -> Scan<'_> {
    let mut scan = Scan {
        rest: sql,
        names,
        template: String::with_capacity(sql.len()),
        hasher: DefaultHasher::new(),
        literals: false,
        placeholders: false,
        quoted: false,
        quotes_names: false,
        before: Before::Start,
        parens: vec![Paren::Other],
        between: false,
        values_at: None,
    };
    while scan.step() {}
    scan
}

struct Scan<'a> {
    rest: &'a str,
    /// Whether `"` is known to quote names.
    names: bool,
    template: String,
    hasher: DefaultHasher,
    literals: bool,
    placeholders: bool,
    /// Whether anything in `"` was met.
    quoted: bool,
    /// Whether the statement shows that it quotes names with `"`.
    quotes_names: bool,
    before: Before,
    /// The statement itself, and the parentheses that are open in it.
    parens: Vec<Paren>,
    /// Whether the next `AND` has a value behind it.
    between: bool,
    /// The depth at which `VALUES` has its rows.
    values_at: Option<usize>,
}

/// What is in a pair of parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paren {
    /// A statement, by its first word.
    Statement,
    /// Values, one after the other.
    List,
    Other,
}

/// What stands before, as far as it says what a `"…"` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, or an opening parenthesis.
    Start,
    Dot,
    /// An operator, or a word behind which values stand.
    Compares,
    /// `FROM` and its like.
    Table,
    /// `DISTINCT`, which makes a comparison of `FROM`.
    Distinct,
    Other,
}

/// Words that a statement begins with in which `FROM` and its like stand before
/// a table. (MySQL prepares from a text: `PREPARE s FROM "…"`.)
const STATEMENTS: [&str; 12] = [
    "select", "with", "insert", "update", "delete", "merge", "replace", "create", "alter", "drop",
    "truncate", "explain",
];
/// Words behind which a table stands.
const TABLES: [&str; 5] = ["from", "join", "into", "update", "table"];
/// Words behind which a value may stand that is compared or stored.
const COMPARE: [&str; 16] = [
    "like", "ilike", "rlike", "regexp", "glob", "match", "similar", "between", "in", "is", "to",
    "escape", "then", "else", "limit", "offset",
];

impl Scan<'_> {
    /// Takes one thing off the front; `false` at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let mut chars = rest.chars();
        let Some(first) = chars.next() else {
            return false;
        };
        let second = chars.next();
        let in_word = self.template.ends_with(is_in_word);
        match (first, second) {
            (c, _) if c.is_whitespace() => {
                self.space();
                self.rest = rest.trim_start();
            }
            ('-', Some('-')) => self.line_comment(2),
            ('#', _) => self.hash(),
            ('/', Some('*')) => self.block_comment(),
            ('\'', _) => self.string(),
            ('"', _) => self.double_quoted(),
            ('`', _) => match quoted(rest, '`').filter(|end| is_certain(&rest[..*end])) {
                Some(length) => self.keep(length, Before::Other),
                None => self.give_up(),
            },
            ('[', _) => self.bracket(),
            ('$', _) if !in_word && tag(rest).is_some() => match dollar_quoted(rest) {
                Some(length) => self.literal(length),
                None => self.give_up(),
            },
            ('?', _) => self.placeholder(1 + word(&rest[1..])),
            ('$', Some(c)) if !in_word && c.is_ascii_digit() => {
                // PostgreSQL's, where `"` quotes names.
                self.quotes_names = true;
                self.placeholder(1 + word(&rest[1..]));
            }
            // `::` is a cast, not a parameter.
            (':', Some(':')) => self.keep(2, Before::Other),
            (':' | '@', Some(c)) if is_in_word(c) => self.placeholder(1 + word(&rest[1..])),
            (c, _) if c.is_ascii_digit() && !in_word => self.literal(numeral(rest)),
            (c, _) if is_in_word(c) => self.word(),
            ('(', _) => self.open(),
            (')', _) => {
                if self.parens.len() > 1 {
                    self.parens.pop();
                }
                self.keep(1, Before::Other);
            }
            (',', _) if self.inner() == Paren::List => self.keep(1, Before::Compares),
            ('.', _) => self.keep(1, Before::Dot),
            ('=' | '<' | '>' | '~' | '!' | '|' | '+' | '-' | '/' | '%' | '&' | '^', _) => {
                self.keep(1, Before::Compares);
            }
            (c, _) => self.keep(c.len_utf8(), Before::Other),
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

    fn keep(&mut self, bytes: usize, before: Before) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.template.push_str(kept);
        self.rest = rest;
        self.before = before;
    }

    fn literal(&mut self, bytes: usize) {
        let (value, rest) = self.rest.split_at(bytes);
        value.hash(&mut self.hasher);
        self.literals = true;
        self.template.push('?');
        self.rest = rest;
        self.before = Before::Other;
    }

    fn placeholder(&mut self, bytes: usize) {
        self.placeholders = true;
        self.template.push('?');
        self.rest = &self.rest[bytes..];
        self.before = Before::Other;
    }

    /// All that is left may hold a value: it is one.
    fn give_up(&mut self) {
        self.literal(self.rest.len());
    }

    fn word(&mut self) {
        let length = self.rest.find(|c| !(is_in_word(c) || c == '$'));
        let length = length.unwrap_or(self.rest.len());
        let is = |words: &[&str]| {
            let word = &self.rest[..length];
            words.iter().any(|known| word.eq_ignore_ascii_case(known))
        };
        // `IN (SELECT …)` begins like a list.
        let begins = self.template.trim_end().is_empty() || self.template.trim_end().ends_with('(');
        if begins
            && is(&STATEMENTS)
            && let Some(inner) = self.parens.last_mut()
        {
            *inner = Paren::Statement;
        }
        let depth = self.parens.len();
        let before = if is(&["from"])
            && (self.before == Before::Distinct || self.inner() != Paren::Statement)
        {
            // As in `IS DISTINCT FROM` and `trim(both FROM …)`.
            Before::Compares
        } else if is(&TABLES) {
            Before::Table
        } else if is(&["distinct"]) {
            Before::Distinct
        } else if is(&["values"]) || is(&COMPARE) || (is(&["and"]) && self.between) {
            Before::Compares
        } else {
            Before::Other
        };
        self.between = is(&["between"]) || (self.between && !is(&["and"]));
        if is(&["values"]) {
            self.values_at = Some(depth);
        } else if self.values_at == Some(depth) {
            // `ON CONFLICT`, `RETURNING` and the like end the rows.
            self.values_at = None;
        }
        self.keep(length, before);
    }

    fn inner(&self) -> Paren {
        self.parens.last().copied().unwrap_or(Paren::Other)
    }

    fn open(&mut self) {
        // `(a = "b")` begins like `("a")`, and `IN ("a")` has values.
        let row = self.values_at == Some(self.parens.len());
        let (inner, before) = match row || self.before == Before::Compares {
            true => (Paren::List, Before::Compares),
            false => (Paren::Other, Before::Start),
        };
        self.parens.push(inner);
        self.keep(1, before);
    }

    /// What is in `'`, with whatever prefix stands before it.
    fn string(&mut self) {
        let prefix = self.template.rsplit(|c| !is_in_word(c)).next();
        let prefix = prefix.unwrap_or("").to_ascii_lowercase();
        let end = match prefix.as_str() {
            "e" => escaped(self.rest),
            "q" | "nq" => bracketed(self.rest),
            _ => quoted(self.rest, '\'').filter(|end| is_certain(&self.rest[..*end])),
        };
        match end {
            Some(end) => self.literal(end),
            None => self.give_up(),
        }
    }

    fn double_quoted(&mut self) {
        self.quoted = true;
        let end = quoted(self.rest, '"').filter(|end| is_certain(&self.rest[..*end]));
        let Some(end) = end else {
            return self.give_up();
        };
        let dotted = self.before == Before::Dot || self.rest[end..].trim_start().starts_with('.');
        if dotted || self.before == Before::Table {
            self.quotes_names = true;
            // Only where it can be nothing else.
            self.keep(end, Before::Other);
        } else if self.names && self.before != Before::Compares {
            self.keep(end, Before::Other);
        } else {
            self.literal(end);
        }
    }

    /// A name in SQL Server's brackets, or a list or an index: kept as it
    /// comes, unless a quote in it is one to some and none to others.
    fn bracket(&mut self) {
        // A bracket is doubled inside.
        let inner = self.rest.replace("]]", "--");
        let inner = inner.split(']').next().unwrap_or("");
        let odd = |quote| !inner.matches(quote).count().is_multiple_of(2);
        match odd('\'') || odd('"') || odd('`') {
            true => self.give_up(),
            false => self.keep(1, Before::Other),
        }
    }

    /// `# …` is a comment to MySQL. `#>> '{a}'` is PostgreSQL's way into JSON,
    /// which no comment begins like.
    fn hash(&mut self) {
        let operator = ["#>>", "#>", "#-"].into_iter().find(|operator| {
            let operand = self.rest.strip_prefix(operator).map(str::trim_start);
            let mut operand = operand.unwrap_or("").chars();
            match operand.next() {
                Some('\'') => true,
                Some('$') => operand.next().is_some_and(|c| c.is_ascii_digit()),
                _ => false,
            }
        });
        match operator {
            Some(operator) => self.keep(operator.len(), Before::Compares),
            None => self.line_comment(1),
        }
    }

    /// A comment to the end of its line. Where to others it is none, something
    /// quoted may begin in it that goes on behind it.
    fn line_comment(&mut self, mark: usize) {
        let line = self.rest.split_inclusive('\n').next().unwrap_or("");
        let certain = mark == 2 && self.rest[2..].starts_with(char::is_whitespace);
        let open = ["'", "\"", "`", "$", "/*", "["];
        let last = line.len() == self.rest.len();
        if !certain && !last && open.iter().any(|open| line[mark..].contains(open)) {
            return self.give_up();
        }
        self.skip(line.len());
    }

    fn block_comment(&mut self) {
        let Some(end) = self.rest[2..].find("*/") else {
            return self.skip(self.rest.len());
        };
        let inner = &self.rest[2..end + 2];
        let runs = inner.starts_with('!') || inner.starts_with("M!");
        if inner.contains("/*") || (runs && inner.contains(['\'', '"', '`'])) {
            return self.give_up();
        }
        self.skip(end + 4);
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the word at the front.
fn word(text: &str) -> usize {
    text.find(|c: char| !is_in_word(c)).unwrap_or(text.len())
}

/// The length of the number at the front, as `12`, `1_000`, `1.5e-3` or `0xFF`.
fn numeral(text: &str) -> usize {
    let mut length = 0;
    let mut before = ' ';
    for c in text.chars() {
        let exponent = matches!(before, 'e' | 'E') && !text.starts_with("0x");
        let digits = c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        if !(digits || (exponent && matches!(c, '+' | '-'))) {
            break;
        }
        length += c.len_utf8();
        before = c;
    }
    length
}

/// The length of what is quoted at the front, a quote being doubled inside;
/// `None` where it never ends.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Whether all dialects agree where this ends: no quote in it comes after a
/// backslash, and it is not in three quotes on one side only.
fn is_certain(quoted: &str) -> bool {
    let quote = &quoted[..1];
    let escaped = |(at, _): (usize, &str)| {
        let before = &quoted[..at];
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        backslashes % 2 == 1
    };
    let inner = 1..quoted.len();
    let mut quotes = quoted
        .match_indices(quote)
        .filter(|(at, _)| inner.contains(at));
    let three = quote.repeat(3);
    let tripled = quoted.starts_with(&three);
    !quotes.any(escaped) && (!tripled || (quoted.len() >= 6 && quoted.ends_with(&three)))
}

/// The length of what is quoted at the front where a backslash escapes.
fn escaped(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            '\'' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of Oracle's `'[…]'` at the front.
fn bracketed(text: &str) -> Option<usize> {
    let open = text[1..].chars().next()?;
    let close = match open {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let from = 1 + open.len_utf8();
    let end = format!("{close}'");
    Some(from + text[from..].find(&end)? + end.len())
}

/// PostgreSQL's `$tag$` at the front.
fn tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let name = &text[1..end];
    let good = name.chars().all(is_in_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| &text[..=end])
}

/// The length of `$tag$…$tag$` at the front; `None` where it never ends.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = tag(text)?;
    Some(text[tag.len()..].find(tag)? + 2 * tag.len())
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
                "SELECT /* here */ `c'2`, `a``b` FROM t",
                "SELECT `c'2`, `a``b` FROM t",
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
    fn what_is_quoted_twice_over_is_a_name_where_it_can_be_nothing_else() {
        for (sql, wanted) in [
            // MySQL's and SQLite's values.
            (
                "SELECT a FROM t WHERE b = \"x\" AND c IN (\"y\", \"z\")",
                "SELECT a FROM t WHERE b = ? AND c IN (?)",
            ),
            ("INSERT INTO t VALUES (\"x\")", "INSERT INTO t VALUES (?)"),
            (
                "SELECT trim(leading \"x\" FROM \"y\") FROM t",
                "SELECT trim(leading ? FROM ?) FROM t",
            ),
            ("PREPARE s FROM \"SELECT 'x'\"", "PREPARE s FROM ?"),
            // What sea-orm, diesel and sqlx's users write for PostgreSQL.
            (
                "SELECT \"a\".\"b\", \"c\" FROM \"a\" WHERE \"a\".\"b\" = $1 AND \"c\" = $2",
                "SELECT \"a\".\"b\", \"c\" FROM \"a\" WHERE \"a\".\"b\" = ? AND \"c\" = ?",
            ),
            (
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES ($1, $2) RETURNING \"id\"",
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?) RETURNING \"id\"",
            ),
            (
                "SELECT \"a\" FROM t WHERE \"a\" IN (SELECT \"b\" FROM \"u\" LIMIT $1)",
                "SELECT \"a\" FROM t WHERE \"a\" IN (SELECT \"b\" FROM \"u\" LIMIT ?)",
            ),
            // SQLite's, where tables are quoted and so are values.
            (
                "SELECT \"a\" FROM \"t\" WHERE \"a\" = \"x\" OR \"b\" BETWEEN \"y\" AND \"z\"",
                "SELECT \"a\" FROM \"t\" WHERE \"a\" = ? OR \"b\" BETWEEN ? AND ?",
            ),
            (
                "INSERT INTO \"t\" VALUES (\"x\", \"y\"), (\"z\", \"x\")",
                "INSERT INTO \"t\" VALUES (?)",
            ),
        ] {
            assert_eq!(template(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn where_dialects_disagree_the_rest_is_one_value() {
        for (sql, wanted) in [
            ("SELECT 'it\\'s' AND b = 'c'", "SELECT ?"),
            ("SELECT E'it\\'s' AND b = 'c'", "SELECT E? AND b = ?"),
            ("SELECT q'[it's]' AND b = 'c'", "SELECT q? AND b = ?"),
            ("SELECT 'c:\\dir' AND b = 'c'", "SELECT ? AND b = ?"),
            ("SELECT a # it\n AND b = 'c'", "SELECT a AND b = ?"),
            ("SELECT a # it's\n AND b = 'c'", "SELECT a ?"),
            ("SELECT a -- it's\n AND b = 'c'", "SELECT a AND b = ?"),
            ("SELECT a #>> '{b}' = $1", "SELECT a #>> ? = ?"),
            ("SELECT /* a /* b */ c */ d", "SELECT ?"),
            ("SELECT $a1$it's$a1$, $1, $b$never", "SELECT ?"),
            ("SELECT \"never ends", "SELECT ?"),
            ("SELECT `never ends", "SELECT ?"),
            ("SELECT 1_000_000, a$b$c FROM t", "SELECT ?, a$b$c FROM t"),
        ] {
            assert_eq!(template(sql), wanted, "{sql}");
        }
    }

    /// A source of numbers; the same each time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % end
        }

        fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
            all[self.below(all.len())]
        }

        /// A word that no statement has.
        fn secret(&mut self) -> String {
            let letters = (0..10).map(|_| char::from(b'a' + self.below(26) as u8));
            format!("zq{}", letters.collect::<String>())
        }
    }

    /// Values and comments as a dialect writes them: `1` and `2` stand for
    /// secrets, `0` for a secret number.
    const DIALECTS: [(&str, &[&str], &[&str]); 5] = [
        (
            "PostgreSQL",
            &[
                "'1'",
                "'1''2'",
                "'1\\'",
                "'1\\\\'",
                "'1\"2'",
                "E'1\\'2'",
                "e'1''2\\\\'",
                "E'\\\\\\'1'",
                "$$1'2$$",
                "$t1$1$$2$t1$",
                "$_ü$1\"$t$2$_ü$",
                "N'1'",
                "U&'1\\00412'",
                "B'1'",
                "'1' 'x'",
                "0",
                "0.5",
                ".0",
                "0e5",
                "1_0",
                "-0",
                "'1\n2'",
                "'[1'",
                "ARRAY['1', '2]']",
                "'#1'",
                "'--1'",
                "'/*1'",
                "'1'::text",
                "('{\"1\":2}'::json #>> '{1}')",
            ],
            &["-- 1 '2\n", "/* 1 /* '2 */ 1 */", "/* 1 ' \" 2 */", "--1\n"],
        ),
        (
            "MySQL",
            &[
                "'1'",
                "'1\\'2'",
                "\"1\\\"2\"",
                "\"1'2\"",
                "'1\"2'",
                "\"1\"\"2\"",
                "'1''2'",
                "'\\\\'",
                "\"1\\\\\"",
                "_utf8mb4'1'",
                "_binary\"1\"",
                "0",
                "0.5",
                "0x0",
                "\" FROM 1\"",
                "\".1\"",
                "\"1\" \"2\"",
                "\"#1\"",
                "\"$1$ 2\"",
                "\"1\\\" FROM \"",
                "5 --'1'\n",
            ],
            &[
                "# 1\n",
                "# 1 '2\n",
                "#1 \"2\n",
                "-- 1 '2\n",
                "/* 1 ' 2 */",
                "/*! '1*/2' */",
                "# $1$ 2\n",
                "#>1\n",
            ],
        ),
        (
            "SQLite",
            &[
                "'1'", "'1''2'", "\"1\"", "X'1'", "0", "\"1'2\"", "'1\\'", "\"1\\\"", "'1\"2'",
            ],
            &["-- 1 '2\n", "/* 1 ' 2 */"],
        ),
        (
            "Oracle",
            &[
                "'1'",
                "'1''2'",
                "q'[1'2]'",
                "Q'!1'2!'",
                "nq'{1''2}'",
                "q'(1\\'2)'",
                "N'1'",
                "0",
            ],
            &["-- 1 '2\n", "/* 1 ' 2 */"],
        ),
        (
            "SQL Server",
            &[
                "'1'",
                "N'1''2'",
                "'1\\'",
                "[it's] + '1'",
                "[a]]'b] + '1'",
                "[\"] + '1\"2'",
                "0",
                "0x0",
            ],
            &["-- 1 '2\n", "/* 1 /* 2 */ '1 */", "/* 1 ' 2 */"],
        ),
    ];

    /// Statements with places for values (`{}`) and for comments (`~`).
    const STATEMENTS: [&str; 10] = [
        "SELECT a ~ FROM t WHERE b = {} AND c <> {} ~",
        "INSERT INTO t (a, b) ~ VALUES ({}, {}), ({},{})",
        "UPDATE t SET a = {} ~ WHERE b IN ({}, {} ~, {}) AND c LIKE {}",
        "SELECT {}, f({}, {}) ~ FROM t",
        "SELECT a FROM t WHERE b BETWEEN {} AND {} ~ LIMIT 5",
        "CALL p({}, ~ {})",
        "SELECT CASE WHEN a = {} THEN {} ELSE {} END ~ FROM t",
        "SELECT trim(both {} from {}) ~ FROM t",
        "SELECT a FROM t WHERE b = (SELECT c FROM u ~ WHERE d > {}) AND e IS DISTINCT FROM {}",
        "{}",
    ];

    #[test]
    fn no_value_is_left_in_any_dialect() {
        let mut random = Random(11);
        for round in 0..60_000 {
            let (dialect, values, comments) = DIALECTS[round % DIALECTS.len()];
            let mut secrets = Vec::new();
            let mut fill = |random: &mut Random, text: &str| {
                let mut filled = String::new();
                for c in text.chars() {
                    match c {
                        '1' | '2' => {
                            let secret = random.secret();
                            filled.push_str(&secret);
                            secrets.push(secret);
                        }
                        '0' => {
                            let secret = format!("9{:08}", random.below(100_000_000));
                            filled.push_str(&secret);
                            secrets.push(secret);
                        }
                        c => filled.push(c),
                    }
                }
                filled
            };
            let mut sql = String::new();
            let mut rest = random.of(&STATEMENTS);
            while let Some(at) = rest.find(['{', '~']) {
                sql.push_str(&rest[..at]);
                if rest[at..].starts_with('{') {
                    let value = random.of(values);
                    // A tag has to be the same at both ends, and is no secret.
                    let value = match value.contains("t1$") {
                        true => value.replace("t1$", "t\u{1}$"),
                        false => value.to_owned(),
                    };
                    sql.push_str(&fill(&mut random, &value).replace('\u{1}', "1"));
                    rest = &rest[at + 2..];
                } else {
                    if random.below(4) == 0 {
                        let comment = random.of(comments);
                        sql.push_str(&fill(&mut random, comment));
                    }
                    rest = &rest[at + 1..];
                }
            }
            sql.push_str(rest);
            if dialect == "PostgreSQL" && random.below(2) == 0 {
                sql = sql.replace(" t ", " \"t\" ");
            }
            let whole = template(&sql);
            // As where it was too long, or the client gave up.
            let cut = sql.floor_char_boundary(random.below(sql.len() + 1));
            let part = template(&sql[..cut]);
            for secret in &secrets {
                assert!(!whole.contains(secret), "{dialect}: {sql}\n{whole}");
                assert!(!part.contains(secret), "{dialect}: {}\n{part}", &sql[..cut]);
            }
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
