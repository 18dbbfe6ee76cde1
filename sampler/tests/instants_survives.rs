//! What the clock `instants` must survive: CPUs taken away and given back, a
//! process that is stopped, signals blocked everywhere, ten thousand threads.
//! Each case is a process of its own.
#![cfg(target_os = "linux")]

mod support;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use soakscope_sampler::Clock;
use support::case::{Case, say};
use support::loads::{Load, cpus, pin};
use support::measured::{Measuring, coverage_within, dropped};
use support::{burn, role, start};

/// One case at a time: they need the machine's CPUs.
static TURN: Mutex<()> = Mutex::new(());

fn instants() -> Clock {
    "instants".parse().expect("a clock")
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

/// Threads of this process now.
fn threads() -> Vec<libc::pid_t> {
    std::fs::read_dir("/proc/self/task")
        .expect("a listing")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// From two CPUs to one and back, while it runs: of the load's threads only, as
/// a service does it, and of all, as `taskset -a` and a cpuset do it.
#[test]
fn affinities_that_change_while_it_runs() {
    const TEST: &str = "affinities_that_change_while_it_runs";
    if role().is_none() {
        let _turn = turn();
        return Case::start(&[], TEST).end();
    }
    let usable = cpus();
    for of_all in [false, true] {
        const LOAD: &str = "at random, 90 % busy";
        let sampler = start(instants(), 999).expect("it starts");
        let before = threads();
        let mut measuring = Measuring::of(sampler, LOAD, Load::start(LOAD));
        measuring.run(700);
        for these in [&usable[..1], &usable[..]] {
            for tid in threads() {
                if of_all || !before.contains(&tid) {
                    pin(tid, these);
                }
            }
            let window = measuring.run(700);
            let (seen, coverage) = (
                window.stats.samples as f64,
                window.coverage().expect("used"),
            );
            eprintln!(
                "{these:?}, all {of_all}: {coverage} of {seen} {:?}",
                window.stats
            );
            let within = coverage_within(seen);
            let least = 1.0 - within - 2.0 * dropped(std::slice::from_ref(window));
            assert!(
                (least..1.0 + within).contains(&coverage),
                "{these:?}, all {of_all}: {coverage} of {seen}"
            );
        }
        measuring.finish().assert_shares();
    }
}

/// Five seconds in which nothing runs: nothing stands for them.
#[test]
fn a_process_that_is_stopped() {
    const TEST: &str = "a_process_that_is_stopped";
    if role().is_some() {
        let mut measuring = Measuring::start(instants(), 999, "4 threads busy");
        measuring.run(700);
        say("stop me");
        measuring.run(1_300);
        let measured = measuring.finish();
        measured.assert_shares();
        measured.assert_coverage();
        for window in &measured.windows {
            // A timer's sample stands for the ticks that its thread ran for; one of
            // an instant for itself and no more than one that was dropped.
            let instants = window.stats.instants.as_ref().expect("the clock counts");
            let most = if instants.by_timers.is_zero() {
                2.01
            } else {
                100.0
            };
            for sample in &window.samples {
                let periods = sample.weight.as_secs_f64() * 999.0 / sample.count as f64;
                assert!(periods < most, "{periods} of {most}: {sample:?}");
            }
        }
        return;
    }
    let _turn = turn();
    let mut case = Case::start(&[], TEST);
    case.until("stop me");
    case.signal(libc::SIGSTOP);
    thread::sleep(Duration::from_secs(5));
    case.signal(libc::SIGCONT);
    case.end();
}

fn set_of_all_signals() -> libc::sigset_t {
    // SAFETY: the call fills the set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    }
}

/// No thread can be sampled: the loss is counted, and the remedy said.
#[test]
fn signals_blocked_in_all_threads() {
    if role().is_some() {
        // SAFETY: changes the calling thread's mask only, which its threads
        // begin with.
        let masked = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &set_of_all_signals(), std::ptr::null_mut())
        };
        assert_eq!(masked, 0);
        let sampler = start(instants(), 99).expect("it starts");
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| burn(2.0));
            }
        });
        let window = sampler.stop().expect("it stops");
        let stats = &window.stats;
        let lost = stats.drops.get("signal blocked").copied().unwrap_or(0);
        let due = (window.cpu_used.as_secs_f64() * 99.0) as u64;
        eprintln!("{lost} of {due} counted as lost: {stats:?}");
        // The first second or so may pass before it is noticed.
        assert!((due / 4..=due + due / 5).contains(&lost), "{stats:?}");
        let said =
            |warning: &String| warning.contains("block SIG") && warning.contains("pthread_sigmask");
        assert!(stats.warnings.iter().any(said), "{:?}", stats.warnings);
        return;
    }
    let _turn = turn();
    Case::start(&[], "signals_blocked_in_all_threads").end();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count())
}

fn resident_kib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a text");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .expect("a field")
        .parse()
        .expect("a number");
    pages * 4
}

/// They are in the profile while they live, and leave nothing behind.
#[test]
fn twelve_thousand_threads_born_and_gone() {
    if role().is_some() {
        let births = |count: usize| {
            for _ in 0..count {
                let batch = [(); 20].map(|()| thread::spawn(|| burn(0.0005)));
                for thread in batch {
                    thread.join().expect("it ends well");
                }
            }
        };
        let before = descriptors();
        let sampler = start(instants(), 999).expect("it starts");
        births(100);
        let early = resident_kib();
        births(500);
        let late = resident_kib();
        let armed = sampler.stats().threads_armed;
        let window = sampler.stop().expect("it stops");
        let coverage = window.coverage().expect("CPU time was used");
        eprintln!(
            "coverage {coverage}, {early} to {late} KiB, {:?}",
            window.stats
        );
        let within = coverage_within(window.stats.samples as f64);
        let least = 1.0 - within - 2.0 * dropped(std::slice::from_ref(&window));
        assert!(
            (least..1.0 + within).contains(&coverage),
            "{coverage}: {:?}",
            window.stats
        );
        assert!(armed < 100, "{armed}");
        assert_eq!(descriptors(), before);
        assert!(late < early + 4 * 1024, "{early} to {late} KiB");
        return;
    }
    let _turn = turn();
    Case::start(&[], "twelve_thousand_threads_born_and_gone").end();
}
