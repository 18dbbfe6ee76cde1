//! Signals that we send to one thread, with a value and, where there is one, a
//! word.

use std::io;

/// `si_code` of a queued signal.
pub(crate) const SI_QUEUE: i32 = -1;

/// `siginfo_t` of a queued signal, whole: the kernel reads 128 bytes, and hands
/// the first 48 on.
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    _pad: i32,
    pid: i32,
    uid: u32,
    value: u64,
    /// The word, and what shows that it came through.
    word: [u64; 2],
    _rest: [u64; 10],
}
const _: () = assert!(size_of::<Queued>() == 128);

/// What stands beside a word that was sent with a value.
fn seal(value: u64, word: u64) -> u64 {
    value.rotate_left(17) ^ word ^ 0x5eed_c0de_5eed_c0de
}

/// The word of a signal, if one was sent with it and the kernel handed it on.
pub(crate) fn word(value: u64, words: [u64; 2]) -> Option<u64> {
    (words[1] == seal(value, words[0])).then_some(words[0])
}

/// Sends `signal` to one thread of this process.
///
/// # Errors
///
/// ESRCH when it has gone, EAGAIN where RLIMIT_SIGPENDING has no room, or what a
/// filter answers.
pub(crate) fn send(
    signal: libc::c_int,
    tid: u32,
    value: u64,
    word: Option<u64>,
) -> Result<(), io::Error> {
    // SAFETY: getpid and getuid have no preconditions.
    let (pid, uid) = unsafe { (libc::getpid(), libc::getuid()) };
    let info = Queued {
        signal,
        errno: 0,
        code: SI_QUEUE,
        _pad: 0,
        pid,
        // What `sigqueue` of `sival_ptr` would send.
        uid,
        value,
        word: word.map_or([0; 2], |word| [word, seal(value, word)]),
        _rest: [0; 10],
    };
    // SAFETY: `info` is a whole siginfo and is only read; a thread that has
    // gone is refused with ESRCH.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid as libc::c_long,
            tid as libc::c_long,
            signal as libc::c_long,
            &raw const info,
        )
    };
    if sent == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_only_where_it_was_sent_with_this_value() {
        let (value, sent) = (0x50a5_0000_1234, 77);
        let words = [sent, seal(value, sent)];
        assert_eq!(word(value, words), Some(77));
        assert_eq!(word(value + 1, words), None);
        assert_eq!(word(value, [0, 0]), None);
    }
}
