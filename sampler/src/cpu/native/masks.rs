//! Which signals the threads of this process block, or wait for with `sigwait`,
//! from `/proc/self/task/TID/status` and `…/syscall`.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use super::tasks;
use crate::threads::excluded;

/// The one signal that our handler leaves open: nobody sends it (it was for
/// faults of a coprocessor's stack), so that a mask of all others shows, from
/// outside, a thread that is in the handler.
pub(crate) const OPEN_IN_HANDLER: libc::c_int = libc::SIGSTKFLT;

/// Threads that are looked at, at most.
const MAX_THREADS: usize = 256;

/// A thread's signals, a bit each: bit n - 1 for signal n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    blocked: u64,
    /// Sent to the thread itself and not yet received.
    pending: u64,
}

impl Mask {
    /// Whether the thread blocks a signal, and not just because our handler
    /// runs on it, which blocks all but one.
    pub(crate) fn blocks(self, signal: libc::c_int) -> bool {
        self.blocked >> (signal - 1) & 1 != 0 && !self.is_of_our_handler()
    }

    fn is_of_our_handler(self) -> bool {
        let bit = |signal: libc::c_int| 1u64 << (signal - 1);
        let open = bit(OPEN_IN_HANDLER);
        // Two cannot be blocked, and two are the C library's own.
        let never = bit(libc::SIGKILL) | bit(libc::SIGSTOP) | bit(32) | bit(33);
        self.blocked & open == 0 && self.blocked | open | never == u64::MAX
    }

    pub(crate) fn is_pending(self, signal: libc::c_int) -> bool {
        self.pending >> (signal - 1) & 1 != 0
    }
}

/// The masks of the threads that are sampled, as far as they can be read.
pub(crate) fn of_all_threads() -> Vec<Mask> {
    tasks::list()
        .into_iter()
        .filter(|tid| !excluded::any(|thread| thread.tid == *tid))
        .take(MAX_THREADS)
        .filter_map(of_thread)
        .collect()
}

/// One thread's mask; `None` once it has ended, or where `/proc` is hidden.
pub(crate) fn of_thread(tid: u32) -> Option<Mask> {
    // The file has the process's groups before the masks, so it can be long.
    let mut status = Vec::with_capacity(4096);
    File::open(format!("/proc/self/task/{tid}/status"))
        .ok()?
        .read_to_end(&mut status)
        .ok()?;
    parse(&status)
}

/// Signals that are queued for this user, a timer being one each, and how many
/// may be; from `/proc/self/status`.
pub(crate) fn queued() -> Option<(i64, i64)> {
    let mut status = Vec::with_capacity(4096);
    File::open("/proc/self/status")
        .ok()?
        .read_to_end(&mut status)
        .ok()?;
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"SigQ:"))?;
    let (queued, limit) = std::str::from_utf8(line.trim_ascii())
        .ok()?
        .split_once('/')?;
    Some((queued.parse().ok()?, limit.parse().ok()?))
}

/// The masks in the text of `status`, which is bytes: a thread's name may be
/// anything.
fn parse(status: &[u8]) -> Option<Mask> {
    let field = |name: &[u8]| {
        let line = status
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name))?;
        let digits = std::str::from_utf8(line.trim_ascii()).ok()?;
        u64::from_str_radix(digits, 16).ok()
    };
    Some(Mask {
        blocked: field(b"SigBlk:")?,
        pending: field(b"SigPnd:")?,
    })
}

/// Whether a thread waits for `signal` with `sigwait` or one of its like at this
/// moment. Its mask does not show that: the kernel takes out of it what is
/// waited for.
pub(crate) fn is_waited_for(tid: u32, signal: libc::c_int) -> bool {
    let mut line = [0u8; 64];
    let read = File::open(format!("/proc/self/task/{tid}/syscall"))
        .and_then(|mut file| file.read(&mut line))
        .unwrap_or(0);
    let Some(set) = waited_set(line.get(..read).unwrap_or_default()) else {
        return false;
    };
    // The set is in the thread's own memory, which may be gone by now: reading
    // it as a file fails then, and cannot fault.
    let mut bits = [0u8; 8];
    let known =
        File::open("/proc/self/mem").and_then(|memory| memory.read_exact_at(&mut bits, set));
    known.is_err() || u64::from_ne_bytes(bits) >> (signal - 1) & 1 != 0
}

/// The address of the set of signals in the text of `syscall`, if the call is
/// one that waits for signals.
fn waited_set(line: &[u8]) -> Option<u64> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let number: libc::c_long = words.next()?.parse().ok()?;
    if number != libc::SYS_rt_sigtimedwait {
        return None;
    }
    u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_whatever_the_thread_is_called() {
        let status = b"Name:\t\xff\xfe\nGroups:\t0 1 2\nSigPnd:\t0000000000000001\nSigBlk:\t0000000008000001\nSigIgn:\t0\n";
        let mask = parse(status).expect("it is there");
        assert!(mask.blocks(libc::SIGWINCH) && mask.blocks(libc::SIGHUP));
        assert!(!mask.blocks(libc::SIGPROF));
        assert!(mask.is_pending(libc::SIGHUP) && !mask.is_pending(libc::SIGWINCH));
        assert_eq!(parse(b"Name:\tx\n"), None);
    }

    #[test]
    fn our_handler_is_told_from_a_thread_that_blocks_everything() {
        let mask = |blocked| Mask {
            blocked,
            pending: 0,
        };
        let all = !(1 << 8 | 1 << 18 | 1 << 31 | 1 << 32);
        assert!(mask(all).blocks(libc::SIGWINCH));
        let in_handler = all & !(1 << (OPEN_IN_HANDLER - 1));
        assert!(!mask(in_handler).blocks(libc::SIGWINCH));
        assert!(mask(1 << (libc::SIGWINCH - 1)).blocks(libc::SIGWINCH));
    }

    #[test]
    fn a_waiting_thread_is_recognised_by_its_system_call() {
        let waiting = format!("{} 0x7ffc12 0x0 0x0 0x8\n", libc::SYS_rt_sigtimedwait);
        assert_eq!(waited_set(waiting.as_bytes()), Some(0x7f_fc12));
        assert_eq!(waited_set(b"running\n"), None);
        assert_eq!(waited_set(b"0 0x3 0x7ffc12 0x1\n"), None);
        assert!(!is_waited_for(crate::platform::gettid(), libc::SIGWINCH));
    }

    #[test]
    fn this_threads_own_mask_is_read() {
        let tid = crate::platform::gettid();
        let before = of_thread(tid).expect("it lives");
        assert!(!before.blocks(libc::SIGUSR2));
        // SAFETY: a zeroed set is filled before use; only this thread's mask
        // changes.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&mut set, libc::SIGUSR2);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        }
        assert!(of_thread(tid).expect("it lives").blocks(libc::SIGUSR2));
    }
}
