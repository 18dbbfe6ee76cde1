//! The fields of a protobuf message, one by one and where they lie.
//!
//! A whole message decoded at once takes thirty times its bytes and more. Read
//! field by field, only what is kept takes memory.

use crate::error::Error;

/// A field: its number and what it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    /// A number.
    Number(u32, u64),
    /// A text, a message, or packed numbers.
    Bytes(u32, &'a [u8]),
    /// Of a kind that profiles do not have.
    Other,
}

/// Reads the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    /// The next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(broken("a field has no number: it is damaged or no pprof"));
        }
        Ok(Some(match key & 7 {
            0 => Field::Number(number, self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = self.varint()?;
                Field::Bytes(number, self.take(length)?)
            }
            5 => self.skip(4)?,
            _ => {
                return Err(broken(
                    "a field is of no kind that protobuf has: it is damaged or no pprof",
                ));
            }
        }))
    }

    /// The next number of packed ones; `None` at the end.
    pub(super) fn packed(&mut self) -> Result<Option<u64>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.varint().map(Some)
    }

    fn skip(&mut self, length: u64) -> Result<Field<'a>, Error> {
        self.take(length)?;
        Ok(Field::Other)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(broken(
                "it ends inside a field: it is cut off, damaged or no pprof",
            ));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                return Err(broken(
                    "it ends inside a number: it is cut off, damaged or no pprof",
                ));
            };
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken("a number has no end: it is damaged or no pprof"))
    }
}

fn broken(problem: &str) -> Error {
    Error::Profile(problem.to_owned())
}
