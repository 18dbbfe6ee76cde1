//! Where the bytes of a table come from: read once from beginning to end, and
//! unpacked on the way.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::header::no_header;
use crate::error::Error;
use crate::limits::CSV_BYTES;

/// How much of the beginning is looked at to recognise the file.
const HEAD_BYTES: u64 = 1 << 16;

/// A file, and its beginning.
pub(super) struct Source<'a> {
    pub(super) head: Vec<u8>,
    rest: Box<dyn Read + 'a>,
}

impl<'a> Source<'a> {
    /// Opens what is text, or gzip of text.
    pub(super) fn open(input: impl Read + 'a) -> Result<Source<'a>, Error> {
        let (head, rest, _) = looked_at(Box::new(input));
        let source = if head.starts_with(&[0x1f, 0x8b]) {
            let (head, rest, failed) =
                looked_at(Box::new(MultiGzDecoder::new(Cursor::new(head).chain(rest))));
            if failed && head.is_empty() {
                return Err(no_header(
                    "the file is compressed with gzip and damaged; see what gunzip makes of it",
                ));
            }
            if head.starts_with(&[0x1f, 0x8b]) {
                return Err(no_header(
                    "the file is compressed twice; unpack it with gunzip",
                ));
            }
            Source { head, rest }
        } else {
            Source { head, rest }
        };
        foreign(&source.head)?;
        Ok(source)
    }

    /// All bytes but so many of the first.
    pub(super) fn from(self, skip: usize) -> impl Read + 'a {
        let mut head = Cursor::new(self.head);
        head.set_position(skip as u64);
        head.chain(self.rest)
    }
}

/// The beginning of a file, the rest of it, and whether reading failed. A pipe
/// gives a few bytes at a time.
fn looked_at<'a>(input: Box<dyn Read + 'a>) -> (Vec<u8>, Box<dyn Read + 'a>, bool) {
    let mut input: Box<dyn Read + 'a> = Box::new(input.take(CSV_BYTES.most + 1));
    let mut head = Vec::new();
    let result = loop {
        match input
            .by_ref()
            .take(HEAD_BYTES - head.len() as u64)
            .read_to_end(&mut head)
        {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    (head, input, result.is_err())
}

/// Refuses what is no text, by its first bytes, with the way out.
fn foreign(head: &[u8]) -> Result<(), Error> {
    const KNOWN: [(&[u8], &str); 13] = [
        (
            &[0x28, 0xb5, 0x2f, 0xfd],
            "the file is compressed with zstd; unpack it with zstd -d",
        ),
        (
            b"\xfd7zXZ\0",
            "the file is compressed with xz; unpack it with xz -d",
        ),
        (
            b"BZh",
            "the file is compressed with bzip2; unpack it with bunzip2",
        ),
        (
            &[0x04, 0x22, 0x4d, 0x18],
            "the file is compressed with LZ4; unpack it with lz4 -d",
        ),
        (
            &[0x1f, 0x9d],
            "the file is compressed; unpack it with uncompress",
        ),
        (
            b"PK\x03\x04",
            "the file is a ZIP or a spreadsheet; unpack it, or save it as CSV",
        ),
        (
            &[0xd0, 0xcf, 0x11, 0xe0],
            "the file is a spreadsheet; save it as CSV",
        ),
        (b"PAR1", "the file is Parquet; write it as CSV"),
        (
            b"SQLite format 3",
            "the file is an SQLite database; write a table of it as CSV",
        ),
        (
            &[0xff, 0xfe],
            "the file is UTF-16; save it as CSV in UTF-8 (iconv -f UTF-16 -t UTF-8)",
        ),
        (
            &[0xfe, 0xff],
            "the file is UTF-16; save it as CSV in UTF-8 (iconv -f UTF-16 -t UTF-8)",
        ),
        (b"<!", "the file is a web page; save the table in it as CSV"),
        (
            b"<html",
            "the file is a web page; save the table in it as CSV",
        ),
    ];
    if let Some((_, problem)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(no_header(problem));
    }
    // UTF-16 without a mark: every other byte is zero.
    let some = &head[..head.len().min(64) & !1];
    let zeros = |odd: usize| some.chunks(2).filter(|pair| pair[odd] == 0).count();
    if some.len() >= 8 && zeros(0) + zeros(1) == some.len() / 2 && zeros(0) * zeros(1) == 0 {
        return Err(no_header(
            "the file is UTF-16; save it as CSV in UTF-8 (iconv -f UTF-16LE -t UTF-8)",
        ));
    }
    Ok(())
}
