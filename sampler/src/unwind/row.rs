//! The rows of call frame information: where, for a program counter, the frame is
//! and where the caller's registers were saved.
//!
//! Only what a walk needs is interpreted: the canonical frame address, the frame
//! pointer and the return address. As pure as `cfi`.

use super::arch::{DWARF_FP, DWARF_RA, DWARF_SP};
use super::bytes::Reader;
use super::expression::{Value, evaluate};
use super::rule::{Base, Rule, Saved};

/// How deep `DW_CFA_remember_state` may nest; compilers use one or two.
const STATES: usize = 8;

/// How the canonical frame address is found.
#[derive(Clone, Copy)]
enum Cfa<'a> {
    Register(u64, i64),
    Expression(Reader<'a>),
}

/// Where a register of the caller was saved.
#[derive(Clone, Copy)]
enum Column<'a> {
    Same,
    Undefined,
    AtCfa(i64),
    Expression(Reader<'a>),
    Other,
}

/// Where a frame and its caller's registers are, for a range of program counters.
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

    /// The row as a step up the stack.
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

/// How the operands of an entry's instructions are written.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    /// The unit of distances in code.
    pub(super) code_align: u64,
    /// The unit of distances on the stack.
    pub(super) data_align: i64,
    /// The encoding of addresses.
    pub(super) encoding: u8,
}

/// Executes the instructions of one entry until the row for a program counter is
/// complete.
pub(super) struct Machine<'a> {
    row: Row<'a>,
    /// The row after the common entry's instructions, for `DW_CFA_restore`.
    initial: Row<'a>,
    stack: [Row<'a>; STATES],
    depth: usize,
    operands: Operands,
    location: u64,
    pc: u64,
}

impl<'a> Machine<'a> {
    /// A machine for an entry that covers code from `start` on.
    pub(super) fn new(operands: Operands, start: u64, pc: u64) -> Self {
        Machine {
            row: Row::START,
            initial: Row::START,
            stack: [Row::START; STATES],
            depth: 0,
            operands,
            location: start,
            pc,
        }
    }

    /// Executes the instructions of the common entry, which come first.
    pub(super) fn run_common(&mut self, code: Reader<'a>) -> Option<()> {
        self.run(code)?;
        self.initial = self.row;
        Some(())
    }

    /// The rule of the row found.
    pub(super) fn rule(&self) -> Rule {
        self.row.rule(self.pc)
    }

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
        Column::AtCfa(units.wrapping_mul(self.operands.data_align))
    }

    /// Moves on; `true` when the row found so far is the one for `pc`.
    fn advance(&mut self, delta: u64) -> bool {
        let delta = delta.wrapping_mul(self.operands.code_align);
        self.location = self.location.saturating_add(delta);
        self.location > self.pc
    }

    /// Executes until the row for `pc` is complete.
    pub(super) fn run(&mut self, mut code: Reader<'a>) -> Option<()> {
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
                self.location = code.pointer(self.operands.encoding, 0)?;
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
                let offset = units.wrapping_mul(self.operands.data_align);
                self.row.cfa = Some(Cfa::Register(register, offset));
            }
            0x13 => {
                let offset = code.sleb()?.wrapping_mul(self.operands.data_align);
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
