//! Call frame information: the rule for one program counter, out of one entry
//! of `.eh_frame`. Which entry it is, `table` finds; its instructions are executed
//! by `row`.
//!
//! This runs in the signal handler when the cache has no rule yet, so it is
//! pure: no allocation, no panic, bounded by the length of one entry. The formats
//! are those of the LSB ("Exception Frames", ".eh_frame_hdr") and of DWARF 5 §6.4.

use super::arch::DWARF_RA;
use super::bytes::{Image, Reader};
use super::row::{Machine, Operands};
use super::rule::Rule;

/// What a frame description entry inherits from its common entry.
struct Common<'a> {
    operands: Operands,
    augmented: bool,
    signal: bool,
    instructions: Reader<'a>,
}

/// The body of an entry and the address of its id field.
fn entry_body(image: Image<'_>, address: u64) -> Option<Reader<'_>> {
    let mut reader = image.at(address)?;
    let length = match reader.u32()? {
        0xffff_ffff => reader.u64()?,
        0 => return None,
        length => u64::from(length),
    };
    reader.take(usize::try_from(length).ok()?)
}

fn common_entry(image: Image<'_>, address: u64) -> Option<Common<'_>> {
    let mut reader = entry_body(image, address)?;
    if reader.u32()? != 0 {
        return None;
    }
    let version = reader.u8()?;
    let mut letters = reader;
    while reader.u8()? != 0 {}
    let mut common = Common {
        operands: Operands {
            code_align: reader.uleb()?,
            data_align: reader.sleb()?,
            encoding: 0,
        },
        augmented: false,
        signal: false,
        instructions: reader,
    };
    let return_register = if version == 1 {
        u64::from(reader.u8()?)
    } else {
        reader.uleb()?
    };
    if return_register != DWARF_RA {
        return None;
    }
    common.instructions = reader;
    if letters.u8()? == b'z' {
        common.augmented = true;
        let length = usize::try_from(reader.uleb()?).ok()?;
        let mut data = reader.take(length)?;
        common.instructions = reader;
        loop {
            match letters.u8()? {
                0 => break,
                b'R' => common.operands.encoding = data.u8()?,
                b'L' => {
                    data.u8()?;
                }
                b'P' => {
                    let encoding = data.u8()?;
                    data.pointer(encoding & 0x0f, 0)?;
                }
                b'S' => common.signal = true,
                b'B' | b'G' => {}
                // What follows an unknown letter cannot be placed.
                _ => return None,
            }
        }
    }
    Some(common)
}

/// The address of the entry behind the one at `address`.
pub(crate) fn next_entry(image: Image<'_>, address: u64) -> Option<u64> {
    let body = entry_body(image, address)?;
    body.address.checked_add(body.length())
}

/// Whether the entry at `address` covers no code: an empty function's, or one
/// that only other entries refer to.
pub(crate) fn is_empty(image: Image<'_>, address: u64) -> Option<bool> {
    let mut reader = entry_body(image, address)?;
    let id_address = reader.address;
    let id = reader.u32()?;
    if id == 0 {
        return Some(true);
    }
    let common = common_entry(image, id_address.checked_sub(u64::from(id))?)?;
    reader.pointer(common.operands.encoding, 0)?;
    Some(reader.pointer(common.operands.encoding & 0x0f, 0)? == 0)
}

/// The rule for `pc` in the frame description entry at `address`; `None` when
/// the entry is damaged or does not reach as far as `pc`.
pub(crate) fn rule_in_entry(image: Image<'_>, address: u64, pc: u64) -> Option<Rule> {
    let mut reader = entry_body(image, address)?;
    let id_address = reader.address;
    let id = reader.u32()?;
    if id == 0 {
        return None;
    }
    let common = common_entry(image, id_address.checked_sub(u64::from(id))?)?;
    let start = reader.pointer(common.operands.encoding, 0)?;
    let length = reader.pointer(common.operands.encoding & 0x0f, 0)?;
    if pc.checked_sub(start)? >= length {
        return None;
    }
    if common.signal {
        return Some(Rule::SignalFrame);
    }
    if common.augmented {
        let skip = usize::try_from(reader.uleb()?).ok()?;
        reader.take(skip)?;
    }
    let mut machine = Machine::new(common.operands, start, pc);
    machine.run_common(common.instructions)?;
    machine.run(reader)?;
    Some(machine.rule())
}
