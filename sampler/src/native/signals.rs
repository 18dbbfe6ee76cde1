//! Which signals are ours to use, and installing the handler for them.
//!
//! A signal whose disposition somebody else has set is never taken. Ours stays
//! installed after the sampler stops, inert: a last signal may still be on its
//! way, and `SIG_DFL` for it would end the process.

use std::io;
use std::mem;

use super::handler::on_signal;
use crate::error::Error;

type Action = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn handler_address() -> usize {
    let handler: Action = on_signal;
    handler as usize
}

/// Whose a signal is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Nobody,
    Us,
    SomebodyElse,
}

pub(crate) fn owner(signal: libc::c_int) -> Owner {
    // SAFETY: all-zero is a valid `sigaction` to be written over.
    let mut current: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action only asks; `current` is valid for writes.
    if unsafe { libc::sigaction(signal, std::ptr::null(), &mut current) } != 0 {
        return Owner::SomebodyElse;
    }
    match current.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => Owner::Nobody,
        address if address == handler_address() => Owner::Us,
        _ => Owner::SomebodyElse,
    }
}

/// Installs our handler for a signal that is nobody's or ours.
pub(crate) fn install(signal: libc::c_int) -> Result<(), Error> {
    // SAFETY: all-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler_address();
    // Without SA_ONSTACK: alternate stacks are often too small for a second
    // handler on top of the one they were made for.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // Both of our signals are held back while one is handled.
    // SAFETY: `sa_mask` is a valid set and the signal numbers exist.
    unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaddset(&mut action.sa_mask, libc::SIGPROF);
        libc::sigaddset(&mut action.sa_mask, libc::SIGTRAP);
        libc::sigaddset(&mut action.sa_mask, signal);
    }
    // SAFETY: `on_signal` has the signature that SA_SIGINFO asks for and keeps
    // to the rules of handlers, as its file says.
    if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
        return Err(Error::System {
            call: "sigaction",
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

/// A signal for timers: SIGPROF, or a real-time signal that nobody uses where
/// the host has taken that.
pub(crate) fn for_timers() -> Option<libc::c_int> {
    let real_time = (libc::SIGRTMIN()..libc::SIGRTMAX()).rev();
    std::iter::once(libc::SIGPROF)
        .chain(real_time)
        .find(|signal| owner(*signal) != Owner::SomebodyElse)
}
