//! What the handler and the rest of the engine share: statics, because a
//! handler has no other way to reach anything.
//!
//! # The epoch
//!
//! Every run of the sampler has a number, the epoch; 0 means that none runs.
//! Each signal we cause carries the epoch it was caused in, and the handler puts
//! aside those of another: a timer's last signal may arrive after it was
//! deleted.
//!
//! A handler counts itself as a reader (`unwind::published`) while it is at work,
//! so that whoever has set the epoch to 0 can wait until none is left.

use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::ring::Ring;

/// The current run, 0 for none.
pub(crate) static EPOCH: AtomicU32 = AtomicU32::new(0);
/// Made at the first start and kept: a handler may hold it at any time. Null
/// before.
static RING: AtomicPtr<Ring> = AtomicPtr::new(ptr::null_mut());
/// Nanoseconds between two samples.
pub(crate) static PERIOD: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds of the process's CPU time between two of its timer's signals.
pub(crate) static PROCESS_PERIOD: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds between two of the kernel's ticks.
pub(crate) static TICK: AtomicU64 = AtomicU64::new(0);
/// Of how many signals one is kept, on the perf clock.
pub(crate) static THINNING: AtomicU64 = AtomicU64::new(1);
/// How many timers may still be made: what the user's limit on queued signals
/// leaves, less a reserve for the program.
pub(crate) static TIMERS_LEFT: AtomicI64 = AtomicI64::new(i64::MAX);
/// 1 while samples are those of timers, 0 while they are those of instants.
pub(crate) static BY_TIMERS: AtomicU32 = AtomicU32::new(1);
/// 1 while timers serve for a clock that ran before them: the time of threads
/// that they meet has been accounted for.
pub(crate) static MIDWAY: AtomicU32 = AtomicU32::new(0);
/// The CPUs that have an observer of instants, a bit each.
pub(crate) static OBSERVED: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
/// How many observers there are; 0 where each CPU has one.
pub(crate) static OBSERVERS: AtomicU32 = AtomicU32::new(0);
/// What the drain thread sleeps on; changes when it is to wake up.
pub(crate) static WAKE: AtomicU32 = AtomicU32::new(0);
/// Stirs the random numbers of threads that begin at the same time.
pub(crate) static SEED: AtomicU64 = AtomicU64::new(0x5eed);

/// The ring that handlers write to.
#[inline]
pub(crate) fn ring() -> Option<&'static Ring> {
    // SAFETY: only rings that live for ever are published.
    unsafe { RING.load(Ordering::Acquire).as_ref() }
}

/// Has handlers write to `ring` from now on.
pub(crate) fn publish_ring(ring: &'static Ring) {
    RING.store(ptr::from_ref(ring).cast_mut(), Ordering::Release);
}

/// Counters that handlers add to.
pub(crate) mod count {
    use std::sync::atomic::AtomicU64;

    macro_rules! counters {
        ($($(#[$doc:meta])* $name:ident = $cause:literal;)*) => {
            $($(#[$doc])* pub(crate) static $name: AtomicU64 = AtomicU64::new(0);)*
            /// Every cause of a lost sample.
            pub(crate) static DROPS: &[(&str, &AtomicU64)] = &[
                $(($cause, &$name),)*
                ("no free stack", &crate::platform::private_stacks::NONE_FREE),
            ];
        };
    }
    counters! {
        /// The thread cannot be seen because it blocks the signal; counted
        /// from the CPU time it used meanwhile.
        BLOCKED = "signal blocked";
        /// The program took the signal or reset its handler; counted from the
        /// CPU time it used until that was noticed.
        TAKEN = "signal taken";
        /// The ring had no room.
        RING_FULL = "ring full";
        /// The system refused to send a thread its signal.
        UNSENT = "signal not sent";
        /// A signal interrupted our own handler.
        REENTERED = "handler re-entered";
        /// A signal came while no module table was published.
        NOT_READY = "not ready";
    }
    /// Signals on excluded threads.
    pub(crate) static EXCLUDED: AtomicU64 = AtomicU64::new(0);
    /// Signals that somebody else sent.
    pub(crate) static FOREIGN: AtomicU64 = AtomicU64::new(0);
}

/// Which threads have a timer: a bit per thread id. Whoever sets a thread's
/// bit makes its timer, so that a thread and the scan cannot both do it.
pub(crate) mod claims {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// The kernel's largest thread id, `PID_MAX_LIMIT`.
    const THREADS: usize = 4 << 20;
    /// Zero pages that are never touched cost nothing.
    static BITS: [AtomicU64; THREADS / 64] = [const { AtomicU64::new(0) }; THREADS / 64];

    fn place(tid: u32) -> Option<(&'static AtomicU64, u64)> {
        Some((BITS.get(tid as usize / 64)?, 1 << (tid % 64)))
    }

    /// `true` for the one caller that is to make this thread's timer.
    pub(crate) fn claim(tid: u32) -> bool {
        place(tid).is_some_and(|(word, bit)| word.fetch_or(bit, Relaxed) & bit == 0)
    }

    pub(crate) fn is_claimed(tid: u32) -> bool {
        place(tid).is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
    }

    /// Releases all.
    pub(crate) fn clear() {
        for word in &BITS {
            // Most pages were never written, and stay so.
            if word.load(Relaxed) != 0 {
                word.store(0, Relaxed);
            }
        }
    }

    pub(crate) fn release(tid: u32) {
        if let Some((word, bit)) = place(tid) {
            word.fetch_and(!bit, Relaxed);
        }
    }
}

/// What caused a signal, as it travels with the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cause {
    /// The thread's own CPU timer.
    ThreadTimer = 1,
    /// The timer of the whole process.
    ProcessTimer = 2,
    /// A perf event; the payload distinguishes events.
    Perf = 3,
    /// The wall clock; the payload is microseconds since this thread's last.
    Wall = 4,
    /// A request for this thread's stack.
    Dump = 5,
    /// The thread was seen to run; the payload is nanoseconds.
    Instant = 6,
}

/// The payload of a thread's timer that accounts for the thread from birth.
pub(crate) const FROM_BIRTH: u64 = 1;

/// Sixteen bits of magic and epoch, eight of cause, forty of payload.
pub(crate) fn cookie(epoch: u32, cause: Cause, payload: u64) -> u64 {
    let mark = u64::from((epoch as u16) ^ 0x50a5);
    mark << 48 | (cause as u64) << 40 | payload & 0xff_ffff_ffff
}

/// The cause and payload of a cookie of this epoch; `None` for another's.
pub(crate) fn read_cookie(cookie: u64, epoch: u32) -> Option<(Cause, u64)> {
    if (cookie >> 48) as u16 ^ 0x50a5 != epoch as u16 {
        return None;
    }
    let cause = match (cookie >> 40) as u8 {
        1 => Cause::ThreadTimer,
        2 => Cause::ProcessTimer,
        3 => Cause::Perf,
        4 => Cause::Wall,
        5 => Cause::Dump,
        6 => Cause::Instant,
        _ => return None,
    };
    Some((cause, cookie & 0xff_ffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_in_its_own_epoch_only() {
        let wall = cookie(3, Cause::Wall, 1_234_567);
        assert_eq!(read_cookie(wall, 3), Some((Cause::Wall, 1_234_567)));
        assert_eq!(read_cookie(wall, 4), None);
        assert_eq!(read_cookie(0, 3), None);
    }

    #[test]
    fn a_thread_is_claimed_once() {
        assert!(claims::claim(4_000_000));
        assert!(!claims::claim(4_000_000));
        assert!(claims::is_claimed(4_000_000));
        claims::release(4_000_000);
        assert!(!claims::is_claimed(4_000_000));
        assert!(!claims::claim(u32::MAX));
    }
}
