//! Lines of a file that may have been written by anyone: one at a time, and
//! none longer than it may be.

use std::io::BufRead;

/// Reads lines into one buffer. A line that is too long is passed over without
/// being held.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    most: usize,
}

/// One line.
pub(crate) enum Line<'a> {
    /// Its bytes without the newline, which the last may lack.
    Whole(&'a [u8]),
    /// It is longer than may be.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R, most: usize) -> Self {
        Lines {
            input,
            line: Vec::new(),
            most,
        }
    }

    /// The next line; `None` at the end. A failed read is the end, as that of a
    /// file that was cut off.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        self.line.clear();
        let (mut long, mut any) = (false, false);
        while let Ok(some) = self.input.fill_buf() {
            if some.is_empty() {
                break;
            }
            any = true;
            let end = some.iter().position(|byte| *byte == b'\n');
            let part = &some[..end.unwrap_or(some.len())];
            long |= self.line.len() + part.len() > self.most;
            if !long {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                return Some(if long {
                    Line::TooLong
                } else {
                    Line::Whole(&self.line)
                });
            }
        }
        any.then(|| {
            if long {
                Line::TooLong
            } else {
                Line::Whole(&self.line)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn long_lines_are_passed_over_and_the_last_may_be_cut_off() {
        let text = b"one\n\nmuch too long\ntwo\r\nthree";
        let mut lines = Lines::new(BufReader::with_capacity(4, &text[..]), 6);
        let mut seen = Vec::new();
        while let Some(line) = lines.next() {
            seen.push(match line {
                Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Line::TooLong => "!".to_owned(),
            });
        }
        assert_eq!(seen, ["one", "", "!", "two\r", "three"]);
    }
}
