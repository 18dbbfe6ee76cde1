//! Where words, numbers and what is quoted end.

/// Whether a character can be inside a word.
pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the word at the front.
pub(super) fn word(text: &str) -> usize {
    text.find(|c: char| !is_in_word(c)).unwrap_or(text.len())
}

/// The length of the number at the front, as `12`, `1_000`, `1.5e-3` or `0xFF`.
pub(super) fn numeral(text: &str) -> usize {
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
pub(super) fn quoted(text: &str, quote: char) -> Option<usize> {
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
pub(super) fn is_certain(quoted: &str) -> bool {
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
pub(super) fn escaped(text: &str) -> Option<usize> {
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
pub(super) fn bracketed(text: &str) -> Option<usize> {
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
pub(super) fn tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let name = &text[1..end];
    let good = name.chars().all(is_in_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| &text[..=end])
}

/// The length of `$tag$…$tag$` at the front; `None` where it never ends.
pub(super) fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = tag(text)?;
    Some(text[tag.len()..].find(tag)? + 2 * tag.len())
}
