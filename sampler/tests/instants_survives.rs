//! What the clock `instants` must survive: CPUs taken away and given back, a
//! quota, a process that is stopped, samplers that starve, signals blocked
//! everywhere, ten thousand threads. Each case is a process of its own.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use soakscope_sampler::{Clock, CpuWindow};
use support::loads::{Load, cpus, pin};
use support::measured::{Measured, Measuring, coverage_within, measure};
use support::quota::Quota;
use support::{burn, command, role, start};

/// One case at a time: they need the machine's CPUs.
static TURN: Mutex<()> = Mutex::new(());

fn instants() -> Clock {
    "timer".parse().expect("a clock")
}

/// A child of this test, which says a word on standard output when it is time
/// to do something to it.
struct Case {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl Case {
    fn start(before: &[&str], test: &str) -> Case {
        let mut child = command(before, test, "case")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a test can run itself");
        let says = BufReader::new(child.stdout.take().expect("it was asked for"));
        Case { child, says }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: a child of ours that has not been waited for.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits until the child has said `word`.
    fn until(&mut self, word: &str) {
        let mut line = String::new();
        while self.says.read_line(&mut line).expect("it is text") > 0 {
            if line.trim_end().ends_with(word) {
                return;
            }
            line.clear();
        }
        panic!("the child ended before it said {word}");
    }

    fn end(mut self) {
        let mut rest = String::new();
        let _ = std::io::Read::read_to_string(&mut self.says, &mut rest);
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "{status}: {rest}");
    }
}

/// Says that the parent may go on.
fn say(word: &str) {
    println!("\n{word}");
    std::io::stdout().flush().expect("the parent reads");
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

/// What the clock says that it did not see.
fn reported(windows: &[CpuWindow]) -> u64 {
    windows
        .iter()
        .map(|window| {
            let instants = window.stats.instants.as_ref().expect("the clock counts");
            let dropped: u64 = instants.dropped.values().sum();
            dropped + window.stats.dropped() + instants.seconds_by_timers.ceil() as u64
        })
        .sum()
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
            assert!(
                (coverage - 1.0).abs() < coverage_within(seen),
                "{these:?}, all {of_all}: {coverage} of {seen}"
            );
        }
        measuring.finish().assert_shares();
    }
}

/// Half a CPU for a load that wants all there is: by the kernel where this
/// process may make a control group, else by stopping it half of the time.
#[test]
fn a_quota() {
    if role().is_some() {
        say("ready");
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .expect("the parent writes");
        for load in ["4 threads busy", "each 4 ms, 90 % busy"] {
            let measured = measure(instants(), load, 1_000);
            measured.assert_shares();
            measured.assert_coverage();
        }
        return;
    }
    let _turn = turn();
    let mut child = command(&[], "a_quota", "case")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can run itself");
    let says = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut go = child.stdin.take().expect("it was asked for");
    let mut case = Case { child, says };
    case.until("ready");
    let quota = Quota::by_the_kernel(case.child.id(), 0.5);
    go.write_all(b"go\n").expect("the child reads");
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

/// Five seconds in which nothing runs: nothing stands for them.
#[test]
fn a_process_that_is_stopped() {
    const TEST: &str = "a_process_that_is_stopped";
    if role().is_some() {
        let mut measuring = Measuring::start(instants(), 999, "each 4 ms, 90 % busy");
        measuring.run(1_000);
        say("stop me");
        measuring.run(3_000);
        let measured = measuring.finish();
        measured.assert_shares();
        measured.assert_coverage();
        let lumps: Vec<_> = measured
            .windows
            .iter()
            .flat_map(|window| &window.samples)
            .map(|sample| sample.weight.as_secs_f64() / sample.count as f64 * 999.0)
            .filter(|periods| *periods > 1.01)
            .collect();
        assert!(lumps.is_empty(), "{lumps:?}");
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
        be_nicer(19);
        let sampler = start(instants(), 999).expect("it starts");
        ask.send(()).expect("it waits");
        let load = starter.join().expect("it ends well");
        let mut measuring = Measuring::of(sampler, LOAD, load);
        measuring.run(1_500);
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

/// More threads than there are processors, on one: the timers serve, and it is
/// said for how long.
#[test]
fn one_oversubscribed_cpu_is_served_by_timers() {
    if role().is_some() {
        pin(0, &cpus()[..1]);
        let measured = measure(instants(), "40 threads busy", 1_500);
        measured.assert_shares();
        measured.assert_coverage();
        let by_timers: f64 = measured
            .windows
            .iter()
            .filter_map(|window| Some(window.stats.instants.as_ref()?.seconds_by_timers))
            .sum();
        assert!(
            by_timers > 0.0,
            "{:?}",
            measured.windows.last().map(|w| &w.stats)
        );
        return;
    }
    let _turn = turn();
    Case::start(&[], "one_oversubscribed_cpu_is_served_by_timers").end();
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
                scope.spawn(|| burn(3.0));
            }
        });
        let window = sampler.stop().expect("it stops");
        let stats = &window.stats;
        let lost = stats.drops.get("signal blocked").copied().unwrap_or(0);
        let due = (window.cpu_used.as_secs_f64() * 99.0) as u64;
        eprintln!("{lost} of {due} counted as lost: {stats:?}");
        // The first second or so may pass before it is noticed.
        assert!((due / 3..=due + due / 5).contains(&lost), "{stats:?}");
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
                let batch = [(); 20].map(|()| thread::spawn(|| burn(0.001)));
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
        assert!(
            (coverage - 1.0).abs() < within,
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
