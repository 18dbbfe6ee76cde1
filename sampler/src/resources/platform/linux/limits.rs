//! Limits in force.

use super::cgroup::CgroupFiles;
use super::kept::number;
use crate::resources::Limits;

pub(super) fn limits(cgroup: Option<&CgroupFiles>) -> Limits {
    // A closure, because the type of a resource is another in each C library.
    let soft_limit = |resource| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is a live, writable rlimit for the length of the call.
        let done = unsafe { libc::getrlimit(resource, &mut limit) } == 0;
        (done && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
    };
    Limits {
        open_fds: soft_limit(libc::RLIMIT_NOFILE),
        address_space_bytes: soft_limit(libc::RLIMIT_AS),
        cgroup_memory_bytes: cgroup.and_then(CgroupFiles::memory_max),
        ephemeral_ports: ephemeral_ports(),
    }
}

fn ephemeral_ports() -> Option<u64> {
    let range = std::fs::read("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let range = range.trim_ascii();
    let low = number(range)?;
    let high = number(range.get(range.iter().position(u8::is_ascii_whitespace)?..)?)?;
    high.checked_sub(low)?.checked_add(1)
}
