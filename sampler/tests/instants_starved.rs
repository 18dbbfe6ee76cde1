//! The clock `instants` where CPU time is short: a quota, one CPU for many,
//! other processes that want it all. What is missed is reported, and the shares
//! are right. Each case is a process of its own.
#![cfg(target_os = "linux")]

mod support;

use std::process::{Child, Command};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use soakscope_sampler::{Clock, CpuWindow};
use support::case::{Case, listen, say};
use support::loads::{Load, cpus, pin};
use support::measured::{Measured, Measuring, coverage_within, measure};
use support::quota::Quota;
use support::{role, start};

/// One case at a time: they need the machine's CPUs.
static TURN: Mutex<()> = Mutex::new(());

fn instants() -> Clock {
    "instants".parse().expect("a clock")
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

/// What the clock says that it did not see.
fn reported(windows: &[CpuWindow]) -> u64 {
    windows
        .iter()
        .map(|window| {
            let instants = window.stats.instants.as_ref().expect("the clock counts");
            let dropped: u64 = instants.dropped.values().sum();
            dropped + window.stats.dropped() + instants.by_timers.as_secs_f64().ceil() as u64
        })
        .sum()
}

/// Half a CPU for a load that wants all there is: by the kernel where this
/// process may make a control group, else by stopping it half of the time.
#[test]
fn a_quota() {
    if role().is_some() {
        say("ready");
        listen();
        for load in ["4 threads busy", "each 4 ms, 90 % busy"] {
            let measured = measure(instants(), load, 1_000);
            measured.assert_shares();
            measured.assert_coverage();
        }
        return;
    }
    let _turn = turn();
    let mut case = Case::start(&[], "a_quota");
    case.until("ready");
    let quota = Quota::by_the_kernel(case.child.id(), 0.5);
    case.go();
    let Some(quota) = quota else {
        eprintln!("no control group with a quota can be made here: stopped every 50 ms instead");
        while case.child.try_wait().expect("it was started").is_none() {
            case.signal(libc::SIGSTOP);
            thread::sleep(Duration::from_millis(50));
            case.signal(libc::SIGCONT);
            thread::sleep(Duration::from_millis(50));
        }
        return case.end();
    };
    let status = case.child.wait().expect("it was started");
    assert!(status.success(), "{status}");
    assert!(quota.times_held_back() > 10, "the quota holds");
}

/// Busy processes, one for each CPU; ended when dropped.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Hogs {
        let hog = |_| {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .expect("a shell")
        };
        Hogs(cpus().iter().map(hog).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

/// Makes the calling thread, and those that it starts from now on, nicer.
fn be_nicer(nice: libc::c_int) {
    // SAFETY: plain numbers; 0 is the calling thread.
    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    assert_eq!(set, 0);
}

/// All of the time is there, or what is not has been counted.
fn judge_what_is_missed(measured: &Measured) {
    let samples: u64 = measured.windows.iter().map(|w| w.stats.samples).sum();
    let reported = reported(&measured.windows);
    eprintln!("coverage {}, {reported} reported", measured.coverage);
    assert!(
        (measured.coverage - 1.0).abs() < coverage_within(samples as f64)
            || (measured.coverage < 1.0 && reported > 0),
        "{}, {reported} reported",
        measured.coverage
    );
}

/// Other processes want every CPU, and the samplers are much nicer than they:
/// what they miss is reported, and the shares are right.
#[test]
fn samplers_that_starve() {
    if role().is_some() {
        let hogs = Hogs::start();
        // Threads are as nice as those that start them: the clock's are, and
        // the load's are not.
        const LOAD: &str = "at random, 90 % busy";
        let (ask, asked) = std::sync::mpsc::channel();
        let starter = thread::spawn(move || {
            asked.recv().expect("it is asked");
            Load::start(LOAD)
        });
        be_nicer(10);
        let sampler = start(instants(), 999).expect("it starts");
        ask.send(()).expect("it waits");
        let load = starter.join().expect("it ends well");
        let mut measuring = Measuring::of(sampler, LOAD, load);
        measuring.run(1_000);
        let measured = measuring.finish();
        drop(hogs);
        measured.assert_shares();
        judge_what_is_missed(&measured);
        return;
    }
    let _turn = turn();
    Case::start(&[], "samplers_that_starve").end();
}

/// The same where all of the process is nicer.
#[test]
fn a_process_that_starves() {
    if role().is_some() {
        let hogs = Hogs::start();
        be_nicer(5);
        let measured = measure(instants(), "at random", 400);
        drop(hogs);
        measured.assert_shares();
        judge_what_is_missed(&measured);
        return;
    }
    let _turn = turn();
    Case::start(&[], "a_process_that_starves").end();
}

/// More threads than there are processors, on one, where the observer has to
/// wait like everybody else.
#[test]
fn one_oversubscribed_cpu() {
    if role().is_some() {
        say("ready");
        listen();
        let measured = measure(instants(), "40 threads busy", 1_500);
        measured.assert_shares();
        measured.assert_coverage();
        return;
    }
    let _turn = turn();
    let mut case = Case::start(&[], "one_oversubscribed_cpu");
    case.until("ready");
    // Else its observers go to CPUs that its threads may not use, and see more.
    let cpuset = Quota::of_one_cpu(case.child.id(), cpus()[0]);
    if cpuset.is_none() {
        eprintln!("no cpuset can be made here: pinned instead");
        let tasks = std::fs::read_dir(format!("/proc/{}/task", case.child.id()));
        for task in tasks.expect("it lives").flatten() {
            let tid = task.file_name().to_str().and_then(|tid| tid.parse().ok());
            pin(tid.expect("a number"), &cpus()[..1]);
        }
    }
    case.go();
    case.end();
}
