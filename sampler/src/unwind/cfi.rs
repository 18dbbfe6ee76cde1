//! Call frame information: the rule for one program counter, out of one entry
//! of `.eh_frame`. Which entry it is, is `table`'s affair.
//!
//! This runs in the signal handler when the cache has no rule yet, so it is
//! pure: no allocation, no panic, bounded by the length of one entry. Only what
//! a walk needs is interpreted: the canonical frame address, the frame pointer
//! and the return address. The formats are those of the LSB ("Exception
//! Frames", ".eh_frame_hdr") and of DWARF 5 §6.4.

use super::arch::{DWARF_FP, DWARF_PC, DWARF_RA, DWARF_SP};
use super::bytes::{Image, Reader};
use super::rule::{Base, Rule, Saved};

/// How deep `DW_CFA_remember_state` may nest; compilers use one or two.
const STATES: usize = 8;

/// What a frame description entry inherits from its common entry.
struct Common<'a> {
    code_align: u64,
    data_align: i64,
    encoding: u8,
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
        code_align: reader.uleb()?,
        data_align: reader.sleb()?,
        encoding: 0,
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
                b'R' => common.encoding = data.u8()?,
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
    reader.pointer(common.encoding, 0)?;
    Some(reader.pointer(common.encoding & 0x0f, 0)? == 0)
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
    let start = reader.pointer(common.encoding, 0)?;
    let length = reader.pointer(common.encoding & 0x0f, 0)?;
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
    let mut machine = Machine {
        row: Row::START,
        initial: Row::START,
        stack: [Row::START; STATES],
        depth: 0,
        code_align: common.code_align,
        data_align: common.data_align,
        encoding: common.encoding,
        location: start,
        pc,
    };
    machine.run(common.instructions)?;
    machine.initial = machine.row;
    machine.run(reader)?;
    Some(machine.row.rule(pc))
}

/// The canonical frame address as the program says it.
#[derive(Clone, Copy)]
enum Cfa<'a> {
    Register(u64, i64),
    Expression(Reader<'a>),
}

#[derive(Clone, Copy)]
enum Column<'a> {
    Same,
    Undefined,
    AtCfa(i64),
    Expression(Reader<'a>),
    Other,
}

#[derive(Clone, Copy)]
struct Row<'a> {
    cfa: Option<Cfa<'a>>,
    fp: Column<'a>,
    ra: Column<'a>,
}

impl Row<'_> {
    const START: Row<'static> = Row {
        cfa: None,
        fp: Column::Same,
        ra: Column::Same,
    };

    fn rule(self, pc: u64) -> Rule {
        if matches!(self.ra, Column::Undefined) {
            return Rule::End;
        }
        let (base, offset, addend) = match self.cfa {
            Some(Cfa::Register(register, offset)) => (base_of(register), offset, 0),
            Some(Cfa::Expression(expression)) => match evaluate(expression, pc) {
                Some(Value::Register(register, offset)) => (base_of(register), offset, 0),
                Some(Value::Memory(register, offset, addend)) => match register {
                    DWARF_SP => (Some(Base::AtSp), offset, addend),
                    DWARF_FP => (Some(Base::AtFp), offset, addend),
                    _ => (None, 0, 0),
                },
                _ => (None, 0, 0),
            },
            None => (None, 0, 0),
        };
        let (Some(base), Some(ra)) = (base, self.ra.saved(pc)) else {
            return Rule::Unsupported;
        };
        Rule::Frame {
            base,
            offset,
            addend,
            // A frame pointer that cannot be followed may not be needed.
            fp: self.fp.saved(pc).unwrap_or(Saved::Unknown),
            ra,
        }
    }
}

fn base_of(register: u64) -> Option<Base> {
    match register {
        DWARF_SP => Some(Base::Sp),
        DWARF_FP => Some(Base::Fp),
        other => u8::try_from(other).ok().map(Base::Register),
    }
}

impl Column<'_> {
    fn saved(self, pc: u64) -> Option<Saved> {
        match self {
            Column::Same => Some(Saved::Same),
            Column::Undefined => Some(Saved::Unknown),
            Column::AtCfa(offset) => Some(Saved::AtCfa(offset)),
            Column::Expression(expression) => match evaluate(expression, pc)? {
                Value::Register(DWARF_FP, offset) => Some(Saved::AtFp(offset)),
                _ => None,
            },
            Column::Other => None,
        }
    }
}

struct Machine<'a> {
    row: Row<'a>,
    /// The row after the common entry's instructions, for `DW_CFA_restore`.
    initial: Row<'a>,
    stack: [Row<'a>; STATES],
    depth: usize,
    code_align: u64,
    data_align: i64,
    encoding: u8,
    location: u64,
    pc: u64,
}

impl<'a> Machine<'a> {
    fn set(&mut self, register: u64, column: Column<'a>) {
        match register {
            DWARF_FP => self.row.fp = column,
            DWARF_RA => self.row.ra = column,
            _ => {}
        }
    }

    fn restore(&mut self, register: u64) {
        match register {
            DWARF_FP => self.row.fp = self.initial.fp,
            DWARF_RA => self.row.ra = self.initial.ra,
            _ => {}
        }
    }

    fn factored(&self, units: i64) -> Column<'a> {
        Column::AtCfa(units.wrapping_mul(self.data_align))
    }

    /// Moves on; `true` when the row found so far is the one for `pc`.
    fn advance(&mut self, delta: u64) -> bool {
        let delta = delta.wrapping_mul(self.code_align);
        self.location = self.location.saturating_add(delta);
        self.location > self.pc
    }

    /// Executes until the row for `pc` is complete.
    fn run(&mut self, mut code: Reader<'a>) -> Option<()> {
        while !code.is_empty() {
            let opcode = code.u8()?;
            let low = u64::from(opcode & 0x3f);
            let done = match opcode & 0xc0 {
                0x40 => self.advance(low),
                0x80 => {
                    let units = code.uleb()? as i64;
                    self.set(low, self.factored(units));
                    false
                }
                0xc0 => {
                    self.restore(low);
                    false
                }
                _ => self.extended(opcode, &mut code)?,
            };
            if done {
                break;
            }
        }
        Some(())
    }

    /// The instructions without an operand in the opcode itself.
    fn extended(&mut self, opcode: u8, code: &mut Reader<'a>) -> Option<bool> {
        match opcode {
            0x00 => {}
            0x01 => {
                self.location = code.pointer(self.encoding, 0)?;
                return Some(self.location > self.pc);
            }
            0x02 => {
                let delta = u64::from(code.u8()?);
                return Some(self.advance(delta));
            }
            0x03 => {
                let delta = u64::from(code.u16()?);
                return Some(self.advance(delta));
            }
            0x04 => {
                let delta = u64::from(code.u32()?);
                return Some(self.advance(delta));
            }
            0x05 => {
                let (register, units) = (code.uleb()?, code.uleb()? as i64);
                self.set(register, self.factored(units));
            }
            0x06 => {
                let register = code.uleb()?;
                self.restore(register);
            }
            0x07 => {
                let register = code.uleb()?;
                self.set(register, Column::Undefined);
            }
            0x08 => {
                let register = code.uleb()?;
                self.set(register, Column::Same);
            }
            0x09 => {
                let (register, _from) = (code.uleb()?, code.uleb()?);
                self.set(register, Column::Other);
            }
            0x0a => {
                *self.stack.get_mut(self.depth)? = self.row;
                self.depth += 1;
            }
            0x0b => {
                self.depth = self.depth.checked_sub(1)?;
                self.row = *self.stack.get(self.depth)?;
            }
            0x0c => {
                let (register, offset) = (code.uleb()?, code.uleb()? as i64);
                self.row.cfa = Some(Cfa::Register(register, offset));
            }
            0x0d => {
                let register = code.uleb()?;
                let Some(Cfa::Register(_, offset)) = self.row.cfa else {
                    return None;
                };
                self.row.cfa = Some(Cfa::Register(register, offset));
            }
            0x0e => {
                let offset = code.uleb()? as i64;
                self.set_cfa_offset(offset)?;
            }
            0x0f => {
                let length = usize::try_from(code.uleb()?).ok()?;
                self.row.cfa = Some(Cfa::Expression(code.take(length)?));
            }
            0x10 => {
                let register = code.uleb()?;
                let length = usize::try_from(code.uleb()?).ok()?;
                let expression = code.take(length)?;
                self.set(register, Column::Expression(expression));
            }
            0x11 => {
                let (register, units) = (code.uleb()?, code.sleb()?);
                self.set(register, self.factored(units));
            }
            0x12 => {
                let (register, units) = (code.uleb()?, code.sleb()?);
                let offset = units.wrapping_mul(self.data_align);
                self.row.cfa = Some(Cfa::Register(register, offset));
            }
            0x13 => {
                let offset = code.sleb()?.wrapping_mul(self.data_align);
                self.set_cfa_offset(offset)?;
            }
            0x14 | 0x15 => {
                let (register, _units) = (code.uleb()?, code.uleb()?);
                self.set(register, Column::Other);
            }
            0x16 => {
                let register = code.uleb()?;
                let length = usize::try_from(code.uleb()?).ok()?;
                code.take(length)?;
                self.set(register, Column::Other);
            }
            // On aarch64, pointer authentication; the walk strips addresses.
            0x2d => {}
            0x2e => {
                code.uleb()?;
            }
            0x2f => {
                let (register, units) = (code.uleb()?, code.uleb()? as i64);
                self.set(register, self.factored(units.wrapping_neg()));
            }
            _ => return None,
        }
        Some(false)
    }

    fn set_cfa_offset(&mut self, offset: i64) -> Option<()> {
        let Some(Cfa::Register(register, _)) = self.row.cfa else {
            return None;
        };
        self.row.cfa = Some(Cfa::Register(register, offset));
        Some(())
    }
}

/// What an expression comes to, as far as it is known without registers.
#[derive(Clone, Copy)]
enum Value {
    Constant(i64),
    /// A register plus an offset.
    Register(u64, i64),
    /// The word at a register plus an offset, plus an addend.
    Memory(u64, i64, i64),
}

/// Evaluates the few shapes of expression that linkers and compilers emit:
/// procedure linkage stubs, whose frame depends on the program counter, and
/// realigned stacks, whose frame address was saved in memory.
fn evaluate(mut code: Reader<'_>, pc: u64) -> Option<Value> {
    let mut stack = [Value::Constant(0); 8];
    let mut depth = 0usize;
    while !code.is_empty() {
        let opcode = code.u8()?;
        let value = match opcode {
            // The operators with one operand.
            0x06 | 0x23 => {
                depth = depth.checked_sub(1)?;
                let operand = *stack.get(depth)?;
                if opcode == 0x06 {
                    let Value::Register(register, offset) = operand else {
                        return None;
                    };
                    Value::Memory(register, offset, 0)
                } else {
                    add(operand, Value::Constant(code.uleb()? as i64))?
                }
            }
            // The operators with two: and, minus, plus, shl, ge.
            0x1a | 0x1c | 0x22 | 0x24 | 0x2a => {
                depth = depth.checked_sub(2)?;
                let (left, right) = (*stack.get(depth)?, *stack.get(depth + 1)?);
                match (opcode, left, right) {
                    (0x22, left, right) => add(left, right)?,
                    (0x1c, left, Value::Constant(right)) => {
                        add(left, Value::Constant(right.wrapping_neg()))?
                    }
                    (_, Value::Constant(left), Value::Constant(right)) => {
                        Value::Constant(match opcode {
                            0x1a => left & right,
                            0x24 => left.checked_shl(u32::try_from(right).ok()?)?,
                            _ => i64::from(left >= right),
                        })
                    }
                    _ => return None,
                }
            }
            0x08 => Value::Constant(i64::from(code.u8()?)),
            0x09 => Value::Constant(i64::from(code.u8()? as i8)),
            0x10 => Value::Constant(code.uleb()? as i64),
            0x11 => Value::Constant(code.sleb()?),
            0x30..=0x4f => Value::Constant(i64::from(opcode - 0x30)),
            0x70..=0x8f => {
                let offset = code.sleb()?;
                match u64::from(opcode - 0x70) {
                    DWARF_PC => Value::Constant((pc as i64).wrapping_add(offset)),
                    register => Value::Register(register, offset),
                }
            }
            _ => return None,
        };
        *stack.get_mut(depth)? = value;
        depth += 1;
    }
    stack.get(depth.checked_sub(1)?).copied()
}

fn add(left: Value, right: Value) -> Option<Value> {
    match (left, right) {
        (Value::Constant(a), Value::Constant(b)) => Some(Value::Constant(a.wrapping_add(b))),
        (Value::Register(r, a), Value::Constant(b))
        | (Value::Constant(b), Value::Register(r, a)) => {
            Some(Value::Register(r, a.wrapping_add(b)))
        }
        (Value::Memory(r, a, b), Value::Constant(c))
        | (Value::Constant(c), Value::Memory(r, a, b)) => {
            Some(Value::Memory(r, a, b.wrapping_add(c)))
        }
        _ => None,
    }
}
