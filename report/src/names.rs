//! Names from outside, made safe for whoever reads them: a terminal, a
//! spreadsheet, Markdown, a line of collapsed stacks.
//!
//! Span names, phases, columns, functions and threads come from whoever calls
//! or builds the service, and end on somebody's screen. Whatever writes for
//! people passes them through [`printable`] first, and then through what its
//! format needs besides. What is written for machines keeps the name whole.

use std::borrow::Cow;

/// Text without what a terminal would obey or an eye would miss.
///
/// Line breaks and tabs become spaces. Control characters (escape sequences
/// begin with one), marks that turn the direction of writing, characters without
/// a width and those that XML does not have become `U+FFFD`.
///
/// ```
/// use soakscope_report::printable;
/// assert_eq!(printable("GET /\u{1b}[2J\nPASS"), "GET /\u{fffd}[2J PASS");
/// assert_eq!(printable("Größe"), "Größe");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(is_unsafe) {
        return text.into();
    }
    let safe = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => ' ',
        c if is_unsafe(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(safe).collect::<String>().into()
}

/// One line for a terminal, with its newline.
pub(crate) fn line(text: &str) -> String {
    format!("{}\n", printable(text))
}

fn is_unsafe(c: char) -> bool {
    matches!(c,
        // C0, DEL and C1, of which U+009B begins a sequence like ESC [.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Soft hyphen, combining joiner, fillers and vowel separator: no width.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{180b}'..='\u{180f}'
        // Marks and overrides of direction (Unicode Technical Report 36).
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Zero-width space and joiners, line separators, invisible operators.
        | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // What no character is, and tags, which no one sees.
        | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text that cannot become markup in Markdown, nor end the cell of a table.
pub(crate) fn markdown(text: &str) -> String {
    let text = printable(text);
    let mut safe = String::with_capacity(text.len() + 8);
    // Only at the beginning these make a heading, a list or a rule.
    let mut rest = text.chars().peekable();
    if let Some(first) = rest.peek().copied()
        && matches!(first, '#' | '-' | '+' | '=' | '~')
        && !text[1..].starts_with(|c: char| c.is_ascii_digit())
        && text.len() > 1
    {
        safe.push('\\');
    }
    for c in rest {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '`' | '*' | '[' | ']' | '\\' | '|' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// A frame's name in a line of collapsed stacks, `root;caller;leaf 42`: it can
/// neither end its frame nor be taken for a count.
pub(crate) fn frame(name: &str) -> String {
    let mut safe = printable(name).replace(';', ":");
    let end = safe.trim_end().len();
    safe.truncate(end);
    if let Some(space) = safe.rfind(' ')
        && safe[space + 1..].parse::<f64>().is_ok()
    {
        safe.replace_range(space..=space, "_");
    }
    safe
}

/// A JSON document in which nothing reaches a terminal as it is: what
/// [`printable`] replaces is escaped, so that the document says the same.
#[must_use]
pub fn printable_json(document: String) -> String {
    let escaped = |c: char| !matches!(c, '\n' | '\r' | '\t') && is_unsafe(c);
    if document.is_ascii() && !document.contains('\u{7f}') || !document.chars().any(escaped) {
        return document;
    }
    let mut safe = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        if escaped(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// What makes a spreadsheet take a cell for a formula, and the mark itself.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', MARK];

/// Put before a cell, it makes a spreadsheet take what follows for text.
const MARK: char = '\'';

/// A name as a cell that no spreadsheet runs; [`unguarded`] undoes it.
pub(crate) fn guarded(name: &str) -> Cow<'_, str> {
    if name.starts_with(FORMULA) {
        format!("{MARK}{name}").into()
    } else {
        name.into()
    }
}

/// The name that [`guarded`] made a cell of; any other cell as it is.
pub(crate) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix(MARK) {
        Some(name) if name.starts_with(FORMULA) => name,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_and_an_eye_misses_is_replaced() {
        for (text, safe) in [
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("a\r\nPASS", "a  PASS"),
            ("abc\u{202e}fed", "abc\u{fffd}fed"),
            ("GET /or\u{200b}ders", "GET /or\u{fffd}ders"),
            ("日本 é 😀", "日本 é 😀"),
        ] {
            assert_eq!(printable(text), safe);
        }
    }

    #[test]
    fn markdown_shows_a_name_as_it_is() {
        for (text, safe) in [
            ("a|b", "a\\|b"),
            ("`x` <b>", "\\`x\\` &lt;b&gt;"),
            ("[x](javascript:y)", "\\[x\\](javascript:y)"),
            ("# x", "\\# x"),
            ("-5.2", "-5.2"),
            ("-", "-"),
            ("- x", "\\- x"),
            ("&lt;", "&amp;lt;"),
        ] {
            assert_eq!(markdown(text), safe);
        }
    }

    #[test]
    fn a_frame_is_no_count_and_no_two_frames() {
        assert_eq!(frame("a;b"), "a:b");
        assert_eq!(frame("main 12"), "main_12");
        assert_eq!(frame("main 1e5 "), "main_1e5");
        assert_eq!(frame("operator new(int)"), "operator new(int)");
    }

    #[test]
    fn a_json_document_says_the_same_in_safe_characters() {
        let name = "a\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}é";
        let document = serde_json::to_string(name).unwrap();
        let safe = printable_json(document);
        assert!(safe.chars().all(|c| !is_unsafe(c)), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), name);
    }

    #[test]
    fn every_name_comes_back_from_its_cell_and_none_is_a_formula() {
        for name in [
            "=1+1", "+x", "-x", "@x", "\t=x", "'=x", "''", "'", "rss_mb", "",
        ] {
            let cell = guarded(name);
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
            assert_eq!(unguarded(&cell), name);
        }
        assert_eq!(unguarded("'quoted'"), "'quoted'", "not ours; left alone");
    }
}
