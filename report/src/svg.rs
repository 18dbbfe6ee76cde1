//! What every SVG we write ourselves needs.

use crate::names::printable;

/// Text made safe to stand in XML, between tags or in an attribute. XML 1.0 has
/// no control characters, not even escaped; they are not [`printable`].
pub(crate) fn escape(text: &str) -> String {
    let text = printable(text);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_and_control_characters_are_defused() {
        assert_eq!(
            super::escape("a<b> & \"c\"\u{0}"),
            "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}"
        );
    }
}
