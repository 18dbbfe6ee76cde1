//! A thread's name, as the kernel keeps it: two words that are read without
//! allocating and made text of later.

/// Words of a name: the kernel's 16 bytes.
pub(crate) const NAME: usize = 2;

/// The text of the kernel's bytes.
pub(crate) fn text_of(words: [u64; NAME]) -> String {
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&words[0].to_ne_bytes());
    bytes[8..].copy_from_slice(&words[1].to_ne_bytes());
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
