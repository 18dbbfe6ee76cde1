//! Values that belong to one process: a forked child gets a new one.
//!
//! `fork` copies one thread and the whole memory. A lock that another thread
//! held at that moment stays locked in the child for ever, and what it guards
//! may be half changed. What this process keeps behind a lock is therefore found
//! by the process's number: a child that asks gets a fresh value, and the copy
//! of its parent's is never touched (nor freed: it is some hundred bytes).

use std::sync::atomic::{AtomicPtr, Ordering};

struct Owned<T> {
    process: u32,
    value: T,
}

/// A `T` for each process, made when it is first asked for.
pub(crate) struct PerProcess<T: 'static> {
    current: AtomicPtr<Owned<T>>,
    make: fn() -> T,
}

impl<T: Sync> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        PerProcess {
            current: AtomicPtr::new(std::ptr::null_mut()),
            make,
        }
    }

    /// This process's value.
    pub(crate) fn get(&'static self) -> &'static T {
        let process = std::process::id();
        let mut seen = self.current.load(Ordering::Acquire);
        loop {
            // SAFETY: only pointers from `Box::into_raw` are stored, and they
            // are never freed.
            if let Some(owned) = unsafe { seen.as_ref() }
                && owned.process == process
            {
                return &owned.value;
            }
            let made = Box::into_raw(Box::new(Owned {
                process,
                value: (self.make)(),
            }));
            match self
                .current
                .compare_exchange(seen, made, Ordering::AcqRel, Ordering::Acquire)
            {
                // SAFETY: just made, and never freed once it is stored.
                Ok(_) => return unsafe { &(*made).value },
                Err(now) => {
                    // SAFETY: nobody else has seen this one.
                    drop(unsafe { Box::from_raw(made) });
                    seen = now;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_child_gets_a_value_of_its_own_while_the_parents_is_locked() {
        static NUMBERS: PerProcess<Mutex<u32>> = PerProcess::new(|| Mutex::new(7));
        let mut held = NUMBERS.get().lock().expect("not poisoned");
        *held = 8;
        // SAFETY: the child only takes a lock of its own and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let ok = NUMBERS.get().try_lock().is_ok_and(|number| *number == 7);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!ok)) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the write.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child saw the parent's lock");
        assert_eq!(*held, 8);
    }
}
