//! The cgroup (v2) this process is in: its memory, its limit, and how often
//! the limit or the CPU quota held it up
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html>).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kept::{Kept, field, lines, number};
use super::pressure::Pressures;
use crate::resources::{Cgroup, Pressure};

#[derive(Debug)]
pub(super) struct CgroupFiles {
    current: Kept,
    stat: Kept,
    max: Kept,
    events: Kept,
    cpu: Kept,
    pressures: Pressures,
    /// The directories above, whose limits hold as well.
    above: Vec<PathBuf>,
}

impl CgroupFiles {
    /// Opens the files of this process's cgroup; `None` where it has none.
    pub(super) fn of_this_process() -> Option<Self> {
        let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
        let membership = std::fs::read("/proc/self/cgroup").ok()?;
        let (mount, directory) = directory(&mounts, &membership)?;
        Some(Self::open(&mount, &directory))
    }

    /// Opens the files of a cgroup's directory, in a hierarchy mounted at `mount`.
    fn open(mount: &Path, directory: &Path) -> Self {
        let file = |name: &str| Kept::open(directory.join(name));
        Self {
            current: file("memory.current"),
            stat: file("memory.stat"),
            max: file("memory.max"),
            events: file("memory.events"),
            cpu: file("cpu.stat"),
            pressures: Pressures::open(directory, ".pressure"),
            above: directory
                .ancestors()
                .skip(1)
                .take_while(|above| above.starts_with(mount))
                .map(Path::to_owned)
                .collect(),
        }
    }

    pub(super) fn read(&self) -> Cgroup {
        let mut cgroup = Cgroup {
            memory_bytes: self.current.read(number),
            ..Cgroup::default()
        };
        self.stat.read(|text| {
            cgroup.anon_bytes = field(text, "anon");
            cgroup.file_bytes = field(text, "file");
            Some(())
        });
        self.events.read(|text| {
            cgroup.high_events = field(text, "high");
            cgroup.max_events = field(text, "max");
            cgroup.oom_kills = field(text, "oom_kill");
            Some(())
        });
        self.cpu.read(|text| {
            cgroup.throttled = field(text, "throttled_usec").map(Duration::from_micros);
            Some(())
        });
        cgroup
    }

    /// The lowest `memory.max` of this cgroup and those above; `None` where
    /// there is none.
    pub(super) fn memory_max(&self) -> Option<u64> {
        let above = self
            .above
            .iter()
            .filter_map(|path| Kept::open(path.join("memory.max")).read(number));
        // `max`, which is no number, is no limit.
        above.chain(self.max.read(number)).min()
    }

    /// Pressure within the cgroup; `None` where only the host's is known.
    pub(super) fn pressure(&self) -> Option<Pressure> {
        self.pressures.read()
    }

    pub(super) fn descriptors(&self) -> u64 {
        let files = [
            &self.current,
            &self.stat,
            &self.max,
            &self.events,
            &self.cpu,
        ];
        let open = files.iter().filter(|file| file.is_open()).count() as u64;
        open + self.pressures.descriptors()
    }
}

/// The mount point of the v2 hierarchy and the directory of the cgroup that
/// `membership` (`/proc/self/cgroup`) names, by `mounts` (`mountinfo`).
fn directory(mounts: &[u8], membership: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let group = lines(membership).find_map(|line| line.strip_prefix(b"0::"))?;
    let mount = lines(mounts).find(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        fields.any(|field| field == b"-") && fields.next() == Some(b"cgroup2")
    })?;
    let mut fields = mount.split(|byte| *byte == b' ').skip(3).map(unescaped);
    let (root, point) = (fields.next()?, fields.next()?);
    // In a container the mount may begin below the root of the hierarchy.
    let root = root.strip_suffix(b"/").unwrap_or(&root);
    let below = group.strip_prefix(root).unwrap_or_default();
    let slashes = below.iter().take_while(|byte| **byte == b'/').count();
    let below = below.get(slashes..).unwrap_or_default().to_vec();
    let point = PathBuf::from(OsString::from_vec(point));
    let directory = point.join(OsString::from_vec(below));
    Some((point, directory))
}

/// A field of `mountinfo`, where blanks, newlines and backslashes are a
/// backslash and three octal digits (proc_pid_mountinfo(5)).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        plain.push(escaped.unwrap_or(*byte));
        rest = match escaped {
            Some(_) => tail.get(3..).unwrap_or_default(),
            None => tail,
        };
    }
    plain
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const MOUNTS: &str = "24 1 0:22 / /proc rw - proc proc rw\n\
        31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";

    fn directory(mounts: &str, membership: &str) -> Option<(PathBuf, PathBuf)> {
        super::directory(mounts.as_bytes(), membership.as_bytes())
    }

    #[test]
    fn the_directory_is_below_the_mount() {
        let (mount, path) = directory(MOUNTS, "1:cpu:/a\n0::/system.slice/shop.service\n").unwrap();
        assert_eq!(mount, Path::new("/sys/fs/cgroup"));
        assert_eq!(path, Path::new("/sys/fs/cgroup/system.slice/shop.service"));
        assert_eq!(directory(MOUNTS, "4:memory:/x\n"), None, "version 1 only");
        let inside = MOUNTS.replace("0:27 /", "0:27 /pods/7");
        let (_, path) = directory(&inside, "0::/pods/7/app\n").unwrap();
        assert_eq!(path, Path::new("/sys/fs/cgroup/app"));
    }

    #[test]
    fn a_mount_or_group_of_any_bytes_is_found() {
        let mounts = b"20 1 0:9 / /mnt/\xff\xfe rw - ext4 /dev/odd rw\n\
            21 1 0:9 / /mnt/x\\040-\\040cgroup2\\040y rw - ext4 /dev/odd rw\n\
            31 24 0:27 / /cgroups\\040of\\134us rw shared:9 - cgroup2 cgroup2 rw\n";
        let (mount, path) = super::directory(mounts, b"0::/shop\xff.service\n").unwrap();
        assert_eq!(mount, Path::new(r"/cgroups of\us"));
        let path = path.into_os_string().into_vec();
        assert_eq!(path, b"/cgroups of\\us/shop\xff.service");
        assert_eq!(unescaped(br"a\04"), br"a\04");
        assert_eq!(unescaped(br"\012\777\\"), b"\n\\777\\\\");
    }

    #[test]
    fn a_cgroup_is_read_and_the_lowest_limit_counts() {
        let root = std::env::temp_dir().join(format!("soakscope-cgroup-{}", std::process::id()));
        let group = root.join("slice/app");
        std::fs::create_dir_all(&group).unwrap();
        let write = |path: &Path, name: &str, text: &str| {
            std::fs::write(path.join(name), text).unwrap();
        };
        write(&group, "memory.current", "5000\n");
        write(
            &group,
            "memory.stat",
            "anon 3000\nfile 1500\nfile_mapped 7\n",
        );
        write(
            &group,
            "memory.events",
            "low 0\nhigh 4\nmax 5\noom 1\noom_kill 1\n",
        );
        write(
            &group,
            "cpu.stat",
            "usage_usec 9\nnr_throttled 2\nthrottled_usec 250000\n",
        );
        write(&group, "memory.max", "max\n");
        write(&root.join("slice"), "memory.max", "8192\n");
        write(&root, "memory.max", "9000\n");
        let files = CgroupFiles::open(&root, &group);
        let read = files.read();
        assert_eq!(
            read,
            Cgroup {
                memory_bytes: Some(5000),
                anon_bytes: Some(3000),
                file_bytes: Some(1500),
                high_events: Some(4),
                max_events: Some(5),
                oom_kills: Some(1),
                throttled: Some(Duration::from_millis(250)),
            }
        );
        assert_eq!(files.memory_max(), Some(8192));
        assert!(files.pressure().is_none(), "not in this cgroup");
        assert_eq!(files.descriptors(), 5);
        write(&group, "memory.current", "6000\n");
        assert_eq!(files.read().memory_bytes, Some(6000), "read anew");
        std::fs::remove_dir_all(root).unwrap();
    }
}
