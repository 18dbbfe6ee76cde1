//! Work of known cost for the tests.
#![allow(dead_code, unreachable_pub)]

pub mod case;
pub mod heap;
pub mod library;
#[cfg(target_os = "linux")]
pub mod loads;
#[cfg(target_os = "linux")]
pub mod measured;
pub mod others;
#[cfg(target_os = "linux")]
pub mod quota;
#[cfg(target_os = "linux")]
pub mod seccomp;

use std::hint::black_box;
use std::time::Duration;

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every thread has a CPU clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A few microseconds of work in a function of its own.
#[inline(never)]
pub fn spin_here(rounds: u64) -> u64 {
    let mut state = black_box(rounds);
    for round in 0..rounds * 1_000 {
        state = black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(round),
        );
    }
    state
}

/// Uses `seconds` of the calling thread's CPU time, whatever else runs.
#[inline(never)]
pub fn burn(seconds: f64) {
    let end = thread_cpu() + Duration::from_secs_f64(seconds);
    while thread_cpu() < end {
        black_box(spin_here(10));
    }
}

use soakscope_sampler::{Clock, CpuSampler, Error};

/// A running sampler on `clock`, or `None` with a word about why not.
pub fn start(clock: Clock, hz: u32) -> Option<CpuSampler> {
    match CpuSampler::builder().clock(clock).frequency(hz).start() {
        Ok(sampler) => Some(sampler),
        Err(Error::ClockRefused { reason, .. }) => {
            eprintln!("skipped: {clock}: {reason}");
            None
        }
        Err(error) => panic!("{clock}: {error}"),
    }
}

/// The clocks of Linux that measure CPU time.
pub const CPU_CLOCKS: [Clock; 3] = [Clock::Perf, Clock::Instants, Clock::Timer];

/// Runs this test binary again as a child that runs only `test`, with `role`
/// in its environment.
pub fn child(test: &str, role: &str) -> std::process::Output {
    let mut command = command(&[], test, role);
    command.output().expect("a test can run itself")
}

/// The command that [`child`] runs, as arguments of the program that `before`
/// begins with, if any.
pub fn command(before: &[&str], test: &str, role: &str) -> std::process::Command {
    let exe = std::env::current_exe().expect("a test has a path");
    let mut words: Vec<std::ffi::OsString> = before.iter().map(Into::into).collect();
    words.push(exe.into());
    words.extend([test, "--exact", "--nocapture", "--test-threads=1"].map(Into::into));
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).env("SAMPLER_TEST_ROLE", role);
    command
}

/// The role that [`child`] gave this process.
pub fn role() -> Option<String> {
    std::env::var("SAMPLER_TEST_ROLE").ok()
}
