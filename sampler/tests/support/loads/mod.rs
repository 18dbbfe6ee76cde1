//! Loads of known truth: what four functions use of the CPU, by the clocks of
//! the threads that ran them, under arrivals and lives of many kinds.
//!
//! | file | what |
//! |---|---|
//! | `work` | the functions |
//! | `scheduled` | requests that arrive by a clock, over two workers |
//! | `threads` | threads always busy, short-lived, in the kernel, mostly idle |
//! | `odd` | patterns that could bias a clock that looks from other CPUs |
//! | `judge` | shares seen against the truth |
//!
//! Used by the tests and, through `#[path]`, by the bench.
#![allow(dead_code, unreachable_pub)]

pub mod judge;
pub mod odd;
pub mod scheduled;
pub mod threads;
pub mod work;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use soakscope_sampler::set_label;

/// What a thread of a load does before its first function and at its end, for
/// samplers that have to be shown each thread.
pub static THREADS: OnceLock<BeginAndEnd> = OnceLock::new();

pub type BeginAndEnd = (fn(), fn());

struct Shown;

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((_, end)) = THREADS.get() {
            end();
        }
    }
}

thread_local! {
    static SHOWN: Shown = {
        if let Some((begin, _)) = THREADS.get() {
            begin();
        }
        Shown
    };
}

/// What a running load shares with its threads.
#[derive(Default)]
pub struct Context {
    stop: AtomicBool,
    /// Nanoseconds of CPU time by function.
    spent: [AtomicU64; 4],
    /// Waits that ended with EINTR.
    interrupted: AtomicU64,
    pub waits: AtomicU64,
}

impl Context {
    pub fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Runs `work` as function `index`: its CPU time is read before and after,
    /// and the thread's label is `index + 1` meanwhile.
    pub fn run(&self, index: usize, work: impl FnOnce()) {
        SHOWN.with(|_| ());
        let label = set_label(index as u64 + 1);
        let before = thread_cpu();
        work();
        let spent = thread_cpu() - before;
        set_label(label);
        self.spent[index].fetch_add(spent.as_nanos() as u64, Relaxed);
    }

    /// Runs function `index` for about as long as `microseconds` of CPU time.
    pub fn spend(&self, index: usize, microseconds: f64) {
        let rounds = work::rounds(microseconds);
        self.run(index, || work::call(index, rounds));
    }

    /// Sleeps until `at` on the monotonic clock.
    pub fn sleep_until(&self, at: Duration) {
        let time = libc::timespec {
            tv_sec: at.as_secs() as _,
            tv_nsec: at.subsec_nanos() as _,
        };
        while monotonic() < at {
            self.waits.fetch_add(1, Relaxed);
            // SAFETY: `time` is valid for the read; no remainder is asked for.
            let result = unsafe {
                libc::clock_nanosleep(
                    libc::CLOCK_MONOTONIC,
                    libc::TIMER_ABSTIME,
                    &time,
                    std::ptr::null_mut(),
                )
            };
            if result == libc::EINTR {
                self.interrupted.fetch_add(1, Relaxed);
            }
        }
    }

    pub fn nap(&self, microseconds: f64) {
        self.sleep_until(monotonic() + Duration::from_nanos((microseconds * 1e3) as u64));
    }

    pub fn count_interruption(&self) {
        self.interrupted.fetch_add(1, Relaxed);
    }
}

/// A load, running on threads of its own.
pub struct Load {
    context: Arc<Context>,
    thread: JoinHandle<()>,
}

/// What a load did.
pub struct Done {
    /// Seconds of CPU time by function.
    pub spent: [f64; 4],
    pub interrupted: u64,
    pub waits: u64,
}

type Body = fn(&Arc<Context>);

/// Every load by name.
pub const LOADS: [(&str, Body); 22] = [
    ("each 4 ms", scheduled::each_4_ms),
    ("each 4 ms, 90 % busy", scheduled::each_4_ms_at_90),
    ("ms grid", scheduled::on_a_grid),
    ("ms grid, 90 % busy", scheduled::on_a_grid_at_90),
    ("at random", scheduled::at_random),
    ("at random, 90 % busy", scheduled::at_random_at_90),
    ("2 threads busy", threads::busy_2),
    ("4 threads busy", threads::busy_4),
    ("40 threads busy", threads::busy_40),
    ("lives of 20 ms", threads::lives_of_20_ms),
    ("half kernel time", threads::half_kernel_time),
    ("300 idle threads", threads::mostly_idle),
    ("bursts", odd::bursts),
    ("phases of the tick", odd::phases_of_the_tick),
    ("whole ticks", odd::whole_ticks),
    ("ring", odd::ring),
    ("tiny ring", odd::tiny_ring),
    ("naps", odd::naps),
    ("two priorities", odd::two_priorities),
    ("mover", odd::mover),
    ("fork-join", odd::fork_join),
    ("fork-join, pinned", odd::fork_join_pinned),
];

impl Load {
    /// Starts the load of this name.
    pub fn start(name: &str) -> Load {
        work::rounds(1.0);
        let body = LOADS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("no load {name}"))
            .1;
        let context = Arc::new(Context::default());
        let thread = std::thread::spawn({
            let context = context.clone();
            move || body(&context)
        });
        Load { context, thread }
    }

    /// Stops it and waits for its threads.
    pub fn finish(self) -> Done {
        self.context.stop.store(true, Relaxed);
        self.thread.join().expect("a load ends well");
        Done {
            spent: self
                .context
                .spent
                .each_ref()
                .map(|spent| spent.load(Relaxed) as f64 / 1e9),
            interrupted: self.context.interrupted.load(Relaxed),
            waits: self.context.waits.load(Relaxed),
        }
    }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "clock {clock} can be read");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub fn thread_cpu() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// The kernel's tick, and the moment of the last one.
pub fn tick() -> (Duration, Duration) {
    let mut resolution = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `resolution` is valid for a write of one `timespec`.
    let result = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &mut resolution) };
    assert_eq!(result, 0, "the coarse clock has a resolution");
    let tick = Duration::from_nanos(resolution.tv_nsec as u64);
    (tick, read(libc::CLOCK_MONOTONIC_COARSE))
}

/// Pseudo-random numbers, the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Uniform below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count - 1)
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }
}

/// CPUs this process may use.
pub fn cpus() -> Vec<usize> {
    // SAFETY: a zeroed set is valid, the call writes over it, and the numbers
    // asked for are within it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let size = std::mem::size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(0, size, &mut set), 0);
        (0..libc::CPU_SETSIZE as usize)
            .filter(|cpu| libc::CPU_ISSET(*cpu, &set))
            .collect()
    }
}

/// Lets thread `tid` run on these CPUs only; 0 is the caller.
pub fn pin(tid: libc::pid_t, cpus: &[usize]) {
    // SAFETY: a zeroed set is valid, the numbers are within it, and the call
    // only reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in cpus {
            libc::CPU_SET(*cpu, &mut set);
        }
        let size = std::mem::size_of::<libc::cpu_set_t>();
        let result = libc::sched_setaffinity(tid, size, &set);
        // A thread that has gone needs no CPU.
        assert!(
            result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH),
            "{}",
            std::io::Error::last_os_error()
        );
    }
}
