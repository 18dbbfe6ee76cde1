//! The signals that the calling thread blocks.

use std::mem::MaybeUninit;

use super::sampling_signal;

/// A set of blocked signals, as a thread has or had it.
#[derive(Clone, Copy)]
pub(crate) struct SignalMask {
    set: libc::sigset_t,
}

/// What a fault of the thread itself raises. The kernel delivers it blocked or
/// not, but blocked it ends the process without asking a handler.
const FAULTS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

impl SignalMask {
    /// The calling thread's, as it is.
    #[cfg(test)]
    pub(crate) fn current() -> Self {
        Self::block(&[])
    }

    /// Blocks these on the calling thread, too; returns what it was before.
    pub(crate) fn block(signals: &[libc::c_int]) -> Self {
        let mut set = empty();
        for signal in signals {
            // SAFETY: `set` is a valid set; a signal that does not exist is an error.
            unsafe { libc::sigaddset(&mut set, *signal) };
        }
        change(libc::SIG_BLOCK, &set)
    }

    /// Blocks all signals on the calling thread but those of its own faults and
    /// the sampler's; returns what it was before. The C library leaves its own
    /// out.
    ///
    /// A signal of the process's timer that expires on a thread that blocks it
    /// would go to another, and interrupt it for nothing.
    pub(crate) fn block_all_but_faults() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigfillset` makes a whole set of what it is given.
        let mut set = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            set.assume_init()
        };
        for signal in FAULTS.into_iter().chain(sampling_signal::in_force()) {
            // SAFETY: `set` is a valid set.
            unsafe { libc::sigdelset(&mut set, signal) };
        }
        change(libc::SIG_BLOCK, &set)
    }

    /// No longer blocks this one on the calling thread.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn unblock(signal: libc::c_int) {
        let mut set = empty();
        // SAFETY: `set` is a valid set; a signal that does not exist is an error.
        unsafe { libc::sigaddset(&mut set, signal) };
        change(libc::SIG_UNBLOCK, &set);
    }

    /// Makes this the calling thread's.
    pub(crate) fn restore(self) {
        change(libc::SIG_SETMASK, &self.set);
    }

    /// Whether this blocks a signal.
    pub(crate) fn blocks(&self, signal: libc::c_int) -> bool {
        // SAFETY: `set` is a valid set.
        unsafe { libc::sigismember(&self.set, signal) == 1 }
    }

    /// Whether a signal waits for the calling thread, or for its process.
    pub(crate) fn is_pending(signal: libc::c_int) -> bool {
        let mut set = empty();
        // SAFETY: `set` is valid for a write of one set.
        unsafe { libc::sigpending(&mut set) == 0 && libc::sigismember(&set, signal) == 1 }
    }

    /// Takes a signal away that the calling thread blocks, where one waits.
    pub(crate) fn take_pending(signal: libc::c_int) {
        if !Self::is_pending(signal) {
            return;
        }
        let mut set = empty();
        // SAFETY: `set` is a valid set.
        unsafe { libc::sigaddset(&mut set, signal) };
        super::take_signal(&set);
    }
}

fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` makes a whole set of what it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn change(how: libc::c_int, set: &libc::sigset_t) -> SignalMask {
    let mut before = empty();
    // SAFETY: both sets are valid; only the calling thread's mask changes.
    unsafe { libc::pthread_sigmask(how, set, &mut before) };
    SignalMask { set: before }
}
