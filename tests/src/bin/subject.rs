//! A service to test on: it starts an agent as its environment says and then
//! does what standard input asks, a command a line, answering each on standard
//! output. A test drives it without waiting for a clock.
//!
//! | command | does | answers |
//! |---|---|---|
//! | `row` | waits for the next row of the timeline | `row` |
//! | `burn MS` | burns that much CPU time in `burn_in_subject` | `burned` |
//! | `hold KIB` | keeps that much for good, allocated in `hold_in_subject` | `held` |
//! | `hold-in NAME` | in a thread of that name and in a span `holding`, keeps 8 MB for good | `held` |
//! | `request STATUS` | opens and closes a request's span | `requested` |
//! | `count` | adds one to a counter of the `metrics` crate | `counted` |
//! | `standard` | records the standard metrics of a process and of requests, as other crates do | `recorded` |
//! | `open N` | opens so many files, and closes them again | `opened K`, of those that it could |
//! | `second` | tries to start a second agent | `refused …` or `started` |
//! | `finish` | seals the run | `exit-code N` or `error …` |
//! | `threads` | counts threads | `threads N` |
//! | `chdir PATH`, `chroot PATH` | changes the directory, the root | `changed` |
//! | `setuid ID` | becomes another user for good | `changed` |
//! | `limit-files BYTES` | limits the size of files that it writes | `changed` |
//! | `path` | | `path`, the run directory |
//! | `unwritten` | seals the run | `unwritten`, what is missing |
//! | `be-odd` | takes a name that is not UTF-8 and, as root, 600 groups | `odd` |
//! | `lose-status` | puts another file in place of the agent's `status` | `lost` |
//! | `exit` | leaves without sealing | |
//!
//! End of input drops the agent, as a service does that returns from `main`.
//! Series it tracks: `good` is 42, `bad` panics, `nan` is NaN.

#![allow(clippy::unwrap_used, reason = "a test's own program")]

use std::io::{BufRead, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use soakscope::Agent;
use tracing_subscriber::prelude::*;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler = soakscope::HeapProfiler::system();

fn main() {
    if std::env::var_os("SUBJECT_OWN_RECORDER").is_some() {
        metrics::set_global_recorder(metrics::NoopRecorder).unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    let started = Agent::builder("subject")
        .tick(Duration::from_millis(100))
        .track("good", || 42.0)
        .track("bad", || panic!("a bug of the service"))
        .track("nan", || f64::NAN)
        .start();
    let agent = match started {
        Ok(agent) => agent,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    };
    tracing_subscriber::registry()
        .with(agent.layer())
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .init();
    let address = agent.local_addr().map(|address| address.to_string());
    say(&format!("ready {}", address.unwrap_or_default()));

    let mut held: Vec<Vec<u8>> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "row" => {
                let start = agent.latest("elapsed_min");
                while agent.latest("elapsed_min") == start {
                    std::thread::yield_now();
                }
                say("row");
            }
            "burn" => {
                burn_in_subject(Duration::from_millis(argument.parse().unwrap()));
                say("burned");
            }
            "hold" => {
                hold_in_subject(&mut held, argument.parse().unwrap());
                say("held");
            }
            "hold-in" => {
                let thread = std::thread::Builder::new().name(argument.to_owned());
                let holding = thread.spawn(|| {
                    let _span = tracing::info_span!("holding").entered();
                    let mut held = Vec::new();
                    hold_in_subject(&mut held, 8192);
                    held
                });
                held.extend(holding.unwrap().join().unwrap());
                say("held");
            }
            "request" => {
                let span = tracing::info_span!(
                    "request",
                    otel.kind = "server",
                    http.request.method = "GET",
                    http.route = "/thing/{id}",
                    http.response.status_code = tracing::field::Empty,
                );
                let entered = span.enter();
                span.record(
                    "http.response.status_code",
                    argument.parse::<u64>().unwrap(),
                );
                drop(entered);
                drop(span);
                say("requested");
            }
            "count" => {
                metrics::counter!("subject_things_total").increment(1);
                say("counted");
            }
            "standard" => {
                let process = metrics_process::Collector::default();
                process.describe();
                process.collect();
                metrics::describe_histogram!(
                    "http_server_request_duration_seconds",
                    "How long requests took, by the service itself"
                );
                metrics::histogram!("http_server_request_duration_seconds").record(0.1);
                metrics::counter!("soakscope_ticks_total").absolute(1_000_000);
                metrics::counter!("process_open_fds").absolute(1_000_000);
                say("recorded");
            }
            "open" => {
                let open = (0..argument.parse().unwrap()).map(|_| std::fs::File::open("/dev/null"));
                let open: Vec<_> = open.map_while(Result::ok).collect();
                say(&format!("opened {}", open.len()));
            }
            "second" => match Agent::builder("second").start() {
                Ok(_) => say("started"),
                Err(error) => say(&format!("refused {error}")),
            },
            "finish" => match agent.finish() {
                Ok(outcome) => say(&format!("exit-code {}", outcome.exit_code())),
                Err(error) => say(&format!("error {error}")),
            },
            "threads" => {
                let tasks = std::fs::read_dir("/proc/self/task").unwrap().count();
                say(&format!("threads {tasks}"));
            }
            "chdir" => {
                std::env::set_current_dir(argument).unwrap();
                say("changed");
            }
            "chroot" => {
                std::os::unix::fs::chroot(argument).unwrap();
                std::env::set_current_dir("/").unwrap();
                say("changed");
            }
            "setuid" => {
                // SAFETY: it takes no pointer; the C library does it on all threads.
                assert_eq!(0, unsafe { libc::setuid(argument.parse().unwrap()) });
                say("changed");
            }
            "limit-files" => {
                let bytes = argument.parse().unwrap();
                let limit = libc::rlimit {
                    rlim_cur: bytes,
                    rlim_max: bytes,
                };
                // SAFETY: `limit` is a live rlimit.
                assert_eq!(0, unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) });
                say("changed");
            }
            "path" => {
                let path = agent.run_dir().unwrap();
                say(&format!("path {}", path.display()));
            }
            "unwritten" => match agent.finish() {
                Ok(outcome) => {
                    let summary = outcome.summary();
                    let named =
                        |file: &String| summary.contains(&format!("{file} was not written"));
                    assert!(outcome.unwritten().iter().all(named), "{summary}");
                    say(&format!("unwritten {}", outcome.unwritten().join(" ")));
                }
                Err(error) => say(&format!("error {error}")),
            },
            "be-odd" => {
                be_odd();
                say("odd");
            }
            "lose-status" => {
                lose_status();
                say("lost");
            }
            "exit" => std::process::exit(0),
            other => panic!("no such command: {other}"),
        }
    }
}

/// Gives the process a name that is not UTF-8, and more groups than fit into the
/// first 4,096 bytes of its `status`.
fn be_odd() {
    std::fs::write("/proc/self/comm", b"\xff\n\tz").unwrap();
    let groups: Vec<libc::gid_t> = (0..600).map(|n| 4_000_000_000 + n).collect();
    // SAFETY: `groups` has as many entries as are announced.
    let refused = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } != 0;
    assert!(!refused || std::fs::metadata("/proc/self").unwrap().uid() != 0);
}

/// What a service does to the agent that closes descriptors it does not know,
/// and opens a file of its own.
fn lose_status() {
    let other = std::fs::File::open("/dev/null").unwrap();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if target.ends_with("status") {
            let kept: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: both are open descriptors; the agent's stays one.
            assert!(unsafe { libc::dup2(other.as_raw_fd(), kept) } >= 0);
        }
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// Keeps so much for good, a kilobyte a block.
#[inline(never)]
fn hold_in_subject(held: &mut Vec<Vec<u8>>, kib: usize) {
    held.extend((0..kib).map(|n| vec![n as u8; 1024]));
}

/// Burns CPU time of its thread, by its thread's own clock.
#[inline(never)]
fn burn_in_subject(time: Duration) {
    let until = thread_cpu() + time;
    let mut sum = 0u64;
    while thread_cpu() < until {
        for n in 0..10_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(n * n));
        }
    }
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec.
    assert_eq!(0, unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time)
    });
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
