//! Platforms other than Linux: what the `sysinfo` crate tells, the rest `None`.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::resources::{Limits, ProcessReading, SocketCounts};

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

    pub(in crate::resources) fn sockets(&mut self) -> Option<SocketCounts> {
        None
    }
}

pub(in crate::resources) fn limits() -> Limits {
    Limits::default()
}
