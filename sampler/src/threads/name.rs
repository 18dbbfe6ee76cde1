//! A thread's name, as the kernel keeps it: two words that are read without
//! allocating and made text of later. It is bytes, not UTF-8.

use crate::platform::NAME;
use crate::text::readable;

/// The text of the kernel's bytes.
pub(crate) fn text_of(words: [u64; NAME]) -> String {
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&words[0].to_ne_bytes());
    bytes[8..].copy_from_slice(&words[1].to_ne_bytes());
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    readable(&bytes[..end])
}

/// The text of a `comm` file: the name, and a newline that is not of it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn of_comm(comm: &[u8]) -> String {
    readable(comm.strip_suffix(b"\n").unwrap_or(comm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_a_name_make_the_same_text_of_it() {
        for name in [&b"\xff"[..], b"pool\n", b"a\tb", b"fifteen bytes \xe2"] {
            let mut bytes = [0u8; 16];
            bytes[..name.len()].copy_from_slice(name);
            let word = |half: usize| {
                let mut word = [0u8; 8];
                word.copy_from_slice(&bytes[half * 8..half * 8 + 8]);
                u64::from_ne_bytes(word)
            };
            let by_prctl = text_of([word(0), word(1)]);
            assert_eq!(by_prctl, of_comm(&[name, b"\n"].concat()));
            assert!(!by_prctl.contains(char::is_control));
        }
    }
}
