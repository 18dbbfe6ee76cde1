//! What must not reach a person who looks at a name from outside.

/// What must not be in anything for people, whoever wrote it. Listed anew, not
/// taken from the code that is tested.
fn is_harmful(c: char) -> bool {
    let c = c as u32;
    (c < 0x20 && c != 0x0a)
        || (0x7f..=0x9f).contains(&c)
        || [0xad, 0x61c, 0xfeff, 0xfffe, 0xffff].contains(&c)
        || (0x200b..=0x200f).contains(&c)
        || (0x2028..=0x202e).contains(&c)
        || (0x2060..=0x206f).contains(&c)
        || (0xe0000..=0xe0fff).contains(&c)
}

pub(crate) fn assert_harmless(what: &str, text: &str) {
    if let Some(c) = text.chars().find(|c| is_harmful(*c)) {
        panic!("{what} holds {c:?}: {text:?}");
    }
}

/// A name as a key of TOML.
pub(crate) fn toml_key(name: &str) -> String {
    // A basic string of JSON is one of TOML, too, but for DEL.
    serde_json::to_string(name)
        .unwrap()
        .replace('\u{7f}', "\\u007f")
}
