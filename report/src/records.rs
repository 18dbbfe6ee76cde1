//! Rows of a CSV file that may have been written by anyone: one at a time, and
//! none longer or wider than it may be.
//!
//! The `csv` crate's reader lets a row grow without bound, and one quote that
//! is never closed makes a row of all that follows. So the parser below it is
//! driven here, with buffers of a fixed size.

use std::io::BufRead;

use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::limits::{COLUMNS, ROW_BYTES};

/// Reads the rows of a CSV file.
pub(crate) struct Records<R> {
    input: R,
    parser: csv_core::Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// The last byte read, to know whether the file ends in a newline.
    last: u8,
    /// Bytes read.
    bytes: u64,
}

/// One row, or what stands for it.
pub(crate) enum Record<'a> {
    Row(Row<'a>),
    /// It is longer or wider than may be; what it held is passed over.
    TooLarge,
}

/// The cells of a row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    cells: &'a [u8],
    ends: &'a [usize],
    /// Whether its line has an end. The last may have been cut off.
    pub(crate) ended: bool,
}

/// How large buffers are at first: most rows are a few hundred bytes.
const FIRST_BYTES: usize = 4 << 10;
const FIRST_CELLS: usize = 64;

impl<R: BufRead> Records<R> {
    /// Rows whose cells this byte separates; lines that begin with `comment`
    /// are none.
    pub(crate) fn new(input: R, delimiter: u8, comment: Option<u8>) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).comment(comment);
        Records {
            input,
            parser: builder.build(),
            cells: vec![0; FIRST_BYTES],
            ends: vec![0; FIRST_CELLS],
            last: b'\n',
            bytes: 0,
        }
    }

    /// The next row; `None` at the end. A failed read is the end, as that of a
    /// file that was cut off.
    pub(crate) fn next(&mut self) -> Option<Record<'_>> {
        let (mut cells, mut ends, mut large) = (0, 0, false);
        loop {
            let input = self.input.fill_buf().unwrap_or_default();
            let at_end = input.is_empty();
            let (result, read, written, ended) =
                self.parser
                    .read_record(input, &mut self.cells[cells..], &mut self.ends[ends..]);
            if let Some(last) = input[..read].last() {
                self.last = *last;
            }
            self.bytes += read as u64;
            self.input.consume(read);
            cells += written;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.cells.len() < ROW_BYTES => {
                    let room = (self.cells.len() * 2).min(ROW_BYTES);
                    self.cells.resize(room, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() <= COLUMNS.most as usize => {
                    // One more than may be, so that a row that is too wide can
                    // be distinguished from one that just fits.
                    let room = (self.ends.len() * 2).min(COLUMNS.most as usize + 1);
                    self.ends.resize(room, 0);
                }
                ReadRecordResult::OutputFull => {
                    large = true;
                    cells = 0;
                }
                ReadRecordResult::OutputEndsFull => {
                    large = true;
                    ends = 0;
                }
                ReadRecordResult::Record if large || ends > COLUMNS.most as usize => {
                    return Some(Record::TooLarge);
                }
                ReadRecordResult::Record => {
                    return Some(Record::Row(Row {
                        cells: &self.cells[..cells],
                        ends: &self.ends[..ends],
                        ended: !at_end,
                    }));
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    /// Whether what was read so far ends in a newline. A file that does not was
    /// cut off in its last row.
    pub(crate) fn ends_in_newline(&self) -> bool {
        matches!(self.last, b'\n' | b'\r')
    }

    /// How many bytes were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<'a> Row<'a> {
    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell without the white space around it.
    pub(crate) fn get(&self, index: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        self.cells.get(start..end).map(<[u8]>::trim_ascii)
    }

    /// All cells, in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }
}

/// A row that stays.
#[derive(Debug, Clone)]
pub(crate) struct OwnedRow {
    cells: Vec<u8>,
    ends: Vec<usize>,
    ended: bool,
}

impl From<Row<'_>> for OwnedRow {
    fn from(row: Row<'_>) -> OwnedRow {
        OwnedRow {
            cells: row.cells.to_vec(),
            ends: row.ends.to_vec(),
            ended: row.ended,
        }
    }
}

impl OwnedRow {
    /// A row of these cells.
    pub(crate) fn of<'a>(cells: impl Iterator<Item = &'a str>) -> OwnedRow {
        let mut row = OwnedRow {
            cells: Vec::new(),
            ends: Vec::new(),
            ended: true,
        };
        for cell in cells {
            row.cells.extend_from_slice(cell.as_bytes());
            row.ends.push(row.cells.len());
        }
        row
    }

    pub(crate) fn row(&self) -> Row<'_> {
        Row {
            cells: &self.cells,
            ends: &self.ends,
            ended: self.ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Each row's cells, `!` for one that is too large.
    fn rows(text: &[u8]) -> Vec<Vec<String>> {
        let mut records = Records::new(BufReader::with_capacity(7, text), b',', Some(b'#'));
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            all.push(match record {
                Record::Row(row) => row
                    .iter()
                    .map(|cell| String::from_utf8_lossy(cell).into_owned())
                    .collect(),
                Record::TooLarge => vec!["!".to_owned()],
            });
        }
        all
    }

    #[test]
    fn cells_are_those_of_rfc_4180() {
        assert_eq!(
            rows(b"\xef\xbb\xbfa,\"b,\"\"c\"\"\"\r\n# no\n 1 ,\n\n2"),
            [vec!["a", "b,\"c\""], vec!["1", ""], vec!["2"]]
        );
    }

    #[test]
    fn what_is_too_long_or_too_wide_costs_itself() {
        let mut text = b"1,2\n".to_vec();
        text.extend(vec![b'x'; ROW_BYTES + 1]);
        text.extend(b"\n3,4\n");
        text.extend(vec![b','; COLUMNS.most as usize]);
        text.extend(b"\n5,6\n");
        text.extend(vec![b','; COLUMNS.most as usize - 1]);
        text.extend(b"\n\"");
        text.extend(b"never closed\n".repeat(100_000));
        let rows = rows(&text);
        let first: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(first, ["1", "!", "3", "!", "5", "", "!"]);
        assert_eq!(rows[5].len(), COLUMNS.most as usize);
    }
}
