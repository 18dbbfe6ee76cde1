//! The agent's threads: how each is started, and what each is called.
//!
//! All are made here, so that none is in the profile, none runs the service's
//! signal handlers, and none ends the process with a refused write.

pub(crate) mod stop;

use std::cell::RefCell;
#[cfg(feature = "admin")]
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{Builder, JoinHandle};

use soakscope_sampler::{Exclusion, adopt_current_thread, spawn_own};

use crate::error::Error;

/// Names of threads; the kernel keeps 15 bytes. The sampler's own is
/// `soakscope-drain`.
pub(crate) const TICK: &str = "soakscope-tick";
pub(crate) const WRITE: &str = "soakscope-write";
pub(crate) const CPU: &str = "soakscope-cpu";
pub(crate) const HEAP: &str = "soakscope-heap";
pub(crate) const BREACH: &str = "soakscope-alert";
pub(crate) const END: &str = "soakscope-end";
pub(crate) const SEAL: &str = "soakscope-seal";
/// Has the beginning of a run on the disk, and ends.
pub(crate) const SYNC: &str = "soakscope-sync";
pub(crate) const ADMIN: &str = "soakscope-admin";
/// Threads that the admin server leaves longer work to, with a number; see
/// [`next_worker`].
const ADMIN_WORK: &str = "soakscope-w";
/// Those that ask the service's closures, with a number from 1 to 9.
pub(crate) const TRACK: &str = "soakscope-ask";

/// Names the next thread that the admin server leaves longer work to. Such
/// threads come and go with the work, so the number begins anew when it would not
/// fit any more.
#[cfg(feature = "admin")]
pub(crate) fn next_worker() -> String {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    worker(NUMBERS.fetch_add(1, Ordering::Relaxed))
}

fn worker(number: u32) -> String {
    format!("{ADMIN_WORK}{}", number % 10_000)
}

/// Starts a thread of the agent.
pub(crate) fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    spawn_own(Builder::new().name(name.into()), run).map_err(Error::Thread)
}

thread_local! {
    /// Of a thread that somebody else started for the agent.
    static ADOPTED: RefCell<Option<Exclusion>> = const { RefCell::new(None) };
}

/// Makes the calling thread, which a runtime of the agent's started, one of the
/// agent's, until it ends.
pub(crate) fn adopt() {
    let exclusion = adopt_current_thread();
    ADOPTED.with(|adopted| *adopted.borrow_mut() = Some(exclusion));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_a_name_of_its_own_that_fits() {
        let mut names = vec![
            TICK.to_owned(),
            WRITE.to_owned(),
            CPU.to_owned(),
            HEAP.to_owned(),
            BREACH.to_owned(),
            END.to_owned(),
            SEAL.to_owned(),
            SYNC.to_owned(),
            ADMIN.to_owned(),
            "soakscope-drain".to_owned(),
        ];
        names.extend([0, 1, 9_999].map(worker));
        names.extend((1..=9).map(|number| format!("{TRACK}-{number}")));
        assert!(names.iter().all(|name| name.len() <= 15), "{names:?}");
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(worker(10_000), worker(0));
    }
}
