//! A limit on a process's CPU time or CPUs, as a container has it.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};

/// A control group with a quota; gone when dropped.
pub struct Quota {
    group: PathBuf,
}

/// What one hierarchy calls its files.
fn limit(group: &Path, share: f64, v2: bool) -> std::io::Result<()> {
    const PERIOD: u64 = 100_000;
    let quota = (share * PERIOD as f64) as u64;
    if v2 {
        fs::write(group.join("cpu.max"), format!("{quota} {PERIOD}"))
    } else {
        fs::write(group.join("cpu.cfs_period_us"), PERIOD.to_string())?;
        fs::write(group.join("cpu.cfs_quota_us"), quota.to_string())
    }
}

impl Quota {
    /// Limits `pid` to `share` of a CPU by the kernel's own means, where this
    /// process may.
    pub fn by_the_kernel(pid: u32, share: f64) -> Option<Quota> {
        let roots = [
            ("/sys/fs/cgroup", true),
            ("/sys/fs/cgroup/unified", true),
            ("/sys/fs/cgroup/cpu", false),
            ("/sys/fs/cgroup/cpu,cpuacct", false),
        ];
        for (root, v2) in roots {
            let group = Path::new(root).join(format!("soakscope-test-{pid}"));
            // Where the root is no control group, this makes a folder at most.
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&group).is_err() {
                continue;
            }
            let quota = Quota { group };
            let procs = quota.group.join("cgroup.procs");
            if limit(&quota.group, share, v2).is_ok() && fs::write(procs, pid.to_string()).is_ok() {
                return Some(quota);
            }
        }
        None
    }

    /// Gives `pid` one CPU and no other, by the kernel's own means, where this
    /// process may.
    pub fn of_one_cpu(pid: u32, cpu: usize) -> Option<Quota> {
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/cpuset"] {
            let group = Path::new(root).join(format!("soakscope-test-{pid}"));
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&group).is_err() {
                continue;
            }
            let quota = Quota { group };
            let write = |file: &str, text: String| fs::write(quota.group.join(file), text);
            // Of the second hierarchy the memory nodes are those of the parent.
            let _ = write("cpuset.mems", "0".to_owned());
            if write("cpuset.cpus", cpu.to_string()).is_ok()
                && write("cgroup.procs", pid.to_string()).is_ok()
            {
                return Some(quota);
            }
        }
        None
    }

    /// How often its processes were held back.
    pub fn times_held_back(&self) -> u64 {
        let stat = fs::read_to_string(self.group.join("cpu.stat")).unwrap_or_default();
        stat.lines()
            .find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // Who lives still goes back to where all began.
        let members = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for member in members.lines() {
            let _ = fs::write(self.group.with_file_name("cgroup.procs"), member);
        }
        let _ = fs::remove_dir(&self.group);
    }
}
