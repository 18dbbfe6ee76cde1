//! Timing the handler without the kernel's part of a signal, for the bench.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::handler::{SI_QUEUE, SignalInfo, entry};
use super::shared::{self, Cause, cookie};

/// Calls the handler `rounds` times as if a signal had interrupted the caller
/// here, and returns how long each call took. A native sampler must run; its
/// profile gets a sample without weight for each call.
#[doc(hidden)]
#[inline(never)]
pub fn time_handler(rounds: usize) -> Vec<Duration> {
    // SAFETY: all-zero is a valid context to be written over.
    let mut context: libc::ucontext_t = unsafe { std::mem::zeroed() };
    // SAFETY: `context` is valid for the write. It is never resumed: the
    // handler only reads registers and the frames of this very function, which
    // are alive during the calls below.
    unsafe { libc::getcontext(&mut context) };
    let epoch = shared::EPOCH.load(Ordering::SeqCst);
    let mut info = SignalInfo {
        signal: libc::SIGPROF,
        errno: 0,
        code: SI_QUEUE,
        pad: 0,
        union_at_16: [0; 2],
        value: cookie(epoch, Cause::Wall, 0),
    };
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let before = Instant::now();
        entry(
            libc::SIGPROF,
            (&raw mut info).cast(),
            (&raw mut context).cast(),
        );
        took.push(before.elapsed());
        // Leave the drain thread time to keep the ring from filling.
        if round % 256 == 255 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    took
}
