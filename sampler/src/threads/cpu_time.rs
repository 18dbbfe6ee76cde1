//! CPU clocks that a program may read: of the calling thread, of
//! another of its threads, and of the whole process.

use std::time::Duration;

use super::excluded;
use crate::platform;

/// CPU time that the calling thread used since its birth; one system call.
/// Zero where the system has no such clock.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    platform::thread_cpu_time()
}

/// CPU time, user and system, that all threads of the process used, those that
/// ended included. Zero where it cannot be read.
#[must_use]
pub fn process_cpu_time() -> Duration {
    platform::process_cpu_time()
}

/// The part of [`process_cpu_time`] that threads used while they were kept out of
/// the profile ([`exclude_current_thread`](crate::exclude_current_thread)).
#[must_use]
pub fn excluded_cpu_time() -> Duration {
    excluded::cpu_time()
}

/// The CPU clock of one thread, for the others to read.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(platform::ThreadHandle);

impl ThreadClock {
    /// That of the calling thread.
    #[must_use]
    pub fn current() -> Self {
        ThreadClock(platform::ThreadHandle::current())
    }

    /// CPU time that the thread used since its birth; `None` once it has ended,
    /// and where one thread cannot read another's. The number of a thread that
    /// ended may be given to a later one: whoever keeps a clock has to know
    /// that its thread lives.
    #[must_use]
    pub fn read(&self) -> Option<Duration> {
        self.0.cpu_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_to_by_itself_and_by_others() {
        let (work, ready) = std::sync::mpsc::channel();
        let (done, end) = std::sync::mpsc::channel::<()>();
        let process = process_cpu_time();
        let thread = std::thread::spawn(move || {
            let begin = thread_cpu_time();
            while thread_cpu_time() < begin + Duration::from_millis(20) {}
            work.send(ThreadClock::current()).expect("awaited");
            let _ = end.recv();
        });
        let clock = ready.recv().expect("it works");
        if cfg!(target_os = "linux") {
            assert!(clock.read() >= Some(Duration::from_millis(20)), "{clock:?}");
        }
        assert!(process_cpu_time() >= process + Duration::from_millis(19));
        drop(done);
        thread.join().expect("it ends");
    }
}
