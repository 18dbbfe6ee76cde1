//! The `pprof` crate's handler as the crate installs it, by the names of
//! `sheltered`.

use std::io;

/// Nobody asks.
pub(super) fn is_taken() -> bool {
    false
}

/// As the crate does it.
pub(super) fn stop(stop: impl FnOnce()) {
    stop();
}

/// It stays where it is.
pub(super) fn shelter() -> io::Result<()> {
    Ok(())
}

/// Where the crate's handler begins; nothing of ours calls it.
pub(super) fn handlers() -> (u64, u64) {
    unsafe extern "C" {
        fn perf_signal_handler(
            signal: libc::c_int,
            info: *mut libc::siginfo_t,
            context: *mut libc::c_void,
        );
    }
    (perf_signal_handler as *const () as u64, 0)
}
