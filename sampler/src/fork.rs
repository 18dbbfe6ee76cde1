//! What becomes of the measuring in a process that is forked off.
//!
//! A child has its parent's memory and only the thread that forked. Threads of
//! ours are not there, locks that they held stay held, and what belongs to the
//! parent (its run, its port) is still open. So the child is another
//! *generation*: whoever kept the number of theirs and finds another one leaves
//! everything alone, and what is shared by a process is made anew for the child
//! when somebody asks for it ([`PerProcess`]).
//!
//! The handler that counts runs in the child before `fork` returns, maybe in a
//! service that holds any lock: it stores to atomics and closes descriptors, and
//! does nothing else. (So do those of the modules that have something to forget in
//! a child.) It is not called for `vfork` and `posix_spawn`, whose
//! child only goes on to `exec`, nor for a bare `clone` system call.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

use crate::platform;

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Descriptors to close in a child; -1 is a free place.
static CLOSED: [AtomicI32; 8] = [const { AtomicI32::new(-1) }; 8];

/// How often this process was forked off since [`watch_forks`] was first
/// called: another number than before means that this is a child. Costs one
/// load.
#[inline]
pub fn fork_generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Begins to count forks; once in a process, however often it is called.
pub fn watch_forks() {
    static ONCE: Once = Once::new();
    // `Once` is not held across a fork by another thread for longer than this
    // call takes, and a child inherits it as done.
    ONCE.call_once(|| platform::at_fork_in_child(in_child));
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for place in &CLOSED {
        let descriptor = place.swap(-1, Ordering::Relaxed);
        if descriptor >= 0 {
            platform::close(descriptor);
        }
    }
}

/// Has a descriptor closed in every child, for as long as it lives. It must go
/// before the descriptor does.
#[derive(Debug)]
#[must_use = "nothing is closed once this is dropped"]
pub struct ClosedInChild {
    descriptor: i32,
}

impl ClosedInChild {
    /// For this descriptor; a child keeps it where there are more than eight.
    pub fn new(descriptor: i32) -> Self {
        for place in &CLOSED {
            let free = place.compare_exchange(-1, descriptor, Ordering::Relaxed, Ordering::Relaxed);
            if free.is_ok() {
                break;
            }
        }
        ClosedInChild { descriptor }
    }
}

impl Drop for ClosedInChild {
    fn drop(&mut self) {
        for place in &CLOSED {
            let ours =
                place.compare_exchange(self.descriptor, -1, Ordering::Relaxed, Ordering::Relaxed);
            if ours.is_ok() {
                return;
            }
        }
    }
}

/// A static that a child has its own of: whatever state the parent's was in,
/// locked by a thread that is not there among it, the child begins with a new
/// one. The parent's is leaked there.
pub(crate) struct PerProcess<T: 'static> {
    current: AtomicPtr<Made<T>>,
    make: fn() -> T,
}

struct Made<T> {
    generation: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        PerProcess {
            current: AtomicPtr::new(ptr::null_mut()),
            make,
        }
    }

    pub(crate) fn get(&self) -> &'static T {
        let generation = fork_generation();
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: what is stored here is never freed.
        if let Some(made) = unsafe { current.as_ref() }
            && made.generation == generation
        {
            return &made.value;
        }
        let made = Box::into_raw(Box::new(Made {
            generation,
            value: (self.make)(),
        }));
        let stored =
            self.current
                .compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire);
        let made = match stored {
            Ok(_) => made,
            Err(other) => {
                // SAFETY: it was made above and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                other
            }
        };
        // SAFETY: it is not null, as nobody stores null, and never freed.
        unsafe { &(*made).value }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn all_threads_of_a_process_have_one() {
        static NUMBERS: PerProcess<Mutex<Vec<u32>>> = PerProcess::new(|| Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || NUMBERS.get().lock().expect("no panic").push(number));
            }
        });
        assert_eq!(NUMBERS.get().lock().expect("no panic").len(), 8);
    }
}
