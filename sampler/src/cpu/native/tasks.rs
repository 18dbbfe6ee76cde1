//! The threads of this process, from `/proc/self/task`.

use std::fs;

use crate::threads::name;

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
    let comm = fs::read(format!("/proc/self/task/{tid}/comm")).ok()?;
    Some(name::of_comm(&comm))
}

/// Whether a debugger or a tracer holds this process.
pub(crate) fn is_traced() -> bool {
    fs::read("/proc/self/status").is_ok_and(|status| is_traced_in(&status))
}

/// The same of the text of `status`, which is bytes: the process's name is in
/// it.
fn is_traced_in(status: &[u8]) -> bool {
    status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"TracerPid:"))
        .is_some_and(|pid| pid.trim_ascii() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracer_is_seen_whatever_the_process_is_called() {
        assert!(is_traced_in(b"Name:\t\xff\nTracerPid:\t77\n"));
        assert!(!is_traced_in(b"Name:\t\xff\nTracerPid:\t0\n"));
        assert!(!is_traced_in(b"Name:\tx\n"));
    }
}
