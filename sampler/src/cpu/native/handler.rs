//! The signal handler: everything that runs in one is called from this file.
//!
//! It records the interrupted program counter always, and as much of the stack
//! above it as can be walked. It takes no lock, allocates nothing, formats
//! nothing, never waits, and leaves errno as it was. It stands on a stack of
//! our own (`private_stacks`), so that it needs no room on the one that was
//! interrupted beyond the kernel's own frame.
//!
//! Calls it may make, in all:
//!
//! | call | when |
//! |---|---|
//! | reads and writes of this crate's statics and of the thread's own words | always |
//! | `unwind::walk::walk`: reads of the stack, of copied or permanent unwind tables | for each sample |
//! | `rt_sigprocmask` that cannot change anything | for a page of stack not yet known |
//! | `Ring::push` | for each sample |
//! | `sched_getcpu` | for each sample of an instant, with more CPUs than observers |
//! | `gettid`, `prctl(PR_GET_NAME)` | once per thread and run |
//! | `clock_gettime` of the thread's CPU clock | once per thread, on the timer clock |
//! | `timer_create`, `timer_settime`, `timer_delete` | once per thread, on the timer clock |
//! | `futex(FUTEX_WAKE)` | when the ring is half full |
//! | `mmap`, `mprotect` | once per thread that has no alternate stack |
//! | `sigaction`, `tgkill` | for a SIGTRAP that is not ours, before it kills |
//!
//! System calls are made with `syscall`, not through the C library's wrappers,
//! some of which allocate.

use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

use super::alternate_stacks;
use super::directed::{self, SI_QUEUE};
use super::record::{self, FIXED, IN_KERNEL, Kind, NAMED, TRUNCATED};
use super::shared::{self, Cause, claims, cookie, count, read_cookie};
use super::timers::{self, First};
use crate::platform::{self, private_stacks, sampling_signal};
use crate::threads::state::{self, ThreadState};
use crate::unwind::memory::{KnownRun, Stack};
use crate::unwind::walk::{Ended, Start, walk};
use crate::unwind::{arch, main_stack, published};

/// Frames kept of one stack; deeper ones are cut at the thread's end.
pub(crate) const MAX_FRAMES: usize = 512;

/// `si_code` of a perf event's SIGTRAP, and of a timer.
const TRAP_PERF: i32 = 6;
const SI_TIMER: i32 = -2;

/// The parts of `siginfo_t` that are read, as the kernel lays them out on
/// 64-bit machines.
#[repr(C)]
pub(crate) struct SignalInfo {
    pub(crate) signal: i32,
    pub(crate) errno: i32,
    pub(crate) code: i32,
    pub(crate) pad: i32,
    /// Timers: id and overrun. Queued signals: sender.
    pub(crate) union_at_16: [i32; 2],
    /// Timers and queued signals: the value. Perf events: `sig_data`.
    pub(crate) value: u64,
    /// Signals that we send: what `directed` has put there.
    pub(crate) words: [u64; 2],
}

private_stacks::signal_entry! {
    /// What is installed for every signal we use: [`on_signal`] on a stack of
    /// our own.
    entry => on_signal
}

/// Our handler, on a stack of our own, with all signals blocked.
extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: `__errno_location` points at this thread's errno for as long as
    // the thread lives.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    published::READERS.fetch_add(1, SeqCst);
    // SAFETY: the kernel passes a `siginfo_t` and, with SA_SIGINFO, the
    // `ucontext_t` of the interrupted code; `SignalInfo` is a prefix of the
    // former.
    let (info, context) = unsafe {
        (
            &*info.cast::<SignalInfo>(),
            &mut *context.cast::<libc::ucontext_t>(),
        )
    };
    state::with(|thread| {
        if thread.busy.swap(1, Relaxed) != 0 {
            count::REENTERED.fetch_add(1, Relaxed);
            return;
        }
        handle(signal, info, context, thread);
        thread.busy.store(0, Relaxed);
    });
    published::READERS.fetch_sub(1, SeqCst);
    // SAFETY: as above.
    unsafe { *errno = saved };
}

fn handle(
    signal: libc::c_int,
    info: &SignalInfo,
    context: &mut libc::ucontext_t,
    thread: &ThreadState,
) {
    let epoch = shared::EPOCH.load(SeqCst);
    let ours = matches!(info.code, SI_TIMER | SI_QUEUE)
        || (signal == libc::SIGTRAP && info.code == TRAP_PERF);
    if !ours {
        return foreign(signal);
    }
    let Some((cause, payload)) = read_cookie(info.value, epoch) else {
        // A straggler of an earlier run, most likely.
        count::FOREIGN.fetch_add(1, Relaxed);
        return;
    };
    if epoch == 0 {
        return;
    }
    if thread.epoch.load(Relaxed) != epoch {
        begin(thread, epoch);
    }
    alternate_stacks::give(&mut context.uc_stack, thread.tid.load(Relaxed));
    if thread.excluded.load(Relaxed) != 0 {
        count::EXCLUDED.fetch_add(1, Relaxed);
        return;
    }
    let period = shared::PERIOD.load(Relaxed);
    let overrun = u64::try_from(info.union_at_16[1]).unwrap_or(0);
    let by_timers = shared::BY_TIMERS.load(Relaxed) != 0;
    let of_cpu_time = |weight| Taken {
        kind: Kind::Sample,
        weight,
        label: thread.label.load(Relaxed),
        in_kernel: arch::in_system_call(context),
    };
    let taken = match cause {
        // What another clock sent before this one serves.
        Cause::ThreadTimer | Cause::ProcessTimer if !by_timers => return,
        Cause::Instant if by_timers => return,
        Cause::Instant => {
            let taken = of_cpu_time(instant_weight(payload));
            let label = directed::word(info.value, info.words);
            Taken {
                label: label.unwrap_or(taken.label),
                ..taken
            }
        }
        Cause::ThreadTimer => {
            let mut weight = period.saturating_mul(1 + overrun);
            if payload == shared::FROM_BIRTH && thread.met.swap(1, Relaxed) == 0 {
                weight += shared::TICK.load(Relaxed) / 2;
            }
            of_cpu_time(weight)
        }
        Cause::ProcessTimer => {
            // A thread with a timer of its own accounts for itself.
            let tid = thread.tid.load(Relaxed);
            if claims::is_claimed(tid) {
                return;
            }
            match arm(thread, tid, epoch, period) {
                Some(weight) => of_cpu_time(weight),
                None => {
                    thread.midlife.store(1, Relaxed);
                    let lump = shared::PROCESS_PERIOD.load(Relaxed);
                    of_cpu_time(lump.saturating_mul(1 + overrun))
                }
            }
        }
        Cause::Perf => match thinned(thread, payload) {
            0 => return,
            picks => of_cpu_time(period.saturating_mul(picks)),
        },
        // Who waits is in the kernel all the time.
        Cause::Wall => Taken {
            in_kernel: false,
            ..of_cpu_time(payload.saturating_mul(1_000))
        },
        Cause::Dump => Taken {
            kind: Kind::Dump,
            in_kernel: false,
            ..of_cpu_time(payload)
        },
    };
    sample(taken, context, thread);
}

/// What a sample holds besides its stack.
struct Taken {
    kind: Kind,
    weight: u64,
    label: u64,
    in_kernel: bool,
}

/// The time that a thread seen at an instant stands for, by the CPU that it is
/// on: as it is sent it is that of a CPU with an observer, which does not see its
/// own.
fn instant_weight(sent: u64) -> u64 {
    let observers = u64::from(shared::OBSERVERS.load(Relaxed));
    if observers == 0 {
        return sent;
    }
    // SAFETY: it has no preconditions; the C library asks no lock for it.
    let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0);
    let word = shared::OBSERVED.get(cpu / 64);
    let observed = word.is_some_and(|word| word.load(Relaxed) >> (cpu % 64) & 1 != 0);
    if observed {
        sent
    } else {
        sent / observers * (observers - 1)
    }
}

/// Makes a thread's words those of a new run.
fn begin(thread: &ThreadState, epoch: u32) {
    let tid = state::introduce(thread);
    thread.named.store(0, Relaxed);
    thread.met.store(0, Relaxed);
    thread.perf_source.store(0, Relaxed);
    thread.position.store(0, Relaxed);
    let seed = shared::SEED.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    thread.random.store(seed ^ u64::from(tid) << 32, Relaxed);
    thread.epoch.store(epoch, Relaxed);
}

/// A number below `bound`, by SplitMix64 (Steele, Lea and Flood, 2014).
fn random_below(thread: &ThreadState, bound: u64) -> u64 {
    let state = thread
        .random
        .load(Relaxed)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    thread.random.store(state, Relaxed);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound.max(1)
}

/// How many samples this perf signal stands for, mostly 0 or 1.
///
/// The event runs faster than asked for, and of every group of `THINNING`
/// signals one at random is kept, so that a thread's samples fall anywhere in
/// its life. An inherited event starts with a whole period where it should
/// start with a random part of one, half a period too late on average: a
/// thread's first signal therefore counts one and a half. Positions and picks
/// are in halves of a period.
fn thinned(thread: &ThreadState, source: u64) -> u64 {
    let group = 2 * shared::THINNING.load(Relaxed).max(1);
    let mut position = thread.position.load(Relaxed);
    let mut pick = thread.pick.load(Relaxed);
    let mut step = 2;
    if position == 0 {
        step = 3;
        pick = random_below(thread, group);
        thread.perf_source.store(source, Relaxed);
    } else if thread.perf_source.load(Relaxed) != source {
        // A second event on this thread: it was born while threads were being
        // armed. The first one is enough.
        return 0;
    }
    position += step;
    let mut picks = 0;
    while pick < position {
        picks += 1;
        pick = if group == 2 {
            // Every signal is kept: only the first pick is random.
            pick + group
        } else {
            (pick / group + 1) * group + random_below(thread, group)
        };
    }
    thread.position.store(position, Relaxed);
    thread.pick.store(pick, Relaxed);
    picks
}

/// Walks the interrupted stack and puts it into the ring.
fn sample(taken: Taken, context: &libc::ucontext_t, thread: &ThreadState) {
    // SAFETY: tables are freed only after `READERS` was seen at 0 with the
    // pointer replaced, and this handler is counted there.
    let table = unsafe { published::MODULES.load(SeqCst).as_ref() };
    let (Some(table), Some(ring)) = (table, shared::ring()) else {
        count::NOT_READY.fetch_add(1, Relaxed);
        return;
    };
    let known = KnownRun {
        low: thread.run_low.load(Relaxed),
        high: thread.run_high.load(Relaxed),
    };
    let sp = arch::register(context, arch::DWARF_SP);
    let (mut stack, run) = Stack::new(sp, main_stack::known(), known);
    thread.run_low.store(run.low, Relaxed);
    thread.run_high.store(run.high, Relaxed);

    let mut frames = [0u64; MAX_FRAMES];
    let start = Start::interrupted(context);
    let walked = walk(&start, table, &published::RULES, &mut stack, &mut frames);
    if walked.unknown_code {
        published::UNKNOWN_CODE.store(1, Relaxed);
    }
    let frames = frames.get(..walked.depth).unwrap_or_default();

    let mut flags = if walked.ended == Ended::Complete {
        0
    } else {
        TRUNCATED
    };
    if taken.in_kernel {
        flags |= IN_KERNEL;
    }
    let ask = thread.named.swap(1, Relaxed) == 0;
    let name = ask.then(platform::thread_name).flatten();
    if name.is_some() {
        flags |= NAMED;
    }
    let name_words = name.as_slice().as_flattened();
    let length = FIXED + name_words.len() + frames.len();
    let tid = thread.tid.load(Relaxed);
    let fixed = [
        record::header(length, taken.kind, flags, tid),
        taken.weight,
        taken.label,
    ];
    match ring.push(&[&fixed, name_words, frames]) {
        Ok(used) => {
            if used > ring.capacity() / 2 {
                wake();
            }
        }
        Err(_) => {
            // The name must come with the next sample then.
            thread.named.store(0, Relaxed);
            count::RING_FULL.fetch_add(1, Relaxed);
            wake();
        }
    }
}

/// Gives the thread a timer of its own from inside, as `timer_clock` says, and
/// returns the time that a sample taken now stands for; `None` when there is
/// no timer to be had and the process timer must go on covering the thread.
fn arm(thread: &ThreadState, tid: u32, epoch: u32, period: u64) -> Option<u64> {
    if !claims::claim(tid) {
        // The scan is making it at this moment.
        return Some(0);
    }
    let phase = 1 + random_below(thread, period);
    let from_birth = shared::MIDWAY.load(Relaxed) == 0
        && thread.midlife.load(Relaxed) == 0
        && thread.met.load(Relaxed) == 0;
    let used = if from_birth { thread_cpu_time() } else { 0 };
    let (first, past) = if used == 0 {
        (First::After(phase), 0)
    } else {
        let expiries = (used + period - phase) / period;
        (First::At(phase + expiries * period), expiries * period)
    };
    let signal = sampling_signal::number();
    let value = cookie(epoch, Cause::ThreadTimer, 0);
    let Ok(id) = timers::create(timers::Target::Thread(tid), signal, value, first, period) else {
        claims::release(tid);
        return None;
    };
    let header = record::header(FIXED, Kind::Armed, 0, tid);
    let recorded = shared::ring().map(|ring| ring.push(&[&[header, id as u64, 0]]));
    if !matches!(recorded, Some(Ok(_))) {
        // Nobody would ever delete it.
        timers::delete(id);
        claims::release(tid);
        return None;
    }
    thread.met.store(1, Relaxed);
    let unseen_end = if used == 0 {
        0
    } else {
        shared::TICK.load(Relaxed) / 2
    };
    Some(past + unseen_end)
}

/// CPU time of the calling thread, in nanoseconds.
fn thread_cpu_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write of a `timespec`.
    unsafe {
        libc::syscall(
            libc::SYS_clock_gettime,
            libc::CLOCK_THREAD_CPUTIME_ID as libc::c_long,
            &raw mut time,
        );
    }
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Wakes the drain thread.
fn wake() {
    if shared::WAKE.swap(1, Acquire) == 0 {
        // SAFETY: FUTEX_WAKE touches nothing but the kernel's queue for the
        // address of a static.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                shared::WAKE.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1,
            );
        }
    }
}

/// A signal that we did not cause, on a number whose disposition was free: do
/// what would have been done without us, as far as that makes sense.
fn foreign(signal: libc::c_int) {
    count::FOREIGN.fetch_add(1, Relaxed);
    if signal != libc::SIGTRAP {
        // The default for SIGPROF is to end the process: somebody who relies
        // on that does not want a profile.
        return;
    }
    // A breakpoint without a debugger ends the process, with SIGTRAP.
    // SAFETY: restoring the default disposition and signalling this thread
    // are async-signal-safe; the arguments are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, std::ptr::null_mut());
        let tid = libc::syscall(libc::SYS_gettid);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal);
    }
}
