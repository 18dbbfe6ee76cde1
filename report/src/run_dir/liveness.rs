//! Is the process that writes a run still there?

use std::fs;

use crate::run::RunInfo;

/// Whether the process that is recorded as writing a run is still there: on
/// this machine, under this id, and not a later process that took the id over.
///
/// Where `/proc` cannot tell, it is taken as gone.
#[must_use]
pub fn process_alive(info: &RunInfo) -> bool {
    let text = |path: &str| fs::read_to_string(path).ok();
    let here = text("/proc/sys/kernel/hostname");
    if let (Some(there), Some(here)) = (&info.host.name, here)
        && there.trim() != here.trim()
    {
        return false;
    }
    let Some(stat) = text(&format!("/proc/{}/stat", info.pid)) else {
        return false;
    };
    // The name in parentheses may hold anything; fields count from after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    // A zombie is there, but it writes no more.
    if matches!(fields.next(), None | Some("Z" | "X")) {
        return false;
    }
    // proc_pid_stat(5): field 22 is the start in ticks since boot, and Linux
    // reports a hundred ticks a second everywhere.
    let started = fields.nth(18).and_then(|ticks| ticks.parse::<f64>().ok());
    let booted = text("/proc/stat").and_then(|stat| {
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse::<f64>().ok()
    });
    let run = info.start.parse::<jiff::Timestamp>().ok();
    match (started, booted, run) {
        (Some(ticks), Some(booted), Some(run)) => {
            // The clock may have been set since; two minutes are forgiven.
            booted + ticks / 100.0 <= run.as_second() as f64 + 120.0
        }
        _ => true,
    }
}
