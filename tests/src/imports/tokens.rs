//! Rust's tokens, as far as paths need them: comments go, and what is in
//! quotes is one token.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name.
    Word(String),
    /// `::`
    PathSeparator,
    /// Any other mark.
    Mark(char),
    /// What is between quotes.
    Text(String),
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied().unwrap_or(' '));
        match c {
            _ if c.is_whitespace() => at += 1,
            '/' if next == '/' => at = end_of_line(&chars, at),
            '/' if next == '*' => at = end_of_comment(&chars, at),
            '"' => at = quoted(&chars, at, &mut tokens),
            'r' | 'b' | 'c' if begins_text(&chars, at) => at = prefixed(&chars, at, &mut tokens),
            '\'' => at = quote_or_lifetime(&chars, at),
            ':' if next == ':' => {
                tokens.push(Token::PathSeparator);
                at += 2;
            }
            _ if c.is_alphanumeric() || c == '_' => {
                let begin = at;
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                tokens.push(Token::Word(chars[begin..at].iter().collect()));
            }
            _ => {
                tokens.push(Token::Mark(c));
                at += 1;
            }
        }
    }
    tokens
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    let end = chars[at..].iter().position(|c| *c == '\n');
    end.map_or(chars.len(), |end| at + end)
}

/// Comments of Rust nest.
fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// A text with escapes; `at` is its first quote.
fn quoted(chars: &[char], at: usize, tokens: &mut Vec<Token>) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != '"' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    let end = end.min(chars.len());
    tokens.push(Token::Text(chars[at + 1..end].iter().collect()));
    end + 1
}

/// Whether `r"`, `r#"`, `b"`, `br#"`, `c"` or `b'` begins here.
fn begins_text(chars: &[char], at: usize) -> bool {
    let mut end = at;
    while end < at + 2 && matches!(chars.get(end), Some('r' | 'b' | 'c')) {
        end += 1;
    }
    let raw = chars[at..end].contains(&'r');
    while raw && chars.get(end) == Some(&'#') {
        end += 1;
    }
    let quote = chars.get(end);
    quote == Some(&'"') || (quote == Some(&'\'') && chars[at..end] == ['b'])
}

fn prefixed(chars: &[char], at: usize, tokens: &mut Vec<Token>) -> usize {
    let quote = (at..).find(|at| matches!(chars[*at], '"' | '\''));
    let quote = quote.expect("a quote begins here");
    if chars[quote] == '\'' {
        return quote_or_lifetime(chars, quote);
    }
    if !chars[at..quote].contains(&'r') {
        return quoted(chars, quote, tokens);
    }
    let hashes = chars[at..quote].iter().filter(|c| **c == '#').count();
    let closes = |end: &usize| {
        chars[*end] == '"'
            && chars[end + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    let end = (quote + 1..chars.len()).find(closes);
    let end = end.unwrap_or(chars.len());
    tokens.push(Token::Text(chars[quote + 1..end].iter().collect()));
    end + 1 + hashes
}

/// `'x'` and `'\n'` are characters, `'a` a lifetime: neither is of a path.
fn quote_or_lifetime(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let end = chars[at + 3..].iter().position(|c| *c == '\'');
            end.map_or(chars.len(), |end| at + 3 + end + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => {
            let mut end = at + 1;
            while end < chars.len() && (chars[end].is_alphanumeric() || chars[end] == '_') {
                end += 1;
            }
            end
        }
    }
}
