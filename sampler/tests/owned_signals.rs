//! A signal that the host handles is never taken from it.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use soakscope_sampler::{Clock, CpuSampler, Error};
use support::{burn, child, role, start};

/// Clocks that choose their signal.
const CLOCKS: [Clock; 2] = [Clock::Instants, Clock::Timer];

/// How far coverage may be from 1 over 0.3 s at 999 Hz: samples of instants are
/// some 300, and this is more than four of their deviations.
fn tolerance(clock: Clock) -> f64 {
    if clock == Clock::Instants { 0.3 } else { 0.1 }
}

static TURN: Mutex<()> = Mutex::new(());
static SEEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn the_hosts_handler(_: libc::c_int) {
    SEEN.fetch_add(1, Ordering::SeqCst);
}

fn own(signal: libc::c_int) {
    // SAFETY: all-zero is a valid action; the handler only adds to an atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int) = the_hosts_handler;
        action.sa_sigaction = handler as usize;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

fn raise(signal: libc::c_int) -> u32 {
    SEEN.store(0, Ordering::SeqCst);
    // SAFETY: the signal has a handler.
    unsafe { libc::raise(signal) };
    SEEN.load(Ordering::SeqCst)
}

fn disown(signal: libc::c_int) {
    // SAFETY: restoring the default disposition of a signal nobody sends now.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// The signals that are ignored by default and of use to a sampler.
const IGNORED_BY_DEFAULT: [libc::c_int; 2] = [libc::SIGWINCH, libc::SIGURG];

#[test]
fn the_hosts_handlers_are_left_to_it_whichever_signals_it_handles() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let taken: [&[libc::c_int]; 4] = [
        &[libc::SIGPROF],
        &[libc::SIGWINCH],
        &IGNORED_BY_DEFAULT,
        &[libc::SIGWINCH, libc::SIGURG, libc::SIGPROF],
    ];
    for (signals, clock) in taken
        .into_iter()
        .flat_map(|signals| CLOCKS.map(|c| (signals, c)))
    {
        for signal in signals {
            own(*signal);
        }
        let sampler = start(clock, 999).expect("another signal is free");
        burn(0.3);
        sampler.threads().expect("stacks can be had");
        for signal in signals {
            assert_eq!(raise(*signal), 1, "the host's handler was taken");
        }
        SEEN.store(0, Ordering::SeqCst);
        let window = sampler.stop().expect("it stops");
        let coverage = window.coverage().expect("CPU time was used");
        let drops = &window.stats.drops;
        assert!(
            (coverage - 1.0).abs() < tolerance(clock),
            "{clock}, {signals:?}: {coverage}, {drops:?}"
        );
        let seen = SEEN.load(Ordering::SeqCst);
        assert_eq!(seen, 0, "{signals:?}: our signals went to the host");
        for signal in signals {
            disown(*signal);
        }
    }
}

#[test]
fn a_host_that_installs_a_handler_for_sigprof_later_gets_its_own_signals_only() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let sampler = start(Clock::Timer, 999).expect("timers run");
    burn(0.1);
    own(libc::SIGPROF);
    SEEN.store(0, Ordering::SeqCst);
    for _ in 0..40 {
        // SAFETY: the signal has a handler.
        unsafe { libc::raise(libc::SIGPROF) };
        burn(0.01);
    }
    assert_eq!(SEEN.load(Ordering::SeqCst), 40);
    drop(sampler);
    disown(libc::SIGPROF);
}

#[test]
fn a_host_that_resets_every_handler_is_not_ended_by_it_and_is_sampled_again() {
    if let Some(role) = role() {
        let clock = role.parse().expect("the role is a clock");
        let sampler = start(clock, 999).expect("it runs");
        burn(0.2);
        for _ in 0..3 {
            // As daemons do. SIGKILL and SIGSTOP are refused, which is fine.
            for signal in 1..=libc::SIGRTMAX() {
                // SAFETY: any disposition may be reset.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            burn(0.4);
        }
        sampler.drain().expect("it drains");
        burn(0.5);
        let window = sampler.stop().expect("it stops");
        let least = 1.0 - tolerance(clock);
        assert!(window.coverage().is_some_and(|c| c > least), "{window:?}");
        let warned = window.stats.warnings.iter().any(|w| w.contains("reset"));
        assert!(warned, "{:?}", window.stats.warnings);
        println!("still here");
        return;
    }
    for clock in CLOCKS {
        let output = child(
            "a_host_that_resets_every_handler_is_not_ended_by_it_and_is_sampled_again",
            clock.name(),
        );
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("still here"));
    }
}

#[test]
fn the_pprof_engine_leaves_sigprof_to_a_host_that_handles_it() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    own(libc::SIGPROF);
    match CpuSampler::builder().clock(Clock::Pprof).start() {
        Err(Error::ClockRefused { clock, reason }) => {
            assert_eq!(clock, Clock::Pprof);
            assert!(reason.contains("SIGPROF"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(raise(libc::SIGPROF), 1, "the host's handler was taken");
    disown(libc::SIGPROF);
    // One that takes it while the engine runs keeps it.
    let sampler = start(Clock::Pprof, 99).expect("it runs");
    burn(0.1);
    own(libc::SIGPROF);
    sampler.drain().expect("it drains");
    assert_eq!(raise(libc::SIGPROF), 1, "the host's handler was taken");
    let window = sampler.stop().expect("it stops");
    assert!(!window.stats.warnings.is_empty(), "{:?}", window.stats);
    assert_eq!(raise(libc::SIGPROF), 1, "the host's handler was taken");
    disown(libc::SIGPROF);
}

/// A host that handles every signal there is has no profile, and its handlers.
#[test]
fn where_the_host_handles_all_signals_no_clock_runs() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let mut all: Vec<libc::c_int> = (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect();
    all.extend([libc::SIGWINCH, libc::SIGURG, libc::SIGPROF, libc::SIGTRAP]);
    for signal in &all {
        own(*signal);
    }
    match CpuSampler::builder().start() {
        Err(Error::NoClock(tried)) => assert!(!tried.is_empty()),
        other => panic!("{other:?}"),
    }
    for signal in &all {
        assert_eq!(raise(*signal), 1, "{signal}");
        disown(*signal);
    }
}

#[test]
fn a_taken_sigtrap_means_timers() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    own(libc::SIGTRAP);
    let refused = CpuSampler::builder().clock(Clock::Perf).start();
    match refused {
        Err(Error::ClockRefused { clock, reason }) => {
            assert_eq!(clock, Clock::Perf);
            assert!(reason.contains("SIGTRAP"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let sampler = CpuSampler::builder().start().expect("another clock runs");
    assert_eq!(sampler.clock(), Clock::Instants);
    assert_eq!(raise(libc::SIGTRAP), 1);
    drop(sampler);
    disown(libc::SIGTRAP);
}

#[test]
fn a_host_that_takes_the_signal_later_gets_it_and_sampling_goes_on() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CLOCKS {
        taken_later(clock);
    }
}

fn taken_later(clock: Clock) {
    let sampler = start(clock, 999).expect("it runs");
    SEEN.store(0, Ordering::SeqCst);
    for signal in IGNORED_BY_DEFAULT {
        own(signal);
    }
    // The sampler's thread looks each tenth of a second.
    while sampler.stats().warnings.is_empty() {
        burn(0.01);
    }
    let before = SEEN.load(Ordering::SeqCst);
    burn(0.5);
    assert_eq!(SEEN.load(Ordering::SeqCst), before, "it went on");
    assert_eq!(sampler.clock(), clock);
    let moved = sampler.drain().expect("it drains");
    burn(0.3);
    let window = sampler.stop().expect("it stops");
    let coverage = window.coverage().expect("CPU time was used");
    let (used, excluded) = (window.cpu_used, window.cpu_excluded);
    assert!(
        coverage > 1.0 - tolerance(clock),
        "{clock}: {coverage} of {used:?} less {excluded:?}, {:?}",
        moved.stats
    );
    for signal in IGNORED_BY_DEFAULT {
        disown(signal);
    }
}

#[test]
fn the_wall_clock_moves_when_its_signal_is_taken() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let sampler = start(Clock::Wall, 99).expect("it runs");
    for signal in IGNORED_BY_DEFAULT {
        own(signal);
    }
    while sampler.stats().warnings.is_empty() {
        burn(0.01);
    }
    assert_eq!(sampler.clock(), Clock::Wall);
    sampler.drain().expect("it drains");
    burn(0.5);
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 5, "{:?}", window.stats);
    for signal in IGNORED_BY_DEFAULT {
        disown(signal);
    }
}

#[test]
fn a_breakpoint_still_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    if role().is_some() {
        let _sampler = start(Clock::Perf, 999);
        burn(0.02);
        // SAFETY: SIGTRAP is this process's own affair.
        unsafe { libc::raise(libc::SIGTRAP) };
        burn(0.2);
        return;
    }
    let output = child("a_breakpoint_still_ends_the_process", "trap");
    assert_eq!(output.status.signal(), Some(libc::SIGTRAP), "{output:?}");
}
