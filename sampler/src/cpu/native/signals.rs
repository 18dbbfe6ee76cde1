//! Which signals are ours to use, and installing the handler for them.
//!
//! A signal whose disposition somebody else has set is never taken. Ours stays
//! installed after the sampler stops, inert: a last signal may still be on its
//! way, and `SIG_DFL` for it would end the process.

use std::io;
use std::mem;

use super::handler::entry;
use super::masks::{self, OPEN_IN_HANDLER};
use crate::error::Error;
use crate::platform::sampling_signal;

type Action = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn handler_address() -> usize {
    let handler: Action = entry;
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
    // With SA_ONSTACK the kernel's frame goes to the thread's alternate stack:
    // goroutines and coroutines have no room for it, and a stack that is about
    // to overflow has none either.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // All signals are held back for the microseconds that ours takes: a handler
    // of the host would find itself on the stack that ours stands on, and one
    // with SA_ONSTACK would begin at the top of the alternate stack, over the
    // frame that ours returns through.
    // SAFETY: `sa_mask` is a valid set to fill.
    unsafe {
        libc::sigfillset(&mut action.sa_mask);
        libc::sigdelset(&mut action.sa_mask, OPEN_IN_HANDLER);
    }
    // SAFETY: `entry` has the signature that SA_SIGINFO asks for and keeps
    // to the rules of handlers, as its file says.
    if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
        return Err(Error::System {
            call: "sigaction",
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

/// Installs our handler for the signal that timers send from now on.
pub(crate) fn install_for_timers(signal: libc::c_int) -> Result<(), Error> {
    install(signal)?;
    sampling_signal::set(signal, handler_address());
    Ok(())
}

/// The signals that can be used, best first.
///
/// First those that are ignored by default: a host that resets its handlers (as
/// daemons do) then stops the sampling instead of being ended by it, and a late
/// signal harms nobody. Of these, SIGCHLD belongs to whoever has children and
/// SIGCONT changes the process's state; SIGURG is what Go's runtime preempts
/// goroutines with, so SIGWINCH, of which a service without a terminal has no
/// use, comes before it. The others end the process by default: they are for
/// a host that handles both.
fn candidates() -> impl Iterator<Item = libc::c_int> {
    let real_time = (libc::SIGRTMIN()..libc::SIGRTMAX()).rev();
    [libc::SIGWINCH, libc::SIGURG]
        .into_iter()
        .chain(real_time)
        .chain([libc::SIGPROF])
}

/// The first signal that nobody handles and no thread blocks; where all of
/// them are blocked somewhere, the one that the fewest threads block.
pub(crate) fn choose() -> Option<libc::c_int> {
    let blocked = masks::of_all_threads();
    candidates()
        .filter(|signal| owner(*signal) != Owner::SomebodyElse)
        .min_by_key(|signal| blocked.iter().filter(|mask| mask.blocks(*signal)).count())
}

/// The name of a signal, as its documentation spells it.
pub(crate) fn name(signal: libc::c_int) -> String {
    match signal {
        libc::SIGWINCH => "SIGWINCH".to_owned(),
        libc::SIGURG => "SIGURG".to_owned(),
        libc::SIGPROF => "SIGPROF".to_owned(),
        libc::SIGTRAP => "SIGTRAP".to_owned(),
        other => format!("SIGRTMIN+{}", other - libc::SIGRTMIN()),
    }
}
