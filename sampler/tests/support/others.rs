//! How busy other processes kept the machine while something was measured.
//!
//! A bound on how right a clock is holds where the clock gets its turn. Where
//! others take the CPUs, a test shows what it measured and holds nothing
//! against a bound; that samples go missing then, and are counted, has tests of
//! its own (`instants_starved`).

use std::time::{Duration, Instant};

/// CPUs, of each that there is, that others may keep busy.
const QUIET: f64 = 0.15;

/// CPU time of the whole machine and of this process, since a moment.
#[derive(Debug)]
pub struct Others {
    since: Instant,
    machine: Duration,
    own: Duration,
}

impl Others {
    /// From now on.
    pub fn watch() -> Others {
        Others {
            since: Instant::now(),
            machine: machine_cpu(),
            own: own_cpu(),
        }
    }

    /// The part of all CPUs that other processes, and other machines of the
    /// same host, took since.
    pub fn part(&self) -> f64 {
        let all = machine_cpu().saturating_sub(self.machine).as_secs_f64();
        let own = (own_cpu() - self.own).as_secs_f64();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        (all - own).max(0.0) / (self.since.elapsed().as_secs_f64() * cpus as f64)
    }

    /// Whether that was too much for a bound on `what`; says so.
    pub fn were_busy(&self, what: &str) -> bool {
        let part = self.part();
        let busy = part > QUIET;
        if busy {
            eprintln!(
                "{what}: others took {:.0} % of the CPUs; shown, not judged",
                part * 100.0
            );
        }
        busy
    }
}

/// Busy time of all CPUs, with what a host gave to other machines; nothing where
/// no kernel says so.
fn machine_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy: u64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|at| ticks.get(*at))
        .sum();
    Duration::from_millis(busy * 10)
}

fn own_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every process has a CPU clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
