//! Is the process that writes a run still there?
//!
//! A process id means something in one PID namespace of one boot of one
//! machine. Where the reader is in another, the directory's lock shows it, as long
//! as both are on one kernel; elsewhere it cannot be known, and is not guessed.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::RunDir;
use crate::run::{Process, RunInfo};

/// Whether the process that writes a run is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It is.
    Running,
    /// It is not: the run was cut off.
    Ended,
    /// It cannot be seen from this host, PID namespace or user.
    Unknown,
}

/// What identifies the calling process.
#[must_use]
pub fn identity() -> Process {
    Process {
        boot_id: text("/proc/sys/kernel/random/boot_id"),
        machine: text("/etc/machine-id").map(|id| mixed(&id)),
        pid_namespace: namespace(),
        start_ticks: stat("self").and_then(|stat| stat.start_ticks),
        lock: None,
    }
}

/// Whether the process that is recorded as writing this run is still there:
/// under its id, in its PID namespace, and not a later one that took over the id.
#[must_use]
pub fn liveness(dir: &RunDir, info: &RunInfo) -> Liveness {
    let (there, here) = (&info.process, identity());
    match (&there.boot_id, &here.boot_id) {
        (Some(there_id), Some(here_id)) if there_id == here_id => {
            let same_ids =
                there.pid_namespace.is_some() && there.pid_namespace == here.pid_namespace;
            if same_ids {
                by_id(dir, info)
            } else {
                by_lock(dir, there)
            }
        }
        (Some(_), Some(_)) if there.machine.is_some() && there.machine == here.machine => {
            // This machine was started again since.
            Liveness::Ended
        }
        // One that is held is held by somebody, wherever; that none is held
        // means nothing where locks are not shared.
        (Some(_), _) => match dir.directory().is_locked() {
            Some(true) => Liveness::Running,
            _ => Liveness::Unknown,
        },
        (None, _) => before_1_1(dir, info),
    }
}

/// By the process's id, which counts here.
fn by_id(dir: &RunDir, info: &RunInfo) -> Liveness {
    let pid = i32::try_from(info.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        return Liveness::Ended;
    };
    // What may not be sent a signal is there.
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return Liveness::Ended;
    }
    let Some(found) = stat(&info.pid.to_string()) else {
        // It is hidden from this user (hidepid), and might be a later process.
        return match by_lock(dir, &info.process) {
            Liveness::Unknown => Liveness::Running,
            known => known,
        };
    };
    let later = |started| found.start_ticks.is_some_and(|ticks| ticks != started);
    if found.is_dead || info.process.start_ticks.is_some_and(later) {
        Liveness::Ended
    } else {
        Liveness::Running
    }
}

/// By the directory's lock, on the kernel that knows of it.
fn by_lock(dir: &RunDir, there: &Process) -> Liveness {
    let directory = dir.directory();
    // A copy of the directory is locked by nobody and says nothing.
    if there.lock.is_none() || there.lock != directory.identity().ok() {
        return Liveness::Unknown;
    }
    match directory.is_locked() {
        Some(true) => Liveness::Running,
        Some(false) => Liveness::Ended,
        None => Liveness::Unknown,
    }
}

/// Runs of format 1.0 know a host's name and an id.
fn before_1_1(dir: &RunDir, info: &RunInfo) -> Liveness {
    // Whoever holds the directory writes to it, whatever the description says.
    if dir.directory().is_locked() == Some(true) {
        return Liveness::Running;
    }
    if info.pid == 0 {
        return Liveness::Unknown;
    }
    let here = rustix::system::uname();
    let here = here.nodename().to_string_lossy();
    if info
        .host
        .name
        .as_ref()
        .is_some_and(|there| there.trim() != here)
    {
        return Liveness::Unknown;
    }
    let began = stat(&info.pid.to_string()).and_then(|stat| stat.start_ticks);
    let booted = fs::read_to_string("/proc/stat").ok().and_then(|stat| {
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse::<f64>().ok()
    });
    let run = info.start.parse::<jiff::Timestamp>().ok();
    match (began, booted, run) {
        // The clock may have been set since; two minutes are forgiven.
        (Some(ticks), Some(booted), Some(run))
            if booted + ticks as f64 / 100.0 > run.as_second() as f64 + 120.0 =>
        {
            Liveness::Ended
        }
        _ => by_id(dir, info),
    }
}

struct Stat {
    is_dead: bool,
    start_ticks: Option<u64>,
}

/// What `/proc/<process>/stat` says (proc_pid_stat(5)).
fn stat(process: &str) -> Option<Stat> {
    // The name in it may be any bytes.
    let bytes = fs::read(format!("/proc/{process}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&bytes);
    // The name is in parentheses and may hold some; fields count from after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    // A zombie is there, but it writes no more; unless only its first thread
    // has ended.
    let zombie = state == "Z"
        && fs::read_dir(format!("/proc/{process}/task")).is_ok_and(|tasks| tasks.count() <= 1);
    Some(Stat {
        is_dead: zombie || state == "X",
        // Field 22 is the start in ticks since boot, and Linux reports a
        // hundred ticks a second everywhere.
        start_ticks: fields.nth(18).and_then(|ticks| ticks.parse().ok()),
    })
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn namespace() -> Option<u64> {
    // It reads `pid:[4026531836]`.
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let text = link.to_str()?;
    text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// A number that is the same for the same text (FNV-1a), from which the text
/// cannot be had: machine-id(5) asks for that.
fn mixed(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
