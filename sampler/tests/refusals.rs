//! What a container or a limit refuses: another clock, or coarser sampling,
//! and the reason on record. Each case is a process of its own, because a
//! filter cannot be taken off again.

mod support;

use std::sync::Mutex;

use soakscope_sampler::{Clock, CpuSampler};
#[cfg(target_arch = "x86_64")]
use support::seccomp::forbid;
use support::{burn, child, role};

/// The clocks in the order tried, ending with the one in use, and the coverage.
fn report() {
    let sampler = CpuSampler::builder()
        .frequency(99)
        .start()
        .expect("some clock runs");
    let stats = sampler.stats();
    burn(0.5);
    let clock = sampler.clock();
    let window = sampler.stop().expect("it stops");
    for fallback in &stats.fallbacks {
        println!("refused {fallback}");
    }
    println!("using {clock}");
    println!("coverage {:.2}", window.coverage().unwrap_or(0.0));
    println!("timers refused {}", window.stats.threads_refused);
}

/// What is left of RLIMIT_SIGPENDING is the user's, in all processes: one at a
/// time.
static TURN: Mutex<()> = Mutex::new(());

fn said_by(test: &str) -> String {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let output = child(test, "refused");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn coverage(said: &str) -> f64 {
    said.lines()
        .find_map(|line| line.split_once("coverage ")?.1.parse().ok())
        .expect("the child says its coverage")
}

#[cfg(target_arch = "x86_64")]
#[test]
fn perf_events_are_not_needed() {
    if role().is_some() {
        forbid(&[libc::SYS_perf_event_open]);
        return report();
    }
    let said = said_by("perf_events_are_not_needed");
    assert!(said.contains("using instants"), "{said}");
    // Fifty samples.
    assert!((0.4..1.7).contains(&coverage(&said)), "{said}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn without_signals_to_threads_it_is_timers() {
    if role().is_some() {
        forbid(&[libc::SYS_rt_tgsigqueueinfo]);
        return report();
    }
    let said = said_by("without_signals_to_threads_it_is_timers");
    assert!(
        said.contains("refused instants: rt_tgsigqueueinfo"),
        "{said}"
    );
    assert!(said.contains("using timer"), "{said}");
    assert!((0.85..1.15).contains(&coverage(&said)), "{said}");
}

/// The crate `pprof` has one timer for the process, and one signal at a time can
/// wait: on a machine that is busy with other things it gets a quarter of them.
const OF_PPROF: f64 = 0.1;

#[cfg(target_arch = "x86_64")]
#[test]
fn without_either_it_is_pprof() {
    if role().is_some() {
        forbid(&[libc::SYS_timer_create, libc::SYS_rt_tgsigqueueinfo]);
        return report();
    }
    let said = said_by("without_either_it_is_pprof");
    assert!(said.contains("refused timer: timer_create"), "{said}");
    // perf raises SIGTRAP, which nobody asked for.
    assert!(!said.contains("perf"), "{said}");
    assert!(said.contains("using pprof"), "{said}");
    assert!(coverage(&said) > OF_PPROF, "{said}");
}

#[test]
fn with_no_room_for_timers_the_process_timer_covers_or_another_clock_does() {
    if role().is_some() {
        let room = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the limit is valid and only read.
        unsafe { assert_eq!(libc::setrlimit(libc::RLIMIT_SIGPENDING, &room), 0) };
        let timers = CpuSampler::builder().clock(Clock::Timer).start();
        match timers {
            Err(error) => println!("timers: {error}"),
            Ok(_) => println!("timers run"),
        }
        return report();
    }
    let said = said_by("with_no_room_for_timers_the_process_timer_covers_or_another_clock_does");
    assert!(
        said.contains("RLIMIT_SIGPENDING") || said.contains("timers run"),
        "{said}"
    );
    let least = if said.contains("using pprof") {
        OF_PPROF
    } else {
        0.5
    };
    assert!(coverage(&said) > least, "{said}");
}

#[test]
fn threads_without_a_timer_are_covered_by_the_process() {
    if role().is_some() {
        // Room for what exists and a few more: some threads get none.
        let pending = std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|s| {
                let line = s
                    .lines()
                    .find_map(|l| l.strip_prefix("SigQ:"))?
                    .trim()
                    .to_owned();
                line.split('/').next()?.parse::<u64>().ok()
            })
            .expect("the kernel says how many are pending");
        let room = libc::rlimit {
            rlim_cur: pending + 5,
            rlim_max: pending + 5,
        };
        // SAFETY: the limit is valid and only read.
        unsafe { assert_eq!(libc::setrlimit(libc::RLIMIT_SIGPENDING, &room), 0) };
        let sampler = CpuSampler::builder()
            .clock(Clock::Timer)
            .frequency(250)
            .start()
            .expect("there is room for some");
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| burn(0.15));
            }
        });
        let window = sampler.stop().expect("it stops");
        println!("coverage {:.2}", window.coverage().unwrap_or(0.0));
        println!("timers refused {}", window.stats.threads_refused);
        return;
    }
    let said = said_by("threads_without_a_timer_are_covered_by_the_process");
    assert!((0.6..1.4).contains(&coverage(&said)), "{said}");
}
