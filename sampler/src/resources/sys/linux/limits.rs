//! Limits in force.

use super::cgroup::CgroupFiles;
use crate::resources::Limits;

pub(super) fn limits(cgroup: Option<&CgroupFiles>) -> Limits {
    Limits {
        open_fds: soft_limit(libc::RLIMIT_NOFILE),
        address_space_bytes: soft_limit(libc::RLIMIT_AS),
        cgroup_memory_bytes: cgroup.and_then(CgroupFiles::memory_max),
        ephemeral_ports: ephemeral_ports(),
    }
}

fn soft_limit(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a live, writable rlimit for the length of the call.
    let done = unsafe { libc::getrlimit(resource, &mut limit) } == 0;
    (done && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

fn ephemeral_ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_ascii_whitespace();
    let mut next = || ends.next()?.parse::<u64>().ok();
    let (low, high) = (next()?, next()?);
    Some(high.checked_sub(low)? + 1)
}
