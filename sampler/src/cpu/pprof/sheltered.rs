//! The `pprof` crate's handler on a stack of ours.
//!
//! That crate installs its handler without `SA_ONSTACK`, and unwinds in it with
//! some ten kilobytes of stack, on whatever stack the signal finds. Once it is
//! installed it is replaced by one that calls it, as our own is called.

use std::io;
use std::mem;

use crate::cpu::native::masks::OPEN_IN_HANDLER;
use crate::cpu::native::signals::{self, Owner};
use crate::platform::private_stacks::{self, signal_entry};

unsafe extern "C" {
    fn perf_signal_handler(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    );
}

signal_entry! {
    /// The `pprof` crate's handler on a stack of our own.
    entry => perf_signal_handler
}

/// The addresses of the crate's handler and of the frame that calls it.
pub(super) fn handlers() -> (u64, u64) {
    (
        perf_signal_handler as *const () as u64,
        entry as *const () as u64,
    )
}

/// Has the crate's handler, which is installed, run on a stack of ours.
pub(super) fn shelter() -> io::Result<()> {
    private_stacks::prepare()?;
    // SAFETY: all-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = entry as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: `sa_mask` is a valid set to fill.
    unsafe {
        libc::sigfillset(&mut action.sa_mask);
        libc::sigdelset(&mut action.sa_mask, OPEN_IN_HANDLER);
    }
    // SAFETY: `entry` has the signature that SA_SIGINFO asks for, and all signals
    // in its mask.
    if unsafe { libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn current() -> libc::sigaction {
    // SAFETY: all-zero is a valid `sigaction` to be written over.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action only asks; `action` is valid for writes.
    unsafe { libc::sigaction(libc::SIGPROF, std::ptr::null(), &mut action) };
    action
}

fn is_ours(action: &libc::sigaction) -> bool {
    let (handler, caller) = handlers();
    [handler, caller].contains(&(action.sa_sigaction as u64))
}

/// Whether the program handles SIGPROF itself, which the crate does not ask.
pub(super) fn is_taken() -> bool {
    signals::owner(libc::SIGPROF) == Owner::SomebodyElse && !is_ours(&current())
}

/// Runs `stop`, in which the crate resets SIGPROF whoever handles it by now, and
/// gives it back to the program where that had taken it.
pub(super) fn stop(stop: impl FnOnce()) {
    let before = current();
    stop();
    if signals::owner(libc::SIGPROF) == Owner::Nobody && !is_ours(&before) {
        // SAFETY: an action that was in force a moment ago.
        unsafe { libc::sigaction(libc::SIGPROF, &before, std::ptr::null_mut()) };
    }
}
