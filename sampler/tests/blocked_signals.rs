//! Threads that block signals, or wait for them with `sigwait`. Each case is a
//! process of its own, because masks are inherited.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use soakscope_sampler::Clock;
use support::{burn, child, role, start};

fn set(signals: impl IntoIterator<Item = libc::c_int>) -> libc::sigset_t {
    // SAFETY: a zeroed set is valid, and the calls change it alone.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        for signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

fn mask(how: libc::c_int, set: &libc::sigset_t) {
    // SAFETY: changes the calling thread's mask only.
    let result = unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn all_signals() -> libc::sigset_t {
    set((1..=libc::SIGRTMAX()).filter(|s| *s < 32 || *s >= libc::SIGRTMIN()))
}

/// Runs the test of this name in a child and expects it to end well.
fn in_child(test: &str) {
    let output = child(test, "blocked");
    assert!(output.status.success(), "{output:?}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_signal_that_no_thread_blocks_is_taken() {
    if role().is_none() {
        return in_child("a_signal_that_no_thread_blocks_is_taken");
    }
    mask(
        libc::SIG_BLOCK,
        &set([libc::SIGWINCH, libc::SIGRTMAX() - 1]),
    );
    let sampler = start(Clock::Timer, 999).expect("timers run");
    thread::spawn(|| burn(0.5)).join().expect("it ends well");
    let window = sampler.stop().expect("it stops");
    let coverage = window.coverage().expect("CPU time was used");
    assert!((0.9..1.1).contains(&coverage), "{coverage}");
    assert!(window.stats.warnings.is_empty(), "{:?}", window.stats);
}

#[test]
fn where_all_threads_block_all_signals_the_loss_is_counted_and_the_remedy_said() {
    if role().is_none() {
        return in_child(
            "where_all_threads_block_all_signals_the_loss_is_counted_and_the_remedy_said",
        );
    }
    mask(libc::SIG_BLOCK, &all_signals());
    for clock in [Clock::Timer, Clock::Perf, Clock::Instants] {
        let Some(sampler) = start(clock, 99) else {
            continue;
        };
        let threads = [(); 2].map(|()| thread::spawn(|| burn(2.0)));
        for thread in threads {
            thread.join().expect("it ends well");
        }
        // The last second may not have been looked at yet.
        burn(1.5);
        let window = sampler.stop().expect("it stops");
        let stats = &window.stats;
        let lost = stats.drops.get("signal blocked").copied().unwrap_or(0);
        let due = (window.cpu_used.as_secs_f64() * 99.0) as u64;
        eprintln!(
            "{clock}: {lost} of {due} counted as lost: {:?}",
            stats.warnings
        );
        assert!(
            (due / 3..=due + due / 10).contains(&lost),
            "{clock}: {stats:?}"
        );
        let said = stats
            .warnings
            .iter()
            .any(|warning| warning.contains("block SIG") && warning.contains("pthread_sigmask"));
        assert!(said, "{clock}: {:?}", stats.warnings);
    }
}

#[test]
fn a_thread_that_waits_for_all_signals_gets_none_of_ours() {
    if role().is_none() {
        return in_child("a_thread_that_waits_for_all_signals_gets_none_of_ours");
    }
    static RECEIVED: AtomicU32 = AtomicU32::new(0);
    // A thread that comes later is known to block them only after some scans;
    // what it receives before a second without a signal is not counted.
    let wait = |busy: f64, counts_at_once: bool| {
        move || {
            mask(libc::SIG_BLOCK, &all_signals());
            burn(busy);
            let timeout = libc::timespec {
                tv_sec: 0,
                tv_nsec: 50_000_000,
            };
            let begun = Instant::now();
            let mut counts = counts_at_once;
            let mut quiet_since = begun;
            let mut counted_since = begun;
            while counted_since.elapsed() < Duration::from_secs(2) || !counts {
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "it is never quiet"
                );
                // SAFETY: the set and the timeout are valid; no info is asked.
                let got =
                    unsafe { libc::sigtimedwait(&all_signals(), std::ptr::null_mut(), &timeout) };
                if got > 0 {
                    quiet_since = Instant::now();
                    if counts {
                        eprintln!("received signal {got}");
                        RECEIVED.fetch_add(1, Ordering::SeqCst);
                    }
                } else if !counts && quiet_since.elapsed() > Duration::from_secs(1) {
                    counts = true;
                    counted_since = Instant::now();
                }
            }
        }
    };
    let before = thread::spawn(wait(0.0, true));
    // It has blocked them once it waits; its CPU time then stands still.
    thread::sleep(Duration::from_millis(100));
    let sampler = start(Clock::Timer, 999).expect("timers run");
    // A thread that is made by one with all blocked.
    let late = thread::spawn(move || {
        mask(libc::SIG_BLOCK, &all_signals());
        thread::spawn(wait(0.3, false)).join()
    });
    let workers = [(); 2].map(|()| thread::spawn(|| burn(1.0)));
    // Asking all threads for their stacks does not ask those that wait.
    for _ in 0..3 {
        let asked = sampler.threads().expect("stacks can be had");
        assert!(asked.samples.iter().any(|sample| sample.stack.is_empty()));
    }
    for worker in workers {
        worker.join().expect("it ends well");
    }
    before.join().expect("it ends well");
    late.join().expect("it ends well").expect("it ends well");
    drop(sampler);
    assert_eq!(RECEIVED.load(Ordering::SeqCst), 0);
}

/// Timers count against a limit that is the program's, too.
#[test]
fn a_quarter_of_the_limit_on_queued_signals_is_left_to_the_program() {
    if role().is_none() {
        return in_child("a_quarter_of_the_limit_on_queued_signals_is_left_to_the_program");
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let queued: u64 = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("SigQ:")?
                .split_once('/')?
                .0
                .trim()
                .parse()
                .ok()
        })
        .expect("a number");
    let limit = queued + 40;
    let limits = libc::rlimit {
        rlim_cur: limit,
        rlim_max: limit,
    };
    // SAFETY: `limits` is valid for the read.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &limits) };
    assert_eq!(set, 0);
    let sampler = start(Clock::Timer, 99).expect("timers run");
    let threads: Vec<_> = (0..100).map(|_| thread::spawn(|| burn(0.05))).collect();
    let mut own = Vec::new();
    for _ in 0..5 {
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: a timer without a signal of its own; the id is valid for the
        // write.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, std::ptr::null_mut(), &mut timer) };
        own.push(made);
        burn(0.02);
    }
    for thread in threads {
        thread.join().expect("it ends well");
    }
    assert_eq!(own, [0; 5], "the program's own timers");
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 0, "{:?}", window.stats);
}
