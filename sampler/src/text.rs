//! Text made of what the kernel and file systems hold, which is bytes.

/// Bytes as text of one line: what is not UTF-8 becomes U+FFFD, and a control
/// character its escape (`\n`, `\u{1b}`), so that a name can end no record and
/// steer no terminal.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(char::is_control) {
        return text.into_owned();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_line_of_text() {
        for (bytes, text) in [
            (&b"worker-1"[..], "worker-1"),
            (b"\xff", "\u{fffd}"),
            (b"a\nb\tc", r"a\nb\tc"),
            (b"\x1b[2J", r"\u{1b}[2J"),
            (b"caf\xc3\xa9\x00", r"café\u{0}"),
            (b"\xc2\x85", r"\u{85}"),
            (b"", ""),
        ] {
            assert_eq!(readable(bytes), text);
        }
    }
}
