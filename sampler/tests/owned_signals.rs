//! A signal that the host handles is never taken from it.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use soakscope_sampler::{Clock, CpuSampler, Error};
use support::{burn, child, role, start};

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

#[test]
fn timers_use_another_signal_where_sigprof_is_taken() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    own(libc::SIGPROF);
    if let Some(sampler) = start(Clock::Timer, 250) {
        burn(0.3);
        assert_eq!(raise(libc::SIGPROF), 1, "the host's handler was taken");
        SEEN.store(0, Ordering::SeqCst);
        let window = sampler.stop().expect("it stops");
        let coverage = window.coverage().expect("CPU time was used");
        assert!((0.9..1.1).contains(&coverage), "{coverage}");
        assert_eq!(
            SEEN.load(Ordering::SeqCst),
            0,
            "our signals went to the host"
        );
    }
    assert_eq!(raise(libc::SIGPROF), 1);
    disown(libc::SIGPROF);
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
    assert_eq!(sampler.clock(), Clock::Timer);
    assert_eq!(raise(libc::SIGTRAP), 1);
    drop(sampler);
    disown(libc::SIGTRAP);
}

#[test]
fn a_host_that_takes_the_signal_later_gets_it_and_sampling_goes_on() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let Some(sampler) = start(Clock::Timer, 250) else {
        return;
    };
    own(libc::SIGPROF);
    burn(2.5);
    let stats = sampler.stats();
    assert!(!stats.warnings.is_empty(), "{stats:?}");
    assert_eq!(sampler.clock(), Clock::Timer);
    let moved = sampler.drain().expect("it drains");
    burn(0.3);
    let window = sampler.stop().expect("it stops");
    let coverage = window.coverage().expect("CPU time was used");
    assert!(coverage > 0.9, "{coverage}, {:?}", moved.stats);
    disown(libc::SIGPROF);
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
