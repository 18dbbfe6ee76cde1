//! The directory of a new run: where it is, and what it is called.
//!
//! A directory is this run's because this process made it: `mkdir` gives one
//! name to one of all who ask for it, whatever their process ids, in whichever
//! containers, on whichever volume. Whoever does not get a name takes another.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use jiff::Timestamp;
use soakscope_report::{Error as ReportError, RunDir, RunInfo};

use crate::config::Config;
use crate::error::Error;

/// Bytes of a service's name that its runs are named by.
const MAX_NAME: usize = 100;
/// Names tried before it is given up.
const TRIES: usize = 100;

/// Makes the directory: the one that was asked for, or a new one named after the
/// service and the time.
pub(crate) fn create(config: &Config, start: Timestamp, info: &RunInfo) -> Result<RunDir, Error> {
    if let Some(path) = &config.run_path {
        return Ok(RunDir::create_with(path, info, config.run_dir_mode)?);
    }
    std::fs::create_dir_all(&config.run_dir).map_err(|source| Error::RunDir {
        path: config.run_dir.clone(),
        source,
    })?;
    let mut taken = None;
    for name in names(&info.service, start).take(TRIES) {
        let path = config.run_dir.join(name);
        match RunDir::create_new(&path, info, config.run_dir_mode) {
            Err(error @ ReportError::AlreadyARun(_)) => taken = Some(error),
            made => return Ok(made?),
        }
    }
    // One of a hundred random names is free, unless somebody answers so on purpose.
    Err(taken.map_or(Error::AlreadyRunning, Error::Run))
}

/// `<service>-<UTC start>`, then the same with the process's id, then with a
/// random number, too.
fn names(service: &str, start: Timestamp) -> impl Iterator<Item = String> {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let service: String = service.chars().map(keep).take(MAX_NAME).collect();
    let stem = format!("{service}-{}", start.strftime("%Y%m%dT%H%M%SZ"));
    let process = std::process::id();
    (0..).map(move |number| match number {
        0 => stem.clone(),
        1 => format!("{stem}-{process}"),
        n => {
            // The keys of a hasher are random.
            let random = RandomState::new().hash_one(n) as u32;
            format!("{stem}-{process}-{random:08x}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_service_and_the_time_and_leads_nowhere() {
        let name = |service| names(service, Timestamp::UNIX_EPOCH).next().expect("one");
        assert_eq!(name("shop"), "shop-19700101T000000Z");
        assert_eq!(name("../a/b"), ".._a_b-19700101T000000Z");
        assert!(name(&"x".repeat(1_000)).len() < 150);
        let mut all: Vec<String> = names("shop", Timestamp::UNIX_EPOCH).take(50).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 50);
    }

    /// Four of one name at one instant, with one process id, as containers on
    /// one volume have it.
    #[test]
    fn of_runs_that_start_at_one_instant_none_is_mixed_or_refused() {
        use std::sync::Barrier;

        let base = std::env::temp_dir().join(format!("soakscope-starts-{}", std::process::id()));
        for round in 0..200 {
            let config = Config {
                run_dir: base.join(round.to_string()),
                ..Config::default()
            };
            let gate = Barrier::new(4);
            let made: Vec<RunDir> = std::thread::scope(|scope| {
                let start = |number: usize| {
                    let (config, gate) = (&config, &gate);
                    scope.spawn(move || {
                        let info = RunInfo {
                            service: "shop".to_owned(),
                            version: Some(number.to_string()),
                            ..RunInfo::default()
                        };
                        gate.wait();
                        create(config, Timestamp::UNIX_EPOCH, &info).expect("not refused")
                    })
                };
                let all: Vec<_> = (0..4).map(start).collect();
                all.into_iter()
                    .map(|start| start.join().expect("no panic"))
                    .collect()
            });
            let mut paths: Vec<_> = made.iter().map(RunDir::path).collect();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), 4, "{paths:?}");
            for (number, dir) in made.iter().enumerate() {
                let version = dir.info().expect("its own").version;
                assert_eq!(version, Some(number.to_string()));
            }
        }
        std::fs::remove_dir_all(base).expect("remove");
    }
}
