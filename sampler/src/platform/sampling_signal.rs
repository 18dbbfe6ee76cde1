//! The signal that the sampler's timers send, where everyone can ask for it: the
//! handler arms timers with it, and threads of ours leave it open.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

/// 0 while there is none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The address of the handler that was installed for it.
static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Says which signal it is from now on, and which handler is installed for it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn set(signal: libc::c_int, handler: usize) {
    HANDLER.store(handler, Relaxed);
    SIGNAL.store(signal, Relaxed);
}

/// Says that there is none any more.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn clear() {
    SIGNAL.store(0, Relaxed);
}

/// The signal, whoever handles it by now; 0 for none. Async-signal-safe.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn number() -> libc::c_int {
    SIGNAL.load(Relaxed)
}

/// The signal, while its handler is the sampler's.
pub(crate) fn in_force() -> Option<libc::c_int> {
    let signal = number();
    if signal == 0 {
        return None;
    }
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; `current` is valid for the write.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), current.as_mut_ptr()) };
    // SAFETY: all-zero is a valid `sigaction`, and so is what was written over it.
    let handler = unsafe { current.assume_init() }.sa_sigaction;
    (asked == 0 && handler == HANDLER.load(Relaxed)).then_some(signal)
}
