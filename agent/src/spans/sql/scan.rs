//! The scan over a statement: one thing after the other off its front.

use std::hash::{DefaultHasher, Hash};

use super::quotes::{
    bracketed, dollar_quoted, escaped, is_certain, is_in_word, numeral, quoted, tag, word,
};

/// Scans a statement whole; with `names`, `"` is known to quote names.
pub(super) fn scanned(sql: &str, names: bool) -> Scan<'_> {
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

pub(super) struct Scan<'a> {
    rest: &'a str,
    /// Whether `"` is known to quote names.
    names: bool,
    pub(super) template: String,
    pub(super) hasher: DefaultHasher,
    pub(super) literals: bool,
    pub(super) placeholders: bool,
    /// Whether anything in `"` was met.
    pub(super) quoted: bool,
    /// Whether the statement shows that it quotes names with `"`.
    pub(super) quotes_names: bool,
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
