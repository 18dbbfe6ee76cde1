//! Platforms other than Linux: what the `sysinfo` crate reports, the rest `None`.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::resources::{
    Cgroup, DiskIo, Limits, MemoryDetail, Missing, Pressure, ProcessReading, SocketCounts,
};

#[derive(Debug)]
pub(in crate::resources) struct Process {
    system: Option<System>,
    pid: Pid,
}

impl Process {
    pub(in crate::resources) fn new() -> Self {
        Self {
            system: System::new().ok(),
            pid: Pid::from_u32(std::process::id()),
        }
    }

    pub(in crate::resources) fn read(&mut self) -> ProcessReading {
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu();
        let mut reading = ProcessReading::default();
        let Some(system) = self.system.as_mut() else {
            return reading;
        };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, what);
        if let Some(process) = system.process(self.pid) {
            reading.rss_bytes = Some(process.memory());
            reading.vms_bytes = Some(process.virtual_memory());
            reading.cpu = Some(Duration::from_millis(process.accumulated_cpu_time()));
        }
        reading
    }

    pub(in crate::resources) fn missing(&self, reading: &ProcessReading) -> Vec<Missing> {
        let read = [
            ("rss_mb", reading.rss_bytes.is_some()),
            ("cpu_percent", reading.cpu.is_some()),
        ];
        read.into_iter()
            .filter(|(_, there)| !there)
            .map(|(series, _)| Missing::new(series, "the list of processes", None))
            .collect()
    }

    pub(in crate::resources) fn missing_sockets(&self) -> Option<Missing> {
        None
    }

    pub(in crate::resources) fn sockets(&mut self) -> Option<SocketCounts> {
        None
    }

    pub(in crate::resources) fn memory_detail(&mut self) -> Option<MemoryDetail> {
        None
    }

    pub(in crate::resources) fn disk_io(&mut self) -> Option<DiskIo> {
        None
    }

    pub(in crate::resources) fn cgroup(&mut self) -> Option<Cgroup> {
        None
    }

    pub(in crate::resources) fn pressure(&mut self) -> Option<Pressure> {
        None
    }

    pub(in crate::resources) fn limits(&self) -> Limits {
        Limits::default()
    }

    pub(in crate::resources) fn descriptors(&self) -> u64 {
        0
    }
}

/// CPU time of one thread is not to be had portably.
pub(in crate::resources) fn thread_cpu() -> Option<Duration> {
    None
}

pub(in crate::resources) fn suspended() -> Option<Duration> {
    None
}
