//! Threads of an agent: named, out of the profile, and out of reach of the
//! host's signals.
//!
//! A signal that is sent to the process goes to any thread that does not block
//! it. On a thread of an agent the host's handlers would run on a stack that
//! the host did not size, and delay the agent's work; a host that takes its
//! signals with `sigwait` blocks them on all of its threads, and one thread
//! that does not would have the default action take the process down. So an
//! agent's threads block all signals but those that a fault raises on the
//! thread itself: blocked, those would end the process without the host's
//! crash reporter.
//!
//! `SIGXFSZ` and `SIGPIPE` are raised by a write, on the thread that writes.
//! On an agent's thread they stay pending for good, which costs nothing; on a
//! thread of the host, where an agent writes now and then, [`quiet_writes`]
//! holds them and takes those away that came meanwhile.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::state::{Exclusion, exclude_current_thread};
use crate::platform::SignalMask;

/// Signals that a write raises where there is no room or no reader.
const OF_WRITES: [libc::c_int; 2] = [libc::SIGXFSZ, libc::SIGPIPE];

/// Starts a thread of an agent. Signals are blocked before it takes its first
/// step, and its time is kept out of the profile from there on.
///
/// # Errors
///
/// As [`Builder::spawn`].
pub fn spawn_own<T: Send + 'static>(
    thread: Builder,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // A thread begins with the mask of the one that made it.
    let before = SignalMask::block_all_but_faults();
    let spawned = thread.spawn(move || {
        let _own = exclude_current_thread();
        run()
    });
    before.restore();
    spawned
}

/// Makes the calling thread one of an agent, where others spawn it: blocks
/// signals for good and keeps it out of the profile until the result is
/// dropped.
pub fn adopt_current_thread() -> Exclusion {
    let _ = SignalMask::block_all_but_faults();
    exclude_current_thread()
}

/// Runs `write` on the calling thread without the signals that a refused write
/// raises: past a limit on file sizes or into a pipe that nobody reads, it fails
/// with an error and that is all.
pub fn quiet_writes<R>(write: impl FnOnce() -> R) -> R {
    /// Undone also where `write` panics.
    struct Held {
        before: SignalMask,
        pending: [bool; 2],
    }
    impl Drop for Held {
        fn drop(&mut self) {
            for (signal, was_pending) in OF_WRITES.iter().zip(self.pending) {
                // What the host blocks itself, or what came before, is its own.
                if !was_pending && !self.before.blocks(*signal) {
                    SignalMask::take_pending(*signal);
                }
            }
            self.before.restore();
        }
    }
    let pending = OF_WRITES.map(SignalMask::is_pending);
    let _held = Held {
        before: SignalMask::block(&OF_WRITES),
        pending,
    };
    write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_ours_blocks_all_but_faults_and_its_maker_is_as_before() {
        let here = SignalMask::current();
        let there = spawn_own(Builder::new(), SignalMask::current)
            .expect("a thread")
            .join()
            .expect("it ends");
        for signal in [
            libc::SIGTERM,
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGCHLD,
            libc::SIGPROF,
            libc::SIGXFSZ,
            libc::SIGPIPE,
            libc::SIGUSR1,
            libc::SIGALRM,
        ] {
            assert!(there.blocks(signal), "{signal}");
            assert_eq!(
                SignalMask::current().blocks(signal),
                here.blocks(signal),
                "{signal}"
            );
        }
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
        ] {
            assert!(!there.blocks(signal), "{signal}");
        }
    }

    #[test]
    fn a_signal_of_a_write_is_taken_away_and_one_from_before_is_not() {
        // On a thread of its own, as its mask and what is pending are its own.
        std::thread::spawn(|| {
            let raise = |signal| {
                // SAFETY: it is blocked on this thread, so it only becomes pending.
                unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
            };
            quiet_writes(|| {
                raise(libc::SIGPIPE);
                raise(libc::SIGXFSZ);
                assert!(SignalMask::is_pending(libc::SIGPIPE));
            });
            assert!(!SignalMask::is_pending(libc::SIGPIPE));
            assert!(!SignalMask::is_pending(libc::SIGXFSZ));
            // The host blocks it here, and has one waiting.
            let _ = SignalMask::block(&[libc::SIGPIPE]);
            raise(libc::SIGPIPE);
            quiet_writes(|| raise(libc::SIGPIPE));
            assert!(SignalMask::is_pending(libc::SIGPIPE));
            SignalMask::take_pending(libc::SIGPIPE);
        })
        .join()
        .expect("no signal ended it");
    }
}
