//! DWARF expressions, as far as call frame information uses them. As pure as `cfi`.

use super::arch::DWARF_PC;
use super::bytes::Reader;

/// The value of an expression, as far as it is known without registers.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Constant(i64),
    /// A register plus an offset.
    Register(u64, i64),
    /// The word at a register plus an offset, plus an addend.
    Memory(u64, i64, i64),
}

/// Evaluates the few shapes of expression that linkers and compilers emit:
/// procedure linkage stubs, whose frame depends on the program counter, and
/// realigned stacks, whose frame address was saved in memory.
pub(super) fn evaluate(mut code: Reader<'_>, pc: u64) -> Option<Value> {
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
