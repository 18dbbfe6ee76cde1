//! What is in a record of the ring: written by the handler, read by the drain.

use crate::platform::NAME;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A stack that counts in the profile.
    Sample = 1,
    /// A stack that was asked for by number.
    Dump = 2,
    /// A thread made its own timer; the weight is the timer's id.
    Armed = 3,
}

/// The walk did not reach the thread's first frame.
pub(crate) const TRUNCATED: u8 = 1;
/// Two words with the thread's name follow the fixed part.
pub(crate) const NAMED: u8 = 2;

/// The thread was in a system call.
pub(crate) const IN_KERNEL: u8 = 4;

/// Words before the stack, without the name.
pub(crate) const FIXED: usize = 3;
/// The header word: length 16 bits, kind 8, flags 8, thread 32.
pub(crate) fn header(length: usize, kind: Kind, flags: u8, tid: u32) -> u64 {
    length as u64 | (kind as u64) << 16 | u64::from(flags) << 24 | u64::from(tid) << 32
}

/// A record taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) truncated: bool,
    pub(crate) in_kernel: bool,
    pub(crate) tid: u32,
    /// Nanoseconds; of an `Armed` record, the timer's id.
    pub(crate) weight: u64,
    pub(crate) label: u64,
    pub(crate) name: Option<[u64; NAME]>,
    pub(crate) stack: &'a [u64],
}

impl<'a> Record<'a> {
    pub(crate) fn parse(words: &'a [u64]) -> Option<Record<'a>> {
        let (fixed, mut rest) = words.split_first_chunk::<FIXED>()?;
        let flags = (fixed[0] >> 24) as u8;
        let kind = match (fixed[0] >> 16) as u8 {
            1 => Kind::Sample,
            2 => Kind::Dump,
            3 => Kind::Armed,
            _ => return None,
        };
        let mut name = None;
        if flags & NAMED != 0 {
            let (words, stack) = rest.split_first_chunk::<NAME>()?;
            name = Some(*words);
            rest = stack;
        }
        Some(Record {
            kind,
            truncated: flags & TRUNCATED != 0,
            in_kernel: flags & IN_KERNEL != 0,
            tid: (fixed[0] >> 32) as u32,
            weight: fixed[1],
            label: fixed[2],
            name,
            stack: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::name::text_of;

    #[test]
    fn a_record_reads_back() {
        let name = [u64::from_ne_bytes(*b"worker-7"), 0];
        let words = [
            header(7, Kind::Sample, TRUNCATED | NAMED | IN_KERNEL, 4321),
            10_101_010,
            9,
            name[0],
            name[1],
            0x1000,
            0x2000,
        ];
        let record = Record::parse(&words).expect("it is whole");
        assert_eq!(record.kind, Kind::Sample);
        assert!(record.truncated && record.in_kernel);
        assert_eq!(
            (record.tid, record.weight, record.label),
            (4321, 10_101_010, 9)
        );
        assert_eq!(record.name.map(text_of).as_deref(), Some("worker-7"));
        assert_eq!(record.stack, [0x1000, 0x2000]);
        assert_eq!(Record::parse(&words[..2]), None);
        assert_eq!(
            Record::parse(&[header(3, Kind::Sample, NAMED, 1), 0, 0]),
            None
        );
    }
}
