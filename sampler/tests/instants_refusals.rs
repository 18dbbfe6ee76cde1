//! Whatever the clock `instants` is refused, it runs and is right, or says why
//! not and another clock runs; it is never silent about what it misses. Each
//! case is a process of its own: a filter cannot be taken off again.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::process::Output;
use std::thread;

use soakscope_sampler::{Clock, ClockChoice, CpuSampler, CpuWindow};
use support::seccomp::{Refused, refuse};
use support::{burn, command, role};

/// Every system call that a clock of ours may make and that a filter could
/// reasonably refuse, by name.
const CALLS: [(&str, libc::c_long); 22] = [
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clock_getres", libc::SYS_clock_getres),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo),
    ("tgkill", libc::SYS_tgkill),
    ("sched_setaffinity", libc::SYS_sched_setaffinity),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("sched_setattr", libc::SYS_sched_setattr),
    ("setpriority", libc::SYS_setpriority),
    ("prctl", libc::SYS_prctl),
    ("getcpu", libc::SYS_getcpu),
    ("openat", libc::SYS_openat),
    ("read", libc::SYS_read),
    ("pread64", libc::SYS_pread64),
    ("getdents64", libc::SYS_getdents64),
    ("statx", libc::SYS_statx),
    ("timer_create", libc::SYS_timer_create),
    ("timer_settime", libc::SYS_timer_settime),
    ("timer_delete", libc::SYS_timer_delete),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("membarrier", libc::SYS_membarrier),
    ("getrusage", libc::SYS_getrusage),
];

/// Of `clock_gettime` only the clocks of other threads are refused: no process
/// gets far without the others.
fn refused(call: &str, errno: &str) -> Refused {
    let number = CALLS
        .iter()
        .find(|(name, _)| *name == call)
        .expect("known")
        .1;
    let errno = match errno {
        "EPERM" => libc::EPERM,
        _ => libc::ENOSYS,
    };
    Refused {
        call: number,
        errno,
        when: (call == "clock_gettime").then_some((0, 1 << 31)),
    }
}

fn start(clock: impl Into<ClockChoice>) -> Result<CpuSampler, soakscope_sampler::Error> {
    CpuSampler::builder().clock(clock).frequency(199).start()
}

fn two_busy_threads(seconds: f64) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| burn(seconds));
        }
    });
}

/// What it has must be right, or what is missing must be known.
fn judge(what: &str, window: &CpuWindow) {
    let coverage = window.coverage().expect("CPU time was used");
    let stats = &window.stats;
    let instants = stats.instants.as_ref();
    let dropped: u64 = instants.map_or(0, |i| i.dropped.values().sum());
    println!(
        "{what}: {} covers {coverage:.2}, {} lost, {dropped} instants dropped, fallbacks {:?}, warnings {:?}",
        window.clock,
        stats.dropped(),
        stats.fallbacks,
        stats.warnings
    );
    // Sixty samples are due. Of `pprof`, the last resort, two threads on a tick
    // make one signal.
    let least = if window.clock == Clock::Pprof {
        0.15
    } else {
        0.45
    };
    let right = (least..1.55).contains(&coverage);
    let explained = instants.map_or(0.0, |i| dropped as f64 / i.due.max(1) as f64);
    let known =
        stats.dropped() > 0 || !stats.warnings.is_empty() || explained > (1.0 - coverage) / 3.0;
    assert!(
        right || (coverage < 1.0 && known),
        "{what}: {coverage} {stats:?}"
    );
}

/// Starts what can be started under this refusal, and again by name.
fn under(what: &str) {
    match start(ClockChoice::Auto) {
        Ok(sampler) => {
            let clock = sampler.clock();
            two_busy_threads(0.15);
            judge(what, &sampler.stop().expect("it stops"));
            if clock == "instants".parse().expect("a clock") {
                return;
            }
        }
        Err(error) => {
            println!("{what}: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
    // What Auto did not take says why when it is asked for by name, or is right.
    match start("instants".parse::<Clock>().expect("a clock")) {
        Ok(sampler) => {
            two_busy_threads(0.15);
            judge(what, &sampler.stop().expect("it stops"));
        }
        Err(error) => {
            println!("{what}, by name: {error}");
            assert!(error.to_string().len() > "the instants clock cannot run here: ".len());
        }
    }
}

fn expect_success(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let cause = String::from_utf8_lossy(&output.stderr);
    for line in said.lines().filter(|line| line.contains(": ")) {
        eprintln!("{line}");
    }
    assert!(
        output.status.success(),
        "{what}: {}\n{said}\n{cause}",
        output.status
    );
}

/// Runs `test` under each refusal, and says all that failed.
fn each_call(test: &str, errno: &str) {
    let mut failed = Vec::new();
    for (call, _) in CALLS {
        let what = format!("{call} {errno}");
        let output = command(&[], test, &what).output().expect("a test runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in said.lines().filter(|line| line.contains(&what)) {
            eprintln!("{line}");
        }
        if !output.status.success() {
            let cause = String::from_utf8_lossy(&output.stderr).into_owned();
            failed.push(format!("{what}: {}\n{cause}", output.status));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_call_answered_with_eperm() {
    if let Some(what) = role() {
        let (call, errno) = what.split_once(' ').expect("a call and an answer");
        refuse(&[refused(call, errno)]);
        return under(&what);
    }
    each_call("every_call_answered_with_eperm", "EPERM");
}

#[test]
fn every_call_answered_with_enosys() {
    if let Some(what) = role() {
        let (call, errno) = what.split_once(' ').expect("a call and an answer");
        refuse(&[refused(call, errno)]);
        return under(&what);
    }
    each_call("every_call_answered_with_enosys", "ENOSYS");
}

/// A service that puts itself into a sandbox once it has started.
#[test]
fn every_call_refused_while_it_runs() {
    if let Some(what) = role() {
        let (call, errno) = what.split_once(' ').expect("a call and an answer");
        let sampler = start("instants".parse::<Clock>().expect("a clock")).expect("it starts");
        two_busy_threads(0.05);
        refuse(&[refused(call, errno)]);
        sampler.drain().expect("it drains");
        // It may take some looks to see what is missing.
        for _ in 0..30 {
            two_busy_threads(0.1);
            let stats = sampler.stats();
            if stats.samples > 50 || stats.dropped() > 0 || !stats.warnings.is_empty() {
                break;
            }
        }
        return judge(&what, &sampler.stop().expect("it stops"));
    }
    each_call("every_call_refused_while_it_runs", "EPERM");
}

/// `/proc` is an empty folder, or not there at all.
#[test]
fn without_proc() {
    if let Some(what) = role() {
        return under(&what);
    }
    for (what, hide) in [
        ("hidden", "mount -t tmpfs none /proc"),
        ("unmounted", "umount -l /proc"),
        (
            "others hidden",
            "mount -o remount,hidepid=2 /proc || mount -t proc -o hidepid=2 none /proc",
        ),
    ] {
        // Root makes a mount namespace; whoever is not, a user's as well.
        // SAFETY: returns a number.
        let user: &[&str] = if unsafe { libc::geteuid() } == 0 {
            &[]
        } else {
            &["--user", "--map-root-user"]
        };
        let script = format!("{hide} && exec \"$@\"");
        let before: Vec<&str> = ["unshare", "--mount", "--propagation", "private"]
            .into_iter()
            .chain(user.iter().copied())
            .chain(["sh", "-c", &script, "sh"])
            .collect();
        let output = command(&before, "without_proc", what).output();
        expect_success(what, &output.expect("a test can run itself"));
    }
}
