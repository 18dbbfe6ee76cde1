//! Linux: `/proc/self`, `getrusage`, `getsockopt`.
//!
//! `statm` is kept open and read with `pread`; counts of descriptors and
//! threads come from one `stat` each, without listing a directory.

use std::fs::File;
use std::mem;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use crate::resources::{Limits, ProcessReading, SocketCounts};

#[derive(Debug)]
pub(in crate::resources) struct Process {
    statm: Option<File>,
    status: Option<File>,
    page_bytes: u64,
}

impl Process {
    pub(in crate::resources) fn new() -> Self {
        // SAFETY: sysconf takes no pointer.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Self {
            statm: File::open("/proc/self/statm").ok(),
            status: File::open("/proc/self/status").ok(),
            page_bytes: u64::try_from(page).unwrap_or(4096),
        }
    }

    pub(in crate::resources) fn read(&mut self) -> ProcessReading {
        let mut reading = ProcessReading {
            cpu: cpu_time(),
            threads: threads(),
            open_fds: open_fds(),
            ..ProcessReading::default()
        };
        let mut buffer = [0u8; 128];
        let pages = self
            .statm
            .as_ref()
            .and_then(|file| file.read_at(&mut buffer, 0).ok())
            .and_then(|length| statm(&buffer[..length]));
        if let Some([size, resident, shared]) = pages {
            reading.vms_bytes = Some(size * self.page_bytes);
            reading.rss_bytes = Some(resident * self.page_bytes);
            reading.rss_file_bytes = Some(shared * self.page_bytes);
            reading.rss_anon_bytes = Some(resident.saturating_sub(shared) * self.page_bytes);
        }
        reading
    }

    /// Walks the descriptor numbers and asks each socket for its state.
    ///
    /// Numbers run from 0 up to the size of the descriptor table; the walk
    /// ends once as many open descriptors were met as the kernel says there
    /// are, so a sparse table costs little. Descriptors that come and go
    /// during the walk make the count differ by at most as many.
    pub(in crate::resources) fn sockets(&mut self) -> Option<SocketCounts> {
        let table = self.descriptor_table_size()?;
        let open = open_fds().unwrap_or(u64::MAX);
        let mut counts = SocketCounts::default();
        let mut met = 0;
        for fd in 0..table {
            if met >= open {
                break;
            }
            match tcp_info(fd) {
                TcpAnswer::Closed => continue,
                TcpAnswer::NotSocket => {}
                TcpAnswer::OtherSocket => count_other(fd, &mut counts),
                TcpAnswer::Tcp { state, unacked } => {
                    counts.count_tcp(state);
                    if state == crate::resources::TcpState::Listen as u8 {
                        counts.accept_queue += u64::from(unacked);
                    }
                }
            }
            met += 1;
        }
        Some(counts)
    }

    /// `FDSize` of `/proc/self/status`: how many slots the table has.
    fn descriptor_table_size(&self) -> Option<libc::c_int> {
        let mut buffer = [0u8; 4096];
        let length = self.status.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("FDSize:"))?;
        line.trim().parse().ok()
    }
}

/// The first three fields of `statm`: size, resident, shared, in pages.
fn statm(bytes: &[u8]) -> Option<[u64; 3]> {
    let mut fields = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

fn cpu_time() -> Option<Duration> {
    // SAFETY: a zeroed rusage is a valid value of the plain C struct.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` is a live, writable rusage for the length of the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return None;
    }
    let time = |t: libc::timeval| {
        Duration::new(
            u64::try_from(t.tv_sec).unwrap_or(0),
            u32::try_from(t.tv_usec).unwrap_or(0) * 1_000,
        )
    };
    Some(time(usage.ru_utime) + time(usage.ru_stime))
}

/// A directory's link count is two more than its subdirectories, and every
/// thread is a subdirectory of `task`.
fn threads() -> Option<u64> {
    std::fs::metadata("/proc/self/task")
        .ok()?
        .nlink()
        .checked_sub(2)
}

/// Since Linux 6.2 the size of `/proc/self/fd` is the number of open
/// descriptors; before, it is 0 and the directory has to be listed.
fn open_fds() -> Option<u64> {
    match std::fs::metadata("/proc/self/fd").ok()?.size() {
        // The listing holds one descriptor of its own while it runs.
        0 => u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count())
            .ok()?
            .checked_sub(1),
        size => Some(size),
    }
}

enum TcpAnswer {
    Closed,
    NotSocket,
    OtherSocket,
    Tcp { state: u8, unacked: u32 },
}

/// Asks a descriptor for the head of its `tcp_info`, up to `tcpi_unacked`,
/// which for a listening socket is the length of its accept queue.
fn tcp_info(fd: libc::c_int) -> TcpAnswer {
    const UNACKED_AT: usize = 24;
    let mut head = [0u8; UNACKED_AT + 4];
    let mut length = head.len() as libc::socklen_t;
    // SAFETY: `head` is writable for `length` bytes and `length` lives through
    // the call; the kernel writes at most `length` bytes. A descriptor that is
    // closed or no socket is refused without effect.
    let refused = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            head.as_mut_ptr().cast(),
            &mut length,
        )
    } != 0;
    if !refused {
        let [.., a, b, c, d] = head;
        return TcpAnswer::Tcp {
            state: head[0],
            unacked: u32::from_ne_bytes([a, b, c, d]),
        };
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EBADF) => TcpAnswer::Closed,
        Some(libc::ENOTSOCK) => TcpAnswer::NotSocket,
        _ => TcpAnswer::OtherSocket,
    }
}

fn count_other(fd: libc::c_int, counts: &mut SocketCounts) {
    let Some(domain) = socket_option(fd, libc::SO_DOMAIN) else {
        return;
    };
    if domain == libc::AF_UNIX {
        counts.unix += 1;
    } else if (domain == libc::AF_INET || domain == libc::AF_INET6)
        && socket_option(fd, libc::SO_TYPE) == Some(libc::SOCK_DGRAM)
    {
        counts.udp += 1;
    }
}

fn socket_option(fd: libc::c_int, option: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is writable for `length` bytes and both live through
    // the call.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &mut length,
        )
    } == 0;
    done.then_some(value)
}

pub(in crate::resources) fn limits() -> Limits {
    Limits {
        open_fds: soft_limit(libc::RLIMIT_NOFILE),
        address_space_bytes: soft_limit(libc::RLIMIT_AS),
        cgroup_memory_bytes: cgroup_memory_max(),
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

/// The `memory.max` of this process's cgroup (v2), if it has one.
fn cgroup_memory_max() -> Option<u64> {
    let membership = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    let max = std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/memory.max")).ok()?;
    max.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statm_is_read_in_pages() {
        assert_eq!(statm(b"2500 1200 300 4 0 700 0\n"), Some([2500, 1200, 300]));
        assert_eq!(statm(b"2500 12"), None);
        assert_eq!(statm(b""), None);
    }
}
