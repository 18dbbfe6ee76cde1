//! Stacks of our own, for what must not stand on the stack it finds.
//!
//! A signal arrives wherever the thread happens to be: on an alternate stack of
//! eight kilobytes of which the host's own handler has used the most, on a
//! goroutine's or a coroutine's stack, on a thread of sixteen kilobytes, a few
//! words above the guard page of a stack that is about to overflow. The kernel
//! puts its frame there (`SA_ONSTACK` says on which stack); nothing of ours
//! comes on top: the first instructions of the handler move the stack pointer
//! to one of the stacks here, **without a push on the interrupted stack**, and
//! the last ones move it back. The heap profiler walks on them, too.
//!
//! # Protocol
//!
//! `FREE` has a bit for each stack that nobody stands on. Whoever clears a bit
//! has the stack until it sets the bit again, and sets it only after its stack
//! pointer has left. Nobody waits: where no stack is free, a signal is lost and
//! counted in `NONE_FREE`. Whoever stands on one has all signals blocked,
//! because a handler of the host would find less room here than it expects.
//!
//! # What was rejected
//!
//! Small frames and buffers in thread-local storage: what a compiler puts on
//! the stack is up to the compiler, and an unoptimised build takes many times
//! as much. A stack per thread: memory for each of a thousand threads, of
//! which as many use theirs at a time as there are processors.

mod switch;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use switch::signal_entry;

/// Bytes from one stack to the next, as a power of two; the lowest page of
/// each is a guard.
pub(crate) const STRIDE_BITS: u32 = 16;
const STRIDE: usize = 1 << STRIDE_BITS;
const GUARD: usize = 4096;
/// Bits of `FREE`.
const MAX_STACKS: usize = 64;
/// A handler can be preempted, so that there are more of them at a time than
/// processors; not many more, because one lasts some microseconds.
const PER_CPU: usize = 4;
const MIN_STACKS: usize = 16;

/// A bit for each stack that is free.
pub(crate) static FREE: AtomicU64 = AtomicU64::new(0);
/// Where the first stack begins; 0 before there are any.
pub(crate) static BASE: AtomicU64 = AtomicU64::new(0);
/// Signals that found no stack free.
pub(crate) static NONE_FREE: AtomicU64 = AtomicU64::new(0);

/// Makes the stacks, once for the life of the process.
pub(crate) fn prepare() -> io::Result<()> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if BASE.load(Ordering::Acquire) != 0 {
        return Ok(());
    }
    let base = map(count())?;
    BASE.store(base as u64, Ordering::Release);
    // Only now can anyone find one.
    FREE.store(all(), Ordering::Release);
    Ok(())
}

/// Whether [`prepare`] was called.
pub(crate) fn are_ready() -> bool {
    BASE.load(Ordering::Acquire) != 0
}

/// How many stacks there are on this machine.
pub(crate) fn count() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    (cpus * PER_CPU).clamp(MIN_STACKS, MAX_STACKS)
}

fn all() -> u64 {
    u64::MAX >> (MAX_STACKS - count())
}

/// In a forked child: stacks that other threads stood on are free, because
/// those threads are not there.
pub(crate) fn reset_in_child() {
    if BASE.load(Ordering::Acquire) != 0 {
        FREE.store(all(), Ordering::Release);
    }
}

fn map(count: usize) -> io::Result<usize> {
    // One stride more than needed, to have the first at a multiple of it.
    let length = (count + 1) * STRIDE;
    // SAFETY: a new private mapping without an address of our choice.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let base = (mapped as usize).next_multiple_of(STRIDE);
    for stack in 0..count {
        // SAFETY: these pages lie in the mapping made above, which nobody else
        // knows of yet.
        let result = unsafe {
            libc::mprotect(
                (base + stack * STRIDE + GUARD) as *mut libc::c_void,
                STRIDE - GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if result != 0 {
            let why = io::Error::last_os_error();
            // SAFETY: the mapping made above, which nobody uses.
            unsafe { libc::munmap(mapped, length) };
            return Err(why);
        }
    }
    Ok(base)
}

/// A stack that the caller may stand on until it is dropped.
struct Claim {
    index: u32,
}

impl Claim {
    fn take() -> Option<Claim> {
        let mut free = FREE.load(Ordering::Acquire);
        loop {
            if free == 0 {
                return None;
            }
            // The lowest first, so that few of them are ever touched.
            let index = free.trailing_zeros();
            match FREE.compare_exchange_weak(
                free,
                free & !(1 << index),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(Claim { index }),
                Err(now) => free = now,
            }
        }
    }

    /// The address above the stack.
    fn top(&self) -> u64 {
        BASE.load(Ordering::Relaxed) + ((u64::from(self.index) + 1) << STRIDE_BITS)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        FREE.fetch_or(1 << self.index, Ordering::Release);
    }
}

/// Runs `work` on one of these stacks with all signals blocked, in ordinary
/// code; `None` where none is free. Takes no lock and allocates nothing. `work`
/// must not panic: that ends the process.
pub(crate) fn run<R>(work: impl FnOnce() -> R) -> Option<R> {
    struct Call<W, R> {
        work: Option<W>,
        result: Option<R>,
    }
    extern "C" fn call<W: FnOnce() -> R, R>(call: *mut libc::c_void) {
        // SAFETY: the pointer is that of the `Call` below, which outlives the
        // switch and is used by nobody else during it.
        let call = unsafe { &mut *call.cast::<Call<W, R>>() };
        if let Some(work) = call.work.take() {
            call.result = Some(work());
        }
    }
    fn entry_of<W: FnOnce() -> R, R>(_: &W) -> extern "C" fn(*mut libc::c_void) {
        call::<W, R>
    }

    let mask = Blocked::all();
    let claim = Claim::take()?;
    let entry = entry_of(&work);
    let mut whole = Call {
        work: Some(work),
        result: None,
    };
    // SAFETY: `claim` has the stack below its top for itself until it is
    // dropped, which is after the switch back; `entry` gets the type of
    // argument it was made for.
    unsafe { switch::call_on(claim.top(), entry, (&raw mut whole).cast()) };
    drop(claim);
    drop(mask);
    whole.result
}

/// Runs `handler` on one of these stacks; all signals are blocked already.
#[cfg(target_arch = "aarch64")]
pub(crate) fn call_in_handler(
    handler: extern "C" fn(*mut libc::c_void),
    arguments: *mut libc::c_void,
) {
    match Claim::take() {
        // SAFETY: as in `run`.
        Some(claim) => unsafe { switch::call_on(claim.top(), handler, arguments) },
        None => {
            NONE_FREE.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All signals blocked on this thread until it is dropped.
struct Blocked {
    before: Option<u64>,
}

impl Blocked {
    fn all() -> Blocked {
        Blocked {
            before: set_mask(u64::MAX),
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            set_mask(before);
        }
    }
}

/// Sets this thread's mask, in the kernel's form of 64 bits, and returns the
/// one before. Not by way of the C library, which keeps two signals of its own
/// out of it.
fn set_mask(mask: u64) -> Option<u64> {
    let mut before = 0u64;
    // SAFETY: both words are valid for the call, and have the eight bytes that
    // its last argument names.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as libc::c_long,
            &raw const mask,
            &raw mut before,
            8 as libc::c_long,
        )
    };
    (result == 0).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_another_stack_and_its_result_comes_back() {
        prepare().expect("there is memory");
        let here = 0u8;
        let here = std::ptr::from_ref(&here) as u64;
        let there = run(|| {
            let local = 0u8;
            std::ptr::from_ref(std::hint::black_box(&local)) as u64
        })
        .expect("a stack is free");
        let base = BASE.load(Ordering::Relaxed);
        let end = base + (count() * STRIDE) as u64;
        assert!((base..end).contains(&there), "{there:x}");
        assert!(!(base..end).contains(&here));
    }

    #[test]
    fn threads_that_run_at_once_stand_on_different_stacks_and_all_are_given_back() {
        prepare().expect("there is memory");
        let threads: Vec<_> = (0..8u64)
            .map(|thread| {
                std::thread::spawn(move || {
                    for round in 0..20_000u64 {
                        let mine = thread << 32 | round;
                        let seen = run(|| {
                            let mut words = [mine; 64];
                            std::hint::black_box(&mut words);
                            words.iter().all(|word| *word == mine)
                        });
                        assert_ne!(seen, Some(false), "another thread wrote on this stack");
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no stack was shared");
        }
    }

    #[test]
    fn signals_are_blocked_meanwhile_and_the_mask_is_as_before_afterwards() {
        prepare().expect("there is memory");
        let mask = || {
            let mut now = 0u64;
            // SAFETY: asking for the mask changes nothing; eight bytes fit.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigprocmask,
                    libc::SIG_SETMASK as libc::c_long,
                    std::ptr::null::<u64>(),
                    &raw mut now,
                    8 as libc::c_long,
                )
            };
            now
        };
        let before = mask();
        let inside = run(mask).expect("a stack is free");
        // SIGKILL and SIGSTOP cannot be blocked.
        let unblockable = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);
        assert_eq!(inside, !unblockable);
        assert_eq!(mask(), before);
    }
}
