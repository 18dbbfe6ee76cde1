//! Reading a thread's stack without ever faulting.
//!
//! A stack slot inside the part of the stack that is known to be readable is a
//! plain load. Any other address is first asked of the kernel, a page at a
//! time: `rt_sigprocmask` with an impossible `how` copies the mask from the
//! address before it looks at `how`, so it says `EFAULT` for an unreadable page
//! and `EINVAL` otherwise, changes nothing, and is never refused by a filter.
//! (A fault handler of our own was rejected: it would stand between a stack
//! overflow and the message that Rust prints for it. `process_vm_readv` was
//! rejected because containers refuse it.)
//!
//! What may be remembered from one sample to the next is only a run of readable
//! pages that reaches up to the thread control block: the C library puts that
//! block on top of the thread's own stack, below which is a guard page, so such
//! a run is that stack, and it stays for as long as the thread. Stacks of
//! coroutines and alternate signal stacks may go, and are asked about anew.

use super::arch;

const PAGE: u64 = 4096;
/// Pages asked about in one sample at most; beyond, the walk is cut short.
const PROBES: u32 = 192;
/// How far below the control block a first sample looks.
const FIRST_LOOK: u64 = 64 * PAGE;

/// Words of memory by address.
pub(crate) trait Memory {
    /// The word at `address`, or `None` where there is none to be had.
    fn word(&mut self, address: u64) -> Option<u64>;
}

/// The stack of the calling thread.
pub(crate) struct Stack {
    low: u64,
    high: u64,
    probes: u32,
}

/// The initial thread's stack: its upper end, where it is known to begin, and
/// how far down it may be taken for granted.
#[derive(Clone, Copy)]
pub(crate) struct MainStack {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// A run of readable pages that a thread remembers, `high` 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownRun {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl Stack {
    /// Prepares to read the calling thread's stack, interrupted at `sp`, and
    /// returns what is worth remembering.
    pub(crate) fn new(sp: u64, main: Option<MainStack>, known: KnownRun) -> (Self, KnownRun) {
        let page = sp & !(PAGE - 1);
        let mut stack = Stack {
            low: page,
            high: page,
            probes: PROBES,
        };
        // The kernel grows the initial thread's stack downwards without holes.
        if let Some(main) = main
            && (main.low..main.high).contains(&sp)
        {
            stack.high = main.high;
            return (stack, KnownRun::default());
        }
        let top = arch::thread_pointer() & !(PAGE - 1);
        let remembered = known.high == top && known.high != 0;
        if remembered && (known.low..known.high).contains(&sp) {
            stack.low = known.low;
            stack.high = known.high;
            return (stack, known);
        }
        // Look from the lowest page in use up to what is known already.
        let until = if remembered && page < known.low {
            known.low
        } else {
            top
        };
        if page >= until || until - page > FIRST_LOOK {
            return (stack, known);
        }
        while stack.high < until && stack.probe(stack.high) {
            stack.high += PAGE;
        }
        if stack.high < until {
            return (stack, known);
        }
        stack.high = top;
        let run = KnownRun {
            low: stack.low,
            high: stack.high,
        };
        (stack, run)
    }

    fn probe(&mut self, page: u64) -> bool {
        match self.probes.checked_sub(1) {
            Some(left) => {
                self.probes = left;
                is_readable(page)
            }
            None => false,
        }
    }
}

impl Memory for Stack {
    #[inline]
    fn word(&mut self, address: u64) -> Option<u64> {
        if address & 7 != 0 {
            return None;
        }
        if address < self.low || address >= self.high {
            let page = address & !(PAGE - 1);
            if page == 0 || !self.probe(page) {
                return None;
            }
            if page == self.high {
                self.high += PAGE;
            } else {
                self.low = page;
                self.high = page + PAGE;
            }
        }
        // SAFETY: `address` is aligned and lies in [low, high), whole pages
        // that were found readable and that belong to the stack this thread
        // stands on, so nobody unmaps them before this handler returns. The
        // load is volatile because the memory is not Rust's to reason about.
        Some(unsafe { std::ptr::with_exposed_provenance::<u64>(address as usize).read_volatile() })
    }
}

/// Whether the eight bytes at `address` can be read.
pub(crate) fn is_readable(address: u64) -> bool {
    const IMPOSSIBLE_HOW: libc::c_long = -1;
    // SAFETY: the kernel checks the address itself and, `how` being invalid,
    // never changes the signal mask; no memory is written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            IMPOSSIBLE_HOW,
            address as libc::c_long,
            0 as libc::c_long,
            8 as libc::c_long,
        )
    };
    // SAFETY: `__errno_location` always points at this thread's errno.
    result == -1 && unsafe { *libc::__errno_location() } == libc::EINVAL
}

/// The eight bytes at `address` of code, however aligned.
pub(crate) fn code_word(address: u64) -> Option<u64> {
    if !is_readable(address) {
        return None;
    }
    // SAFETY: the kernel has just read these eight bytes. Code of a module can
    // only be unmapped meanwhile by a host that unloads what it is executing.
    Some(unsafe { std::ptr::with_exposed_provenance::<u64>(address as usize).read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_and_unreadable_addresses_are_told_apart() {
        let word = 77u64;
        let address = std::ptr::from_ref(&word) as u64;
        assert!(is_readable(address));
        assert!(!is_readable(8));
        assert!(!is_readable(0x7fff_ffff_f000));
    }

    #[test]
    fn a_thread_remembers_its_stack_and_reads_it() {
        std::thread::spawn(|| {
            let local = 0x1234u64;
            let address = std::ptr::from_ref(&local) as u64;
            let (mut stack, known) = Stack::new(address & !15, None, KnownRun::default());
            assert_eq!(stack.word(address), Some(0x1234));
            assert_eq!(stack.word(address + 4), None);
            assert_eq!(stack.word(0), None);
            assert!(known.high > address && known.low <= address);
            let (again, _) = Stack::new(address & !15, None, known);
            assert_eq!(again.probes, PROBES);
        })
        .join()
        .expect("the reading thread ends");
    }
}
