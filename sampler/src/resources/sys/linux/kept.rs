//! A small kernel file that stays open, so that a reading is one `pread` into
//! a buffer on the stack.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is read of a file at most: more than any line that is looked for lies
/// behind the beginning.
const MOST: usize = 4096;

/// A kept-open file, or none where there is no such file.
#[derive(Debug)]
pub(super) struct Kept(Option<File>);

impl Kept {
    pub(super) fn open(path: impl AsRef<Path>) -> Self {
        Self(File::open(path).ok())
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Reads the beginning and answers what `parse` makes of it.
    pub(super) fn read<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut buffer = [0u8; MOST];
        let length = self.0.as_ref()?.read_at(&mut buffer, 0).ok()?;
        // Kernel files are ASCII but for a process's name.
        let text = match std::str::from_utf8(&buffer[..length]) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&buffer[..error.valid_up_to()]).ok()?,
        };
        parse(text)
    }
}

/// The number after a name at the beginning of a line, whatever blanks or
/// colons are between.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = rest.trim_start_matches([':', ' ', '\t', '=']);
        // `VmRSS` is not the beginning of `VmRSSfoo`.
        (value.len() < rest.len()).then_some(())?;
        number(value)
    })
}

/// A field in kB, as bytes.
pub(super) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    Some(field(text, name)? * 1024)
}

/// The number that a text begins with.
pub(super) fn number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "VmRSSx:\t1 kB\nVmRSS:\t   12 kB\nanon 345\nsome avg10=0.00 total=7\n";
        assert_eq!(field(text, "VmRSS"), Some(12));
        assert_eq!(kilobytes(text, "VmRSS"), Some(12 * 1024));
        assert_eq!(field(text, "anon"), Some(345));
        assert_eq!(field(text, "VmSwap"), None);
    }

    #[test]
    fn what_is_not_there_reads_as_nothing() {
        let kept = Kept::open("/proc/self/no such file");
        assert!(!kept.is_open());
        assert_eq!(kept.read(number), None);
    }
}
