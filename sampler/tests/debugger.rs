//! SIGTRAP is the debugger's: with one attached, timers are used instead.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler, Error};
use support::{burn, child, role};

fn is_traced() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|s| {
        s.lines()
            .any(|l| l.starts_with("TracerPid:") && !l.ends_with("\t0"))
    })
}

/// Lets `strace` or `gdb` trace this process until the result is dropped.
fn attach() -> Option<impl Drop> {
    struct Tracer(std::process::Child);
    impl Drop for Tracer {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let pid = std::process::id().to_string();
    let tracer = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=none",
            "-e",
            "signal=none",
            "-o",
            "/dev/null",
            "-p",
        ])
        .arg(&pid)
        .spawn()
        .ok()
        .map(Tracer)?;
    let patience = Instant::now() + Duration::from_secs(5);
    while !is_traced() {
        if Instant::now() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(tracer)
}

#[test]
fn a_debugger_at_the_start_means_another_clock_than_perf() {
    if role().is_none() {
        let output = child(
            "a_debugger_at_the_start_means_another_clock_than_perf",
            "traced",
        );
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let Some(tracer) = attach() else {
        eprintln!("skipped: nothing to trace with");
        return;
    };
    match CpuSampler::builder().clock(Clock::Perf).start() {
        Err(Error::ClockRefused { reason, .. }) => assert!(reason.contains("debugger")),
        other => panic!("{other:?}"),
    }
    let sampler = CpuSampler::builder().start().expect("another clock runs");
    assert_ne!(sampler.clock(), Clock::Perf);
    burn(0.3);
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 5);
    drop(tracer);
}

#[test]
fn a_debugger_that_attaches_later_gets_its_signal() {
    if role().is_none() {
        let output = child("a_debugger_that_attaches_later_gets_its_signal", "traced");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let Some(sampler) = support::start(Clock::Perf, 99) else {
        return;
    };
    let Some(tracer) = attach() else {
        eprintln!("skipped: nothing to trace with");
        return;
    };
    let patience = Instant::now() + Duration::from_secs(10);
    while sampler.clock() == Clock::Perf && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(sampler.clock(), Clock::Timer);
    assert!(sampler.stats().warnings[0].contains("debugger"));
    drop(tracer);
}
