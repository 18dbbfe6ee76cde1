//! The machine around the process, as the `sysinfo` crate reports it.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Facts of the host that do not change while a run lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Host name.
    pub name: Option<String>,
    /// Operating system and version, e.g. `Debian GNU/Linux 12`.
    pub os: Option<String>,
    /// Kernel version.
    pub kernel: Option<String>,
    /// Architecture, e.g. `x86_64`.
    pub arch: String,
    /// The first processor's model name.
    pub cpu_model: Option<String>,
    /// Processors that this process may use.
    pub cores: Option<u64>,
    /// Physical memory.
    pub memory_bytes: Option<u64>,
}

impl Host {
    /// Asks the system once. Takes some milliseconds.
    pub fn read() -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        Self {
            name: System::host_name().ok(),
            os: System::long_os_version().ok(),
            kernel: System::kernel_version().ok(),
            arch: System::cpu_arch(),
            cpu_model: system
                .as_ref()
                .and_then(|system| system.cpus().first())
                .map(|cpu| cpu.brand().trim().to_owned())
                .filter(|brand| !brand.is_empty()),
            cores: std::thread::available_parallelism()
                .ok()
                .map(|n| n.get() as u64),
            memory_bytes: system
                .map(|system| system.total_memory())
                .filter(|&bytes| bytes > 0),
        }
    }
}

/// The host's memory and load now.
#[derive(Debug)]
pub struct HostReading {
    system: Option<System>,
}

impl HostReading {
    /// Prepares readings.
    pub fn new() -> Self {
        Self {
            system: System::new().ok(),
        }
    }

    /// Memory the host could still give without swapping, in bytes.
    pub fn available_memory_bytes(&mut self) -> Option<u64> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        Some(system.available_memory()).filter(|&bytes| bytes > 0)
    }

    /// Load average over the last minute.
    pub fn load_1m(&self) -> Option<f64> {
        let load = System::load_average().ok()?.one;
        (load.is_finite() && load >= 0.0).then_some(load)
    }
}

impl Default for HostReading {
    fn default() -> Self {
        Self::new()
    }
}
