//! Keeps `profiles/` small: old windows are merged into longer ones, so that a
//! run of any length has a few hundred files, fine where it is recent and
//! coarse where it is old. Nothing is thrown away while the bytes allow.
//!
//! Runs on the writer's thread when that has nothing else to do. A merged
//! window is there whole before its parts go, and readers pass over parts that
//! a merged window covers: a process killed in between loses and doubles
//! nothing. The timeline is never thinned.

use std::collections::{BTreeMap, VecDeque};

use soakscope_report::{Error, RunDir};

/// How many windows of a level are kept, and how many of the oldest become one
/// of the next level once there are that many more.
struct Level {
    keep: usize,
    merge: usize,
}

/// At windows of 10 s: half an hour of them, then 90 hours of ten minutes, then
/// three weeks of hours, then days.
const LEVELS: [Level; 3] = [
    Level {
        keep: 180,
        merge: 60,
    },
    Level {
        keep: 540,
        merge: 6,
    },
    Level {
        keep: 504,
        merge: 24,
    },
];

/// Bytes of all profiles together, above which windows are merged early.
const MAX_BYTES: u64 = 64 << 20;

/// The windows on disk, as far as this process wrote them.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    kinds: BTreeMap<String, [VecDeque<Window>; LEVELS.len() + 1]>,
}

#[derive(Debug)]
struct Window {
    name: String,
    first: u32,
    last: u32,
    bytes: u64,
}

/// What one step did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All is as it should be.
    Nothing,
    /// Windows were merged; there may be more to do.
    Merged,
    /// This many windows had to go, or could not be read.
    Lost(u64),
}

impl Retention {
    /// A window was written.
    pub(crate) fn wrote(&mut self, name: &str, bytes: u64) {
        let Some((kind, number)) = name.rsplit_once('-') else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        let levels = self.kinds.entry(kind.to_owned()).or_default();
        levels[0].push_back(Window {
            name: name.to_owned(),
            first: number,
            last: number,
            bytes,
        });
    }

    /// Merges the oldest windows of one level, where there are too many.
    pub(crate) fn step(&mut self, dir: &RunDir) -> Result<Step, Error> {
        for (kind, levels) in &mut self.kinds {
            for (index, level) in LEVELS.iter().enumerate() {
                if levels[index].len() >= level.keep + level.merge {
                    return merge(dir, kind, levels, index, level.merge);
                }
            }
        }
        if self.bytes() <= MAX_BYTES {
            return Ok(Step::Nothing);
        }
        self.shrink(dir)
    }

    fn bytes(&self) -> u64 {
        let windows = self.kinds.values().flatten().flatten();
        windows.map(|window| window.bytes).sum()
    }

    /// Merges early where that is possible, and lets the oldest window go where
    /// it is not.
    fn shrink(&mut self, dir: &RunDir) -> Result<Step, Error> {
        for (kind, levels) in &mut self.kinds {
            for (index, level) in LEVELS.iter().enumerate() {
                // The newest few stay apart: they are what somebody looks at.
                if levels[index].len() >= level.merge + 6 {
                    return merge(dir, kind, levels, index, level.merge);
                }
            }
        }
        for levels in self.kinds.values_mut() {
            for level in levels.iter_mut().rev() {
                if let Some(window) = level.pop_front() {
                    dir.remove_profile(&window.name)?;
                    return Ok(Step::Lost(u64::from(window.last - window.first) + 1));
                }
            }
        }
        Ok(Step::Nothing)
    }
}

/// Makes one window of the next level of the oldest of this one. Windows of
/// CPU time add up; those of other kinds are states, of which the newest stays.
fn merge(
    dir: &RunDir,
    kind: &str,
    levels: &mut [VecDeque<Window>],
    index: usize,
    count: usize,
) -> Result<Step, Error> {
    let parts: Vec<&Window> = levels[index].iter().take(count).collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Ok(Step::Nothing);
    };
    let (first, last) = (first.first, last.last);
    let (merged, lost) = if kind == "cpu" {
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        let name = format!("{kind}-{first:06}-{last:06}");
        let (bytes, unread) = dir.merge_profiles(&names, &name)?;
        let merged = Window {
            name,
            first,
            last,
            bytes,
        };
        for name in names {
            dir.remove_profile(name)?;
        }
        (merged, unread)
    } else {
        for part in &parts[..parts.len() - 1] {
            dir.remove_profile(&part.name)?;
        }
        let newest = parts[parts.len() - 1];
        let merged = Window {
            name: newest.name.clone(),
            first,
            last,
            bytes: newest.bytes,
        };
        (merged, 0)
    };
    levels[index].drain(..count);
    levels[index + 1].push_back(merged);
    Ok(match lost {
        0 => Step::Merged,
        lost => Step::Lost(lost),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use soakscope_report::{ProfileBuilder, ProfileRange, RunInfo};

    use super::*;

    fn run() -> (std::path::PathBuf, RunDir) {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "soakscope-retention-{}-{number}",
            std::process::id()
        ));
        let info = RunInfo {
            service: "shop".to_owned(),
            start: "1970-01-01T00:00:00Z".to_owned(),
            ..RunInfo::default()
        };
        let dir = RunDir::create(&path, &info).unwrap();
        (path, dir)
    }

    /// A window of 10 s with one second in one of three functions.
    fn window(number: u32) -> Vec<u8> {
        let start = i64::from(number - 1) * 10_000_000_000;
        let mut builder = ProfileBuilder::cpu(start, 10_000_000_000, 10_000_000);
        let name = format!("work_{}", number % 3);
        let function = builder.function(&name, &name, "", 0);
        let place = builder.location(None, u64::from(number % 3), &[(function, 0)]);
        builder.sample(&[place], &[100, 1_000_000_000], Vec::new());
        builder.build().encode()
    }

    #[test]
    fn a_long_run_keeps_every_second_of_cpu_in_few_files() {
        let (path, dir) = run();
        let mut retention = Retention::default();
        for number in 1..=1_000 {
            let name = format!("cpu-{number:06}");
            let bytes = window(number);
            dir.write_profile(&name, &bytes).unwrap();
            retention.wrote(&name, bytes.len() as u64);
            assert_ne!(retention.step(&dir).unwrap(), Step::Lost(1));
        }
        let files = dir.profiles("cpu").unwrap();
        assert!(files.len() < 260, "{}", files.len());
        let (whole, notes) = dir.profile("cpu", &ProfileRange::default()).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(whole.unwrap().total(1), 1_000 * 1_000_000_000);
        // The first ten minutes are still apart from the rest.
        let early = ProfileRange {
            to_min: Some(9.5),
            ..ProfileRange::default()
        };
        let (early, _) = dir.profile("cpu", &early).unwrap();
        assert_eq!(early.unwrap().total(1), 60 * 1_000_000_000);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn parts_that_a_killed_merge_left_are_not_counted_twice() {
        let (path, dir) = run();
        for number in 1..=5 {
            dir.write_profile(&format!("cpu-{number:06}"), &window(number))
                .unwrap();
        }
        let names = ["cpu-000001", "cpu-000002", "cpu-000003"];
        dir.merge_profiles(&names, "cpu-000001-000003").unwrap();
        let (whole, _) = dir.profile("cpu", &ProfileRange::default()).unwrap();
        assert_eq!(whole.unwrap().total(1), 5 * 1_000_000_000);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn states_are_thinned_not_added() {
        let (path, dir) = run();
        let mut retention = Retention::default();
        for number in 1..=300 {
            let name = format!("heap-{number:06}");
            dir.write_profile(&name, b"opaque").unwrap();
            retention.wrote(&name, 6);
            retention.step(&dir).unwrap();
        }
        let files = dir.profiles("heap").unwrap();
        assert_eq!(files.len(), 300 - 2 * 59);
        assert!(files[0].ends_with("heap-000060.pb.gz"), "{:?}", files[0]);
        std::fs::remove_dir_all(path).unwrap();
    }
}
