//! Reading a timeline from a table, whoever wrote it.
//!
//! The file is streamed into the columns: no row and no cell is kept as text,
//! so three days of seconds take little more than their numbers. What cannot
//! be read is missing and counted; only a file that is no timeline at all is
//! an error.

use std::io::{BufRead, BufReader, Read};

use super::Timeline;
use super::blocks::Blocks;
use super::filling::Filling;
use super::header::{self, no_header};
use super::layout::{self, Layout};
use super::prometheus;
use super::sources::Source;
use crate::error::Error;
use crate::limits::{COLUMNS, CSV_BYTES};
use crate::records::{OwnedRow, Record, Records};

/// Rows looked at to separate columns of words from columns of numbers.
const SNIFFED_ROWS: usize = 64;

/// Room for what is read at once.
const BUFFER_BYTES: usize = 1 << 16;

impl Timeline {
    /// Reads a table that has times: CSV as programs, spreadsheets and people
    /// write it, the tables that psrecord, pidstat, sar, top, ps, vmstat, dstat,
    /// collectl, typeperf, `docker stats` and `kubectl top` print, or the JSON
    /// of a Prometheus range query. It may be packed with gzip.
    ///
    /// # Errors
    ///
    /// [`Error::Csv`] with line and remedy for an empty file, one without a
    /// header, one that is not text, and one without a time;
    /// [`Error::Limit`] for one with more than 6,000 columns or 2 GiB.
    pub fn parse(bytes: &[u8]) -> Result<Timeline, Error> {
        let rows = count_lines(bytes);
        Timeline::read(bytes, rows)
    }

    /// [`Timeline::parse`] for a file too large to hold in memory beside its
    /// numbers. `rows` is how many are expected; a good guess saves memory.
    ///
    /// # Errors
    ///
    /// As [`Timeline::parse`]; a failed read ends the timeline there, as a
    /// cut-off file would.
    pub fn read(input: impl Read, rows: usize) -> Result<Timeline, Error> {
        let source = Source::open(input)?;
        match layout::of(&source.head)? {
            Layout::Cells {
                delimiter,
                skip,
                names,
            } => {
                let input = BufReader::with_capacity(BUFFER_BYTES, source.from(skip));
                cells(input, delimiter, names, rows)
            }
            Layout::Blocks => blocks(BufReader::with_capacity(BUFFER_BYTES, source.from(0)), rows),
            Layout::Prometheus => {
                let (names, answer) = prometheus::read(source.from(0))?;
                let sniffed = &answer[..answer.len().min(SNIFFED_ROWS)];
                let mut filling = Filling::new(names, sniffed, answer.len(), b',')?;
                for row in &answer {
                    filling.push(row.row());
                }
                Ok(filling.finish(true, 0))
            }
        }
    }
}

/// Reads what has a mark between cells.
fn cells(
    input: impl BufRead,
    delimiter: u8,
    names: Option<Vec<String>>,
    rows: usize,
) -> Result<Timeline, Error> {
    let mut records = Records::new(input, delimiter, Some(b'#'));
    let names = match names {
        Some(names) => names,
        None => match records.next() {
            None => {
                return Err(no_header(
                    "the file is empty; the first line must name the columns",
                ));
            }
            Some(Record::TooLarge) => return Err(COLUMNS.exceeded()),
            Some(Record::Row(row)) => header::read(row)?,
        },
    };
    let mut sniffed: Vec<OwnedRow> = Vec::new();
    let mut too_large = 0;
    while sniffed.len() < SNIFFED_ROWS
        && let Some(record) = records.next()
    {
        match record {
            Record::Row(row) => sniffed.push(row.into()),
            Record::TooLarge => too_large += 1,
        }
    }
    let mut filling = Filling::new(names, &sniffed, rows, delimiter)?;
    for row in &sniffed {
        filling.push(row.row());
    }
    drop(sniffed);
    while let Some(record) = records.next() {
        match record {
            Record::Row(row) => filling.push(row),
            Record::TooLarge => too_large += 1,
        }
    }
    if records.bytes() > CSV_BYTES.most {
        return Err(CSV_BYTES.exceeded());
    }
    Ok(filling.finish(records.ends_in_newline(), too_large))
}

/// Reads what has white space between cells.
fn blocks(input: impl BufRead, rows: usize) -> Result<Timeline, Error> {
    let mut blocks = Blocks::new(input);
    let mut sniffed: Vec<OwnedRow> = Vec::new();
    while sniffed.len() < SNIFFED_ROWS
        && let Some(row) = blocks.next()
    {
        sniffed.push(row);
    }
    if sniffed.is_empty() {
        return Err(blocks.nothing());
    }
    let mut filling = Filling::new(blocks.names().to_vec(), &sniffed, rows, b' ')?;
    for row in sniffed.drain(..) {
        filling.push(row.row());
    }
    while let Some(row) = blocks.next() {
        filling.widen(blocks.names());
        filling.push(row.row());
    }
    if blocks.bytes() > CSV_BYTES.most {
        return Err(CSV_BYTES.exceeded());
    }
    filling.widen(blocks.names());
    filling.names = blocks.final_names();
    filling.losses.truncated_rows += usize::from(blocks.is_cut());
    filling.losses.unused_rows = blocks.unused();
    filling.losses.other_rows = blocks.others();
    Ok(filling.finish(true, 0))
}

/// Line ends in a buffer: what a timeline of these bytes can hold in rows.
pub(crate) fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Timeline {
        Timeline::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_four_classic_columns() {
        let t = parse("elapsed_min,rss_mb,vms_mb,connections\n0,10,20,1\n30,11,21,\n60,12.5,,3\n");
        assert_eq!(t.len(), 3);
        assert_eq!(t.elapsed_hours(), [0.0, 0.5, 1.0]);
        assert_eq!(t.series("rss_mb").unwrap(), [10.0, 11.0, 12.5]);
        assert!(t.series("connections").unwrap()[1].is_nan());
        assert!(t.losses().is_empty());
    }

    #[test]
    fn spreadsheets_write_it_differently() {
        let t = parse("\u{feff}elapsed_s;\"rss_mb\";note\r\n0;\"1.5\";\"a;b\"\r\n\r\n1;nan;c\r\n");
        assert_eq!(t.series("rss_mb").unwrap()[0], 1.5);
        assert!(t.series("rss_mb").unwrap()[1].is_nan());
        assert_eq!(t.text("note").unwrap().get(0), Some("a;b"));
        assert_eq!((t.len(), t.garbage_cells()), (2, 0));
    }

    #[test]
    fn garbage_is_missing_and_counted() {
        let t = parse("elapsed_min,rss_mb\n0,1\n1,oops\nx,3\n2,4,9\n3\n4,5\n");
        assert_eq!(t.len(), 5);
        assert_eq!((t.garbage_cells(), t.untimed_rows()), (1, 1));
        assert_eq!(t.series("rss_mb").unwrap()[4], 5.0);
    }

    #[test]
    fn a_cut_last_row_invents_nothing() {
        let whole = parse("elapsed_min,rss_mb,fds\n0,100,7\n1,512,123\n");
        assert_eq!(whole.truncated_rows(), 0);
        let cut = parse("elapsed_min,rss_mb,fds\n0,100,7\n1,512,12");
        assert_eq!((cut.len(), cut.truncated_rows()), (2, 1));
        assert_eq!(cut.series("rss_mb").unwrap()[1], 512.0);
        assert!(cut.series("fds").unwrap()[1].is_nan());
        let cut = parse("elapsed_min,rss_mb,fds\n0,100,7\n1,51");
        assert_eq!((cut.len(), cut.truncated_rows()), (1, 1));
    }

    #[test]
    fn rows_are_sorted_by_time_and_equal_times_are_kept() {
        let t = parse("elapsed_s,rss_mb,phase\n2,30,b\n0,10,a\n1,20,a\n1,21,a\n");
        assert_eq!(t.series("rss_mb").unwrap(), [10.0, 20.0, 21.0, 30.0]);
        assert_eq!(t.text("phase").unwrap().get(3), Some("b"));
        assert_eq!(t.reordered_rows(), 1);
    }

    #[test]
    fn dates_and_unix_times_start_at_zero() {
        let t = parse("timestamp,rss_mb\n1700000000,1\n1700003600,2\n");
        assert_eq!(t.elapsed_hours(), [0.0, 1.0]);
        let t = parse("time,rss_mb\n2026-01-01T00:00:00Z,1\n2026-01-01T02:00:00Z,2\n");
        assert_eq!(t.elapsed_hours(), [0.0, 2.0]);
    }

    #[test]
    fn what_is_no_timeline_is_refused_with_a_remedy() {
        let message = |bytes: &[u8]| Timeline::parse(bytes).unwrap_err().to_string();
        assert!(message(b"").contains("empty"));
        assert!(message(b"1,2,3\n4,5,6\n").contains("add a header"));
        assert!(message(b"rss_mb,fds\n1,2\n").contains("elapsed_min"));
        assert!(message(&[0x1f, 0x8b, 8, 0]).contains("gunzip"));
        assert!(message(&[0x28, 0xb5, 0x2f, 0xfd, 0, 1]).contains("zstd -d"));
        assert!(message(b"\xfd7zXZ\0abc").contains("xz -d"));
        assert!(message(b"BZh91AY").contains("bunzip2"));
        assert!(message(b"PK\x03\x04abc").contains("as CSV"));
        assert!(message(b"\xff\xfet\0,\0").contains("iconv"));
        assert!(message(b"t\0,\0r\0s\0s\0\n\0").contains("iconv"));
        assert!(message(&[0x7f, b'E', b'L', b'F', 0, 1]).contains("not text"));
        assert!(message(b"rss_mb\n").starts_with("line 1: "));
    }
}
