//! Timing the handler without the kernel's part of a signal, for the bench.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::directed::SI_QUEUE;
use super::handler::{SignalInfo, entry};
use super::shared::{self, Cause, cookie};
use crate::platform;
use crate::unwind::arch;

/// Calls the handler `rounds` times as if a signal had interrupted the caller
/// here, and returns how long each call took. A native sampler must run; its
/// profile gets a sample without weight for each call.
#[doc(hidden)]
#[inline(never)]
pub fn time_handler(rounds: usize) -> Vec<Duration> {
    // SAFETY: all-zero is a valid context to be written over.
    let mut context: libc::ucontext_t = unsafe { std::mem::zeroed() };
    // It is never resumed: the handler only reads registers and the frames of
    // this very function, which are alive during the calls below.
    set_here(&mut context);
    let epoch = shared::EPOCH.load(Ordering::SeqCst);
    let mut info = SignalInfo {
        signal: libc::SIGPROF,
        errno: 0,
        code: SI_QUEUE,
        pad: 0,
        union_at_16: [0; 2],
        value: cookie(epoch, Cause::Wall, 0),
        words: [0; 2],
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
            platform::pause(Duration::from_millis(1));
        }
    }
    took
}

/// Makes `context` that of the calling function, as far as the handler looks at
/// it. (`getcontext` does the same, and musl does not have it.)
#[inline(always)]
fn set_here(context: &mut libc::ucontext_t) {
    let [pc, sp, fp, link] = arch::here();
    let machine = &mut context.uc_mcontext;
    #[cfg(target_arch = "x86_64")]
    {
        let _ = link;
        for (register, value) in [
            (libc::REG_RIP, pc),
            (libc::REG_RSP, sp),
            (libc::REG_RBP, fp),
        ] {
            machine.gregs[register as usize] = value as _;
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        (machine.pc, machine.sp) = (pc, sp);
        (machine.regs[29], machine.regs[30]) = (fp, link);
    }
}
