//! A small kernel file that stays open, so that a reading is one `pread` into
//! a buffer that is kept as well.
//!
//! What the kernel writes is bytes: the process's name is in it, and whatever a
//! container calls its groups. It is read to its end, and one field that cannot
//! be read costs no other.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a file is expected to have at most; the buffer grows where it has more.
const USUAL: usize = 4096;
/// Where reading ends: more than 65,536 groups, the most that a process has,
/// take in `/proc/self/status`.
const MAX_LENGTH: usize = 2 << 20;

/// A kept-open file, or none where there is no such file.
#[derive(Debug)]
pub(super) struct Kept {
    file: Result<File, io::ErrorKind>,
    buffer: RefCell<Vec<u8>>,
    failure: Cell<Option<io::ErrorKind>>,
}

impl Kept {
    pub(super) fn open(path: impl AsRef<Path>) -> Self {
        let file = File::open(path).map_err(|error| error.kind());
        Self {
            failure: Cell::new(file.as_ref().err().copied()),
            file,
            buffer: RefCell::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_ok()
    }

    /// Why the last reading was none, where the system said.
    pub(super) fn failure(&self) -> Option<io::ErrorKind> {
        self.failure.get()
    }

    /// Reads the whole and returns what `parse` makes of it.
    pub(super) fn read<T>(&self, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let file = self.file.as_ref().ok()?;
        let mut buffer = self.buffer.try_borrow_mut().ok()?;
        let length = whole(file, &mut buffer);
        self.failure.set(length.as_ref().err().map(io::Error::kind));
        parse(buffer.get(..length.ok()?)?)
    }
}

/// Reads a file from its beginning to its end; returns its length.
///
/// The kernel makes the text anew for each call that does not begin where the
/// last one ended, and hands out as much as there is room for. So a full buffer
/// is made larger and everything read again, rather than put together of two
/// texts; and one that is not full has the end in it, which spares a call.
fn whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.resize(buffer.len().max(USUAL), 0);
    loop {
        match file.read_at(buffer, 0) {
            Ok(length) if length < buffer.len() || length >= MAX_LENGTH => return Ok(length),
            Ok(_) => buffer.resize(buffer.len() * 2, 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The lines of a text.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

/// The number after a name at the beginning of a line, whatever blanks or
/// colons are between.
pub(super) fn field(text: &[u8], name: &str) -> Option<u64> {
    lines(text).find_map(|line| {
        let rest = line.strip_prefix(name.as_bytes())?;
        let blanks = rest.iter().take_while(|byte| b": \t=".contains(byte));
        // `VmRSS` is not the beginning of `VmRSSfoo`.
        let value = rest.get(blanks.count()..)?;
        (value.len() < rest.len()).then_some(())?;
        number(value)
    })
}

/// A field in kB, as bytes.
pub(super) fn kilobytes(text: &[u8], name: &str) -> Option<u64> {
    field(text, name)?.checked_mul(1024)
}

/// The number that a text begins with.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let word = text
        .trim_ascii_start()
        .split(u8::is_ascii_whitespace)
        .next()?;
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = b"VmRSSx:\t1 kB\nVmRSS:\t   12 kB\nanon 345\nsome avg10=0.00 total=7\n";
        assert_eq!(field(text, "VmRSS"), Some(12));
        assert_eq!(kilobytes(text, "VmRSS"), Some(12 * 1024));
        assert_eq!(field(text, "anon"), Some(345));
        assert_eq!(field(text, "VmSwap"), None);
    }

    #[test]
    fn one_odd_field_costs_no_other() {
        let text =
            b"Name:\t\xff\xfe\nVmRSS:\t\xff kB\nVmSize:\t18446744073709551615 kB\nThreads:\t7\n";
        assert_eq!(field(text, "Threads"), Some(7));
        assert_eq!(kilobytes(text, "VmRSS"), None);
        assert_eq!(kilobytes(text, "VmSize"), None, "too large for bytes");
        assert_eq!(number(b"  12\xff"), None);
        assert_eq!(number(b""), None);
    }

    #[test]
    fn what_is_not_there_reads_as_nothing() {
        let kept = Kept::open("/proc/self/no such file");
        assert!(!kept.is_open());
        assert_eq!(kept.failure(), Some(io::ErrorKind::NotFound));
        assert_eq!(kept.read(number), None);
    }

    #[test]
    fn a_file_is_read_to_its_end_however_long() {
        let path = std::env::temp_dir().join(format!("soakscope-kept-{}", std::process::id()));
        let kept = || Kept::open(&path);
        for length in [0, 1, USUAL - 1, USUAL, USUAL + 1, 600_000] {
            let mut text = vec![b'g'; length];
            text.extend_from_slice(b"\nlast 9\n");
            std::fs::write(&path, &text).expect("written");
            let kept = kept();
            for _ in 0..2 {
                assert_eq!(kept.read(|text| field(text, "last")), Some(9), "{length}");
                assert_eq!(kept.read(|text| Some(text.len())), Some(text.len()));
            }
        }
        std::fs::write(&path, b"last 8\n").expect("written");
        assert_eq!(kept().read(|text| field(text, "last")), Some(8));
        std::fs::remove_file(path).expect("removed");
    }
}
