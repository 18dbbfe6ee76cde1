//! How to get from one frame to its caller, in one word.
//!
//! A rule holds for one program counter. Packing it makes the cache of rules
//! two words per entry and lets both be read without a lock.

/// Where the canonical frame address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The stack pointer plus an offset.
    Sp,
    /// The frame pointer plus an offset.
    Fp,
    /// The word at the stack pointer plus an offset, plus an addend.
    AtSp,
    /// The word at the frame pointer plus an offset, plus an addend.
    AtFp,
    /// Another register plus an offset; known only in the interrupted frame.
    Register(u8),
}

/// Where the caller's frame pointer or the return address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// Still in its register.
    Same,
    /// On the stack, this far from the canonical frame address.
    AtCfa(i64),
    /// On the stack, this far from the frame pointer.
    AtFp(i64),
    /// Lost.
    Unknown,
}

/// One step up the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An ordinary frame.
    Frame {
        base: Base,
        offset: i64,
        addend: i64,
        fp: Saved,
        ra: Saved,
    },
    /// The trampoline a signal handler returns through.
    SignalFrame,
    /// The thread's first frame: there is no caller.
    End,
    /// There is unwind information, of a kind that is not understood.
    Unsupported,
    /// There is no unwind information for this address.
    Missing,
}

const KIND_FRAME: u64 = 1;
const KIND_SIGNAL: u64 = 2;
const KIND_END: u64 = 3;
const KIND_UNSUPPORTED: u64 = 4;
const KIND_MISSING: u64 = 5;

/// Puts a signed number into `bits` bits, if it fits.
fn field(value: i64, bits: u32, shift: u32) -> Option<u64> {
    let limit = 1i64 << (bits - 1);
    (-limit..limit)
        .contains(&value)
        .then(|| ((value as u64) & ((1 << bits) - 1)) << shift)
}

fn unfield(word: u64, bits: u32, shift: u32) -> i64 {
    let up = 64 - bits;
    (((word >> shift) << up) as i64) >> up
}

/// A kind in two bits and a distance in eight-byte steps in ten.
fn saved(saved: Saved, shift: u32) -> Option<u64> {
    let (kind, distance) = match saved {
        Saved::Same => (0, 0),
        Saved::AtCfa(d) => (1, d),
        Saved::AtFp(d) => (2, d),
        Saved::Unknown => (3, 0),
    };
    if distance % 8 != 0 {
        return None;
    }
    Some(kind << shift | field(distance / 8, 10, shift + 2)?)
}

fn unsaved(word: u64, shift: u32) -> Saved {
    let distance = unfield(word, 10, shift + 2) * 8;
    match (word >> shift) & 3 {
        0 => Saved::Same,
        1 => Saved::AtCfa(distance),
        2 => Saved::AtFp(distance),
        _ => Saved::Unknown,
    }
}

// Bits, from the lowest: kind 3, base 3, register 4, offset 20, addend 10,
// frame pointer 12, return address 12.
const BASE: u32 = 3;
const REGISTER: u32 = 6;
const OFFSET: u32 = 10;
const ADDEND: u32 = 30;
const FP: u32 = 40;
const RA: u32 = 52;

impl Rule {
    /// The rule as a word, never 0. A frame whose numbers do not fit becomes
    /// [`Rule::Unsupported`].
    pub(crate) fn pack(self) -> u64 {
        match self {
            Rule::Frame {
                base,
                offset,
                addend,
                fp,
                ra,
            } => pack_frame(base, offset, addend, fp, ra).unwrap_or(KIND_UNSUPPORTED),
            Rule::SignalFrame => KIND_SIGNAL,
            Rule::End => KIND_END,
            Rule::Unsupported => KIND_UNSUPPORTED,
            Rule::Missing => KIND_MISSING,
        }
    }

    #[inline]
    pub(crate) fn unpack(word: u64) -> Rule {
        match word & 7 {
            KIND_FRAME => Rule::Frame {
                base: match (word >> BASE) & 7 {
                    0 => Base::Sp,
                    1 => Base::Fp,
                    2 => Base::AtSp,
                    3 => Base::AtFp,
                    _ => Base::Register(((word >> REGISTER) & 15) as u8),
                },
                offset: unfield(word, 20, OFFSET),
                addend: unfield(word, 10, ADDEND),
                fp: unsaved(word, FP),
                ra: unsaved(word, RA),
            },
            KIND_SIGNAL => Rule::SignalFrame,
            KIND_END => Rule::End,
            KIND_MISSING => Rule::Missing,
            _ => Rule::Unsupported,
        }
    }
}

fn pack_frame(base: Base, offset: i64, addend: i64, fp: Saved, ra: Saved) -> Option<u64> {
    let (base, register) = match base {
        Base::Sp => (0, 0),
        Base::Fp => (1, 0),
        Base::AtSp => (2, 0),
        Base::AtFp => (3, 0),
        Base::Register(r) if r < 16 => (4, u64::from(r)),
        Base::Register(_) => return None,
    };
    Some(
        KIND_FRAME
            | base << BASE
            | register << REGISTER
            | field(offset, 20, OFFSET)?
            | field(addend, 10, ADDEND)?
            | saved(fp, FP)?
            | saved(ra, RA)?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_survives_packing() {
        let mut rules = vec![
            Rule::SignalFrame,
            Rule::End,
            Rule::Unsupported,
            Rule::Missing,
        ];
        for base in [
            Base::Sp,
            Base::Fp,
            Base::AtSp,
            Base::AtFp,
            Base::Register(13),
        ] {
            for offset in [0, 8, -8, 524_287, -524_288] {
                for distance in [-8, -16, -4096, 4088] {
                    rules.push(Rule::Frame {
                        base,
                        offset,
                        addend: -512,
                        fp: Saved::AtFp(distance),
                        ra: Saved::AtCfa(distance),
                    });
                }
            }
        }
        for rule in rules {
            assert_ne!(rule.pack(), 0);
            assert_eq!(Rule::unpack(rule.pack()), rule);
        }
    }

    #[test]
    fn what_does_not_fit_is_unsupported_rather_than_wrong() {
        let frame = |offset, distance| Rule::Frame {
            base: Base::Sp,
            offset,
            addend: 0,
            fp: Saved::Same,
            ra: Saved::AtCfa(distance),
        };
        assert_eq!(Rule::unpack(frame(1 << 20, -8).pack()), Rule::Unsupported);
        assert_eq!(Rule::unpack(frame(8, -1 << 13).pack()), Rule::Unsupported);
        assert_eq!(Rule::unpack(frame(8, -4).pack()), Rule::Unsupported);
    }
}
