//! The columns of a timeline that the agent wrote, which need no guessing.

use super::meaning::Meaning;

/// The last of the agent's own columns; the service's series follow it.
const LAST: &str = "dropped";
/// What only the agent writes.
const MARKS: [&str; 2] = ["tick_late_ms", "ticks_missed"];

/// Where the agent's own columns end, in a timeline that it wrote.
pub(super) fn columns(names: &[String]) -> Option<usize> {
    let ours = MARKS
        .iter()
        .all(|mark| names.iter().any(|name| name == mark));
    ours.then(|| names.iter().position(|name| name == LAST))
        .flatten()
        .map(|last| last + 1)
}

/// What a column of the agent's is; `None` for one that this version does not
/// know.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    Some(match name {
        "rss_mb" | "rss_anon_mb" | "rss_file_mb" | "rss_shmem_mb" | "pss_mb"
        | "private_dirty_mb" | "swap_mb" | "heap_live_mb" | "cgroup_anon_mb" => Meaning::Memory,
        "connections"
        | "threads"
        | "open_fds"
        | "udp_sockets"
        | "unix_sockets"
        | "tokio_alive_tasks"
        | "tokio_blocking_threads"
        | "tokio_blocking_queue"
        | "tokio_local_queues" => Meaning::Level,
        "vms_mb" => Meaning::Virtual,
        "peak_rss_mb" => Meaning::Peak,
        "open_fds_limit" | "vms_limit_mb" | "cgroup_memory_limit_mb" => Meaning::Limit,
        // They count the page cache, too.
        "cgroup_memory_mb" | "cgroup_file_mb" => Meaning::Host,
        // What waits for a moment goes with the load.
        "accept_queue" | "tokio_global_queue" | "requests_in_flight" => Meaning::Rate,
        "cgroup_high_total"
        | "cgroup_max_total"
        | "cgroup_oom_kills_total"
        | "ticks_missed"
        | "dropped" => Meaning::Counter,
        "tick_late_ms" => Meaning::Time,
        _ if name.starts_with("tcp_") => Meaning::Level,
        _ if name.starts_with("agent_") => Meaning::Agent,
        _ if name.starts_with("host_") => Meaning::Host,
        _ if ["_per_s", "_percent", "_ms"]
            .iter()
            .any(|end| name.ends_with(end)) =>
        {
            Meaning::Rate
        }
        _ => return None,
    })
}
