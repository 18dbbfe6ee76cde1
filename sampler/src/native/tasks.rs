//! The threads of this process, from `/proc/self/task`.

use std::fs;

/// The ids of all threads alive now.
pub(crate) fn list() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The name of a thread that is alive.
pub(crate) fn name(tid: u32) -> Option<String> {
    let mut name = fs::read_to_string(format!("/proc/self/task/{tid}/comm")).ok()?;
    name.truncate(name.trim_end_matches('\n').len());
    Some(name)
}

/// Whether a debugger or a tracer holds this process.
pub(crate) fn is_traced() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"))
            .is_some_and(|pid| pid.trim() != "0")
    })
}
