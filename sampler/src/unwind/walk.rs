//! The walk from the interrupted or the calling instruction to the thread's
//! first frame.

use super::arch;
use super::cache::{Key, RuleCache};
use super::memory::{Memory, code_word};
use super::modules::ModuleTable;
use super::rule::{Base, Rule, Saved};
use super::table as entries;

/// What the processor held where the walk begins.
pub(crate) struct Start<'a> {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) fp: u64,
    /// The return address where it is in a register.
    pub(crate) link: u64,
    /// All registers, where a signal saved them.
    pub(crate) context: Option<&'a libc::ucontext_t>,
}

impl Start<'static> {
    /// Here, in the calling function, which must not return before the walk
    /// is over. A rule that needs other registers than these cannot be
    /// followed in it.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let [pc, sp, fp, link] = arch::here();
        Start {
            pc,
            sp,
            fp,
            link,
            context: None,
        }
    }
}

impl<'a> Start<'a> {
    /// Where a signal interrupted the thread.
    pub(crate) fn interrupted(context: &'a libc::ucontext_t) -> Self {
        Start {
            pc: arch::pc(context),
            sp: arch::register(context, arch::DWARF_SP),
            fp: arch::register(context, arch::DWARF_FP),
            link: arch::link(context),
            context: Some(context),
        }
    }
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// At the thread's first frame.
    Complete,
    /// The caller's buffer was full.
    TooDeep,
    /// A frame could not be followed.
    Lost,
}

/// What a walk found.
pub(crate) struct Walked {
    /// Frames written, at least one.
    pub(crate) depth: usize,
    pub(crate) ended: Ended,
    /// An address was met that no known module has.
    pub(crate) unknown_code: bool,
}

/// The registers a walk carries from frame to frame.
struct Frame {
    pc: u64,
    sp: u64,
    fp: u64,
    /// The return address while it is still in a register.
    link: u64,
    /// The program counter is an instruction that was interrupted, rather than
    /// the one after a call.
    exact: bool,
    first: bool,
}

/// Walks the stack and writes program counters, innermost first, into
/// `frames`, which must not be empty.
pub(crate) fn walk(
    start: &Start<'_>,
    table: &ModuleTable,
    cache: &RuleCache,
    memory: &mut impl Memory,
    frames: &mut [u64],
) -> Walked {
    let mut frame = Frame {
        pc: start.pc,
        sp: start.sp,
        fp: start.fp,
        link: start.link,
        exact: true,
        first: true,
    };
    let mut walked = Walked {
        depth: 0,
        ended: Ended::TooDeep,
        unknown_code: false,
    };
    for slot in frames.iter_mut() {
        // A return address may be the first of the next function when the
        // call never returns; its call instruction is one byte before.
        let lookup = if frame.exact {
            frame.pc
        } else {
            frame.pc.wrapping_sub(1)
        };
        *slot = lookup;
        walked.depth += 1;
        let rule = rule_for(table, cache, lookup);
        // Guessing may get past it; the table is out of date all the same.
        if matches!(rule, Rule::Missing) && !table.is_code(lookup) {
            walked.unknown_code = true;
        }
        match step(&mut frame, rule, start.context, table, memory) {
            Step::Caller => {}
            Step::End => {
                walked.ended = Ended::Complete;
                break;
            }
            Step::Lost => {
                walked.ended = Ended::Lost;
                break;
            }
        }
    }
    walked
}

#[inline]
fn rule_for(table: &ModuleTable, cache: &RuleCache, pc: u64) -> Rule {
    let key = Key::new(pc, table.generation);
    if let Some(word) = cache.get(key) {
        return Rule::unpack(word);
    }
    let rule = match table.lookup(pc) {
        Some((image, header)) => entries::rule_for(image, header, pc),
        None => Rule::Missing,
    };
    let word = rule.pack();
    cache.put(key, word);
    Rule::unpack(word)
}

enum Step {
    Caller,
    End,
    Lost,
}

#[inline]
fn step(
    frame: &mut Frame,
    rule: Rule,
    context: Option<&libc::ucontext_t>,
    table: &ModuleTable,
    memory: &mut impl Memory,
) -> Step {
    let next = match rule {
        Rule::Frame {
            base,
            offset,
            addend,
            fp,
            ra,
        } => by_rule(frame, context, memory, base, offset, addend, fp, ra),
        Rule::SignalFrame => trampoline(frame, memory),
        Rule::End => return Step::End,
        Rule::Unsupported | Rule::Missing => without_rule(frame, table, memory),
    };
    match next {
        None if frame.fp == 0 && matches!(rule, Rule::Missing) && !frame.first => Step::End,
        None => Step::Lost,
        Some(next) if next.pc == 0 => Step::End,
        // A stack grows downwards: a caller's frame is above, or the walk
        // would go round in circles. Signal stacks may lie anywhere.
        Some(next) if next.sp <= frame.sp && !frame.first && !next.exact => Step::Lost,
        Some(next) => {
            *frame = next;
            Step::Caller
        }
    }
}

#[inline]
#[allow(clippy::too_many_arguments)] // The fields of one rule.
fn by_rule(
    frame: &Frame,
    context: Option<&libc::ucontext_t>,
    memory: &mut impl Memory,
    base: Base,
    offset: i64,
    addend: i64,
    fp: Saved,
    ra: Saved,
) -> Option<Frame> {
    let cfa = match base {
        Base::Sp => frame.sp.wrapping_add_signed(offset),
        Base::Fp => frame.fp.wrapping_add_signed(offset),
        Base::AtSp => memory
            .word(frame.sp.wrapping_add_signed(offset))?
            .wrapping_add_signed(addend),
        Base::AtFp => memory
            .word(frame.fp.wrapping_add_signed(offset))?
            .wrapping_add_signed(addend),
        Base::Register(register) if frame.first => {
            arch::register(context?, u64::from(register)).wrapping_add_signed(offset)
        }
        Base::Register(_) => return None,
    };
    let mut saved = |saved, register| match saved {
        Saved::Same => Some(register),
        Saved::AtCfa(distance) => memory.word(cfa.wrapping_add_signed(distance)),
        Saved::AtFp(distance) => memory.word(frame.fp.wrapping_add_signed(distance)),
        Saved::Unknown => Some(0),
    };
    let pc = match ra {
        Saved::Same if !frame.first => return None,
        ra => saved(ra, frame.link)?,
    };
    Some(Frame {
        pc,
        sp: cfa,
        fp: saved(fp, frame.fp)?,
        link: 0,
        exact: false,
        first: false,
    })
}

/// The frame that a signal interrupted, from the context its trampoline will
/// restore.
fn trampoline(frame: &Frame, memory: &mut impl Memory) -> Option<Frame> {
    let (pc, sp, fp) = arch::TRAMPOLINE;
    Some(Frame {
        pc: memory.word(frame.sp.wrapping_add(pc))?,
        sp: memory.word(frame.sp.wrapping_add(sp))?,
        fp: memory.word(frame.sp.wrapping_add(fp))?,
        link: 0,
        exact: true,
        first: false,
    })
}

/// Code without unwind information: a signal trampoline by its instructions, a
/// leaf whose return address is still on top, or a frame pointer.
fn without_rule(frame: &Frame, table: &ModuleTable, memory: &mut impl Memory) -> Option<Frame> {
    if code_word(frame.pc) == Some(arch::TRAMPOLINE_CODE) {
        return trampoline(frame, memory);
    }
    if frame.first
        && let Some(top) = memory.word(frame.sp)
        && returns_after_call(top, table)
    {
        return Some(Frame {
            pc: top,
            sp: frame.sp.wrapping_add(8),
            fp: frame.fp,
            link: 0,
            exact: false,
            first: false,
        });
    }
    if frame.fp < frame.sp {
        return None;
    }
    let ra = memory.word(frame.fp.wrapping_add(8))?;
    if ra != 0 && !returns_after_call(ra, table) {
        return None;
    }
    Some(Frame {
        pc: ra,
        sp: frame.fp.wrapping_add(16),
        fp: memory.word(frame.fp)?,
        link: 0,
        exact: false,
        first: false,
    })
}

/// Whether `address` can be a return address: code, after a call.
fn returns_after_call(address: u64, table: &ModuleTable) -> bool {
    table.is_code(address)
        && code_word(address.wrapping_sub(8))
            .is_some_and(|word| arch::ends_in_call(word.to_le_bytes()))
}
