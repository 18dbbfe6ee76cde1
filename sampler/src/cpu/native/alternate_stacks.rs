//! Alternate signal stacks for threads that have none.
//!
//! With `SA_ONSTACK` the kernel puts a signal's frame (three and a half
//! kilobytes where the processor has AVX-512) on the thread's alternate stack.
//! Rust's and Go's threads have one; a thread of a C library mostly has none,
//! and may have a small stack. The first signal on such a thread gives it one.
//!
//! It is set by the signal's return: the kernel restores the alternate stack
//! that the handler's context names. A thread that has one keeps its own, and
//! a thread that sets one later does. (In a handler on a stack with
//! `SS_AUTODISARM` a thread seems to have none: what is set then lasts until
//! that handler returns, which sets the host's again.)
//!
//! A thread may stand on its alternate stack for as long as it lives, so none
//! is freed; the stack of a thread that has ended goes to another.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::platform;

/// As large as a host's handler may expect that so far ran on the thread's own
/// stack; pages that are never touched cost nothing.
const SIZE: usize = 256 * 1024;
const GUARD: usize = 4096;
/// Threads without an alternate stack at one time; beyond, signals stand on
/// the thread's own stack.
const MAX_STACKS: usize = 256;

struct Slot {
    /// Whose it is, in the low half; 0 for nobody's. The high half counts how
    /// often it was given, so that [`reclaim`] does not take for ended a thread
    /// that was born with the number of one that has.
    owner: AtomicU64,
    /// Where it begins; 0 while it is not made. Written by its owner only.
    base: AtomicU64,
}

static SLOTS: [Slot; MAX_STACKS] = [const {
    Slot {
        owner: AtomicU64::new(0),
        base: AtomicU64::new(0),
    }
}; MAX_STACKS];

fn tid_of(owner: u64) -> u32 {
    owner as u32
}

fn next(owner: u64, tid: u32) -> u64 {
    ((owner >> 32) + 1) << 32 | u64::from(tid)
}

/// In the handler: has the thread get an alternate stack with the signal's
/// return if it has none.
#[inline]
pub(super) fn give(stack: &mut libc::stack_t, tid: u32) {
    if stack.ss_flags & libc::SS_DISABLE == 0 {
        return;
    }
    let Some(slot) = slot(tid) else {
        return;
    };
    let mut base = slot.base.load(Relaxed);
    if base == 0 {
        let Some(made) = map() else {
            slot.owner.store(0, Release);
            return;
        };
        base = made;
        slot.base.store(base, Relaxed);
    }
    stack.ss_sp = (base as usize + GUARD) as *mut libc::c_void;
    stack.ss_size = SIZE;
    stack.ss_flags = 0;
}

/// The slot of this thread, or of one that had the same number before, or else
/// a free one.
fn slot(tid: u32) -> Option<&'static Slot> {
    let take = |wanted: u32| {
        SLOTS.iter().find(|slot| {
            let owner = slot.owner.load(Acquire);
            tid_of(owner) == wanted
                && slot
                    .owner
                    .compare_exchange(owner, next(owner, tid), AcqRel, Relaxed)
                    .is_ok()
        })
    };
    take(tid).or_else(|| take(0))
}

/// Maps a stack with a guard below; its address. System calls alone.
fn map() -> Option<u64> {
    // SAFETY: a new private mapping without an address of our choice.
    let address = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            0 as libc::c_long,
            (SIZE + GUARD) as libc::c_long,
            (libc::PROT_READ | libc::PROT_WRITE) as libc::c_long,
            (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK)
                as libc::c_long,
            -1 as libc::c_long,
            0 as libc::c_long,
        )
    };
    if address == -1 {
        return None;
    }
    // SAFETY: the lowest page of the mapping just made. A refusal leaves the
    // stack without a guard, as most alternate stacks are.
    unsafe {
        libc::syscall(
            libc::SYS_mprotect,
            address,
            GUARD as libc::c_long,
            libc::PROT_NONE as libc::c_long,
        )
    };
    Some(address as u64)
}

/// Takes back the stacks of threads that have ended, and their memory.
pub(super) fn reclaim() {
    /// No thread has this number.
    const CLEARING: u32 = u32::MAX;
    for slot in &SLOTS {
        let owner = slot.owner.load(Acquire);
        if tid_of(owner) == 0 || platform::thread_exists(tid_of(owner)) {
            continue;
        }
        let clearing = next(owner, CLEARING);
        if slot
            .owner
            .compare_exchange(owner, clearing, AcqRel, Relaxed)
            .is_err()
        {
            continue;
        }
        let base = slot.base.load(Relaxed);
        if base != 0 {
            // SAFETY: whole pages of a mapping of ours, on which nobody stands:
            // its thread had ended, and no other has been given it.
            unsafe {
                libc::madvise(
                    (base as usize + GUARD) as *mut libc::c_void,
                    SIZE,
                    libc::MADV_DONTNEED,
                )
            };
        }
        slot.owner.store(next(clearing, 0), Release);
    }
}

/// In a forked child: forgets all stacks. The one thread that is there may
/// have one of them, under the number that it had in the parent.
pub(super) fn forget_in_child() {
    for slot in &SLOTS {
        slot.base.store(0, Relaxed);
        slot.owner.store(0, Release);
    }
}
