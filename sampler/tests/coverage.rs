//! The time used is the time attributed: every clock, several rates and
//! numbers of threads, judged by the kernel's own account of the process.

mod support;

use std::sync::Mutex;
use std::thread;

use soakscope_sampler::{Clock, CpuSampler, CpuWindow, Error};
use support::burn;

/// One sampler per process: the tests of this file take turns.
static TURN: Mutex<()> = Mutex::new(());

/// The window of `threads` threads that use `seconds` of CPU time each, or
/// `None` where the clock cannot run.
fn busy(clock: Clock, hz: u32, threads: usize, seconds: f64) -> Option<CpuWindow> {
    let sampler = match CpuSampler::builder().clock(clock).frequency(hz).start() {
        Ok(sampler) => sampler,
        Err(Error::ClockRefused { reason, .. }) => {
            eprintln!("skipped: {clock}: {reason}");
            return None;
        }
        Err(error) => panic!("{clock}: {error}"),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| burn(seconds));
        }
    });
    Some(sampler.stop().expect("a running sampler stops"))
}

fn check(clock: Clock, hz: u32, threads: usize, seconds: f64) {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let Some(window) = busy(clock, hz, threads, seconds) else {
        return;
    };
    let coverage = window.coverage().expect("CPU time was used");
    let whole = window.stats.samples - window.stats.truncated;
    eprintln!(
        "{clock} {hz} Hz, {threads} threads: coverage {coverage:.4}, short by {:.2} ms, {} samples, {} whole, drops {:?}",
        (window.cpu_used.as_secs_f64()
            - window.cpu_excluded.as_secs_f64()
            - window.stats.attributed.as_secs_f64())
            * 1e3,
        window.stats.samples,
        whole,
        window.stats.drops
    );
    // The grain of the measurement: a sample more or less per thread, and, of
    // a thread's end, what a clock that looks only on ticks cannot see. With
    // many threads on few processors that is several ticks.
    let unseen = if clock == Clock::Timer { 0.010 } else { 0.0 };
    let grain = (1.5 / f64::from(hz) + unseen) / seconds;
    assert!(
        (coverage - 1.0).abs() < 0.03 + grain,
        "{clock} {hz} Hz, {threads} threads: {coverage}"
    );
    assert!(whole * 100 >= window.stats.samples * 99);
    // The C library blocks all signals while a thread begins and ends; one that
    // is preempted there may lose a sample.
    let drops = &window.stats.drops;
    let at_the_ends = drops.get("signal blocked").copied().unwrap_or(0);
    assert!(at_the_ends <= threads as u64, "{drops:?}");
    assert_eq!(window.stats.dropped(), at_the_ends, "{drops:?}");
    let total: u64 = window.samples.iter().map(|s| s.count).sum();
    assert_eq!(total, window.stats.samples);
}

#[test]
fn perf_clock() {
    for hz in [99, 250, 999] {
        check(Clock::Perf, hz, 1, 0.6);
        check(Clock::Perf, hz, 8, 0.25);
    }
    check(Clock::Perf, 999, 64, 0.05);
}

#[test]
fn timer_clock() {
    for hz in [99, 250, 999] {
        check(Clock::Timer, hz, 1, 0.6);
        check(Clock::Timer, hz, 8, 0.25);
    }
    check(Clock::Timer, 999, 64, 0.05);
}
