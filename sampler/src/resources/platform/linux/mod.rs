//! Linux: `/proc/self`, `getrusage`, `getsockopt`, cgroup v2, PSI.
//!
//! Files are kept open and read with `pread`; counts of descriptors and
//! threads come from one `stat` each, without listing a directory.

mod cgroup;
mod kept;
mod limits;
mod pressure;
mod sockets;

use std::fs::File;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use self::cgroup::CgroupFiles;
use self::kept::{Kept, field, kilobytes};
use self::pressure::Pressures;
use crate::resources::{
    Cgroup, DiskIo, Limits, MemoryDetail, Missing, Pressure, ProcessReading, SocketCounts,
};

#[derive(Debug)]
pub(in crate::resources) struct Process {
    status: Kept,
    /// `/proc/self/fd`, which is not to be found by its path after a `chroot`.
    fds: Option<File>,
    io: Kept,
    smaps_rollup: Kept,
    cgroup: Option<CgroupFiles>,
    pressures: Pressures,
}

impl Process {
    pub(in crate::resources) fn new() -> Self {
        Self {
            status: Kept::open("/proc/self/status"),
            fds: File::open("/proc/self/fd").ok(),
            io: Kept::open("/proc/self/io"),
            smaps_rollup: Kept::open("/proc/self/smaps_rollup"),
            cgroup: CgroupFiles::of_this_process(),
            pressures: Pressures::open(Path::new("/proc/pressure"), ""),
        }
    }

    pub(in crate::resources) fn read(&mut self) -> ProcessReading {
        let mut reading = ProcessReading {
            open_fds: self.open_fds(),
            ..ProcessReading::default()
        };
        add_usage(&mut reading);
        self.status.read(|text| {
            reading.rss_bytes = kilobytes(text, "VmRSS");
            reading.rss_anon_bytes = kilobytes(text, "RssAnon");
            reading.rss_file_bytes = kilobytes(text, "RssFile");
            reading.rss_shmem_bytes = kilobytes(text, "RssShmem");
            reading.rss_peak_bytes = kilobytes(text, "VmHWM");
            reading.vms_bytes = kilobytes(text, "VmSize");
            reading.threads = field(text, "Threads");
            Some(())
        });
        reading
    }

    pub(in crate::resources) fn missing(&self, reading: &ProcessReading) -> Vec<Missing> {
        let status = self.status.failure();
        let read = [
            (
                reading.rss_bytes.is_some(),
                Missing::new("rss_mb", "VmRSS of /proc/self/status", status),
            ),
            (
                reading.threads.is_some(),
                Missing::new("threads", "Threads of /proc/self/status", status),
            ),
            (
                reading.open_fds.is_some(),
                Missing::new("open_fds", "/proc/self/fd", None),
            ),
            (
                reading.cpu.is_some(),
                Missing::new("cpu_percent", "getrusage", None),
            ),
        ];
        let missing = read.into_iter().filter(|(there, _)| !there);
        missing.map(|(_, missing)| missing).collect()
    }

    pub(in crate::resources) fn missing_sockets(&self) -> Option<Missing> {
        Some(Missing::new(
            "connections",
            "FDSize of /proc/self/status",
            self.status.failure(),
        ))
    }

    /// Since Linux 6.2 the size of `/proc/self/fd` is the number of open
    /// descriptors; before, it is 0 and the directory has to be listed.
    fn open_fds(&self) -> Option<u64> {
        const PATH: &str = "/proc/self/fd";
        let kept = self.fds.as_ref().and_then(|fds| fds.metadata().ok());
        let metadata = kept.or_else(|| std::fs::metadata(PATH).ok())?;
        match metadata.size() {
            // The listing holds one descriptor of its own while it runs.
            0 => u64::try_from(std::fs::read_dir(PATH).ok()?.count())
                .ok()?
                .checked_sub(1),
            size => Some(size),
        }
    }

    pub(in crate::resources) fn sockets(&mut self) -> Option<SocketCounts> {
        // Numbers run from 0 up to the size of the descriptor table.
        let table = self.status.read(|text| field(text, "FDSize"))?;
        let table = libc::c_int::try_from(table).ok()?;
        Some(sockets::count(table, self.open_fds()))
    }

    pub(in crate::resources) fn memory_detail(&mut self) -> Option<MemoryDetail> {
        self.smaps_rollup.read(|text| {
            let detail = MemoryDetail {
                pss_bytes: kilobytes(text, "Pss"),
                private_dirty_bytes: kilobytes(text, "Private_Dirty"),
                swap_bytes: kilobytes(text, "Swap"),
            };
            (detail != MemoryDetail::default()).then_some(detail)
        })
    }

    pub(in crate::resources) fn disk_io(&mut self) -> Option<DiskIo> {
        self.io.read(|text| {
            let io = DiskIo {
                read_bytes: field(text, "read_bytes"),
                written_bytes: field(text, "write_bytes"),
            };
            (io != DiskIo::default()).then_some(io)
        })
    }

    pub(in crate::resources) fn cgroup(&mut self) -> Option<Cgroup> {
        let read = self.cgroup.as_ref()?.read();
        (read != Cgroup::default()).then_some(read)
    }

    pub(in crate::resources) fn pressure(&mut self) -> Option<Pressure> {
        let within = self.cgroup.as_ref().and_then(CgroupFiles::pressure);
        within.or_else(|| self.pressures.read())
    }

    pub(in crate::resources) fn limits(&self) -> Limits {
        limits::limits(self.cgroup.as_ref())
    }

    pub(in crate::resources) fn descriptors(&self) -> u64 {
        let own = [&self.status, &self.io, &self.smaps_rollup];
        let cgroup = self.cgroup.as_ref().map_or(0, CgroupFiles::descriptors);
        let own = own.iter().filter(|file| file.is_open()).count() as u64;
        own + u64::from(self.fds.is_some()) + cgroup + self.pressures.descriptors()
    }
}

/// CPU time, page faults and context switches, all of them since the process
/// began.
fn add_usage(reading: &mut ProcessReading) {
    // SAFETY: a zeroed rusage is a valid value of the plain C struct.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` is a live, writable rusage for the length of the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return;
    }
    let time = |t: libc::timeval| {
        Duration::new(
            u64::try_from(t.tv_sec).unwrap_or(0),
            u32::try_from(t.tv_usec).unwrap_or(0) * 1_000,
        )
    };
    let count = |n: libc::c_long| u64::try_from(n).ok();
    reading.cpu = Some(time(usage.ru_utime) + time(usage.ru_stime));
    reading.minor_faults = count(usage.ru_minflt);
    reading.major_faults = count(usage.ru_majflt);
    reading.voluntary_switches = count(usage.ru_nvcsw);
    reading.involuntary_switches = count(usage.ru_nivcsw);
}

/// CPU time this thread has used.
pub(in crate::resources) fn thread_cpu() -> Option<Duration> {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// How long the machine was suspended since it started: `CLOCK_BOOTTIME` goes
/// on meanwhile and `CLOCK_MONOTONIC` does not.
pub(in crate::resources) fn suspended() -> Option<Duration> {
    // In this order the difference cannot be negative.
    let monotonic = clock(libc::CLOCK_MONOTONIC)?;
    let boot = clock(libc::CLOCK_BOOTTIME)?;
    Some(boot.saturating_sub(monotonic))
}

fn clock(id: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec for the length of the call.
    let done = unsafe { libc::clock_gettime(id, &mut time) } == 0;
    done.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
