//! The `pprof` crate's handler on a stack of ours.
//!
//! That crate installs its handler without `SA_ONSTACK`, and unwinds in it with
//! some ten kilobytes of stack, on whatever stack the signal finds. Once it is
//! installed it is replaced by one that calls it, as our own is called.

use std::io;
use std::mem;

use crate::private_stacks::{self, signal_entry};

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
pub(crate) fn handlers() -> (u64, u64) {
    (
        perf_signal_handler as *const () as u64,
        entry as *const () as u64,
    )
}

/// Has the crate's handler, which is installed, run on a stack of ours.
pub(crate) fn shelter() -> io::Result<()> {
    private_stacks::prepare()?;
    // SAFETY: all-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = entry as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: `sa_mask` is a valid set to fill.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    // SAFETY: `entry` has the signature that SA_SIGINFO asks for, and all signals
    // in its mask.
    if unsafe { libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
