//! What a run is: its description (`run.json`), its events, and all of it
//! loaded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::budgets::{BudgetOutcome, LeakBudget};
use crate::causes::HeapShot;
use crate::error::Error;
use crate::event::Event;
use crate::findings::Finding;
use crate::leaks::Kind;
use crate::names::printable_json;
use crate::profile::Profile;
use crate::spans::SpanTotal;
use crate::timeline::Timeline;
use crate::trust::Trust;

/// The run directory format that this version writes.
pub const FORMAT: &str = "1.1";

/// The contents of `run.json`. A field that is unknown is `null` or absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// The format of the run directory, `major.minor`.
    pub format: String,
    /// The service's name.
    pub service: String,
    /// The service's version.
    pub version: Option<String>,
    /// The commit the service was built from.
    pub git_rev: Option<String>,
    /// The version of the agent that wrote the run.
    pub agent_version: String,
    /// How far the run got.
    pub state: RunState,
    /// The service's process id.
    pub pid: u32,
    /// What else shows whether that process still runs.
    pub process: Process,
    /// When the run began, RFC 3339.
    pub start: String,
    /// When it ended, RFC 3339.
    pub end: Option<String>,
    /// The machine it ran on.
    pub host: Host,
    /// Limits of the process and its cgroup, by name and in the unit the name
    /// ends in, such as `cgroup_memory_mb` and `open_fds`; `null` is no limit. See
    /// [`ProcessLimit`](crate::ProcessLimit).
    pub limits: BTreeMap<String, Option<f64>>,
    /// What the service calls the series that it has tracked, by their columns,
    /// where it says so.
    pub tracked: BTreeMap<String, Kind>,
    /// The agent's options as they were in force.
    pub config: BTreeMap<String, String>,
    /// What took each measurement, such as `cpu_clock` → `perf`. See
    /// [`Measurement`](crate::Measurement).
    pub engines: BTreeMap<String, String>,
    /// How far the measurements can be trusted.
    pub trust: Option<Trust>,
}

impl Default for RunInfo {
    fn default() -> Self {
        RunInfo {
            format: FORMAT.to_owned(),
            service: String::new(),
            version: None,
            git_rev: None,
            agent_version: String::new(),
            state: RunState::Running,
            pid: 0,
            process: Process::default(),
            start: String::new(),
            end: None,
            host: Host::default(),
            limits: BTreeMap::new(),
            tracked: BTreeMap::new(),
            config: BTreeMap::new(),
            engines: BTreeMap::new(),
            trust: None,
        }
    }
}

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunState {
    /// It goes on, or it was killed; only a look at the process shows which.
    Running,
    /// It was finished in order.
    Finished,
    /// It ended without being finished.
    Interrupted,
    /// It is not finished, and whether it goes on cannot be seen from here.
    Unknown,
}

impl RunState {
    /// The state as it is written in `run.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Interrupted => "interrupted",
            RunState::Unknown => "unknown",
        }
    }

    /// The state for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            RunState::Unknown => "state unknown from here",
            known => known.name(),
        }
    }
}

/// What identifies the process that writes a run, beside its id. What is unknown
/// is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// The boot of the machine it runs in.
    pub boot_id: Option<String>,
    /// The machine, in a form that does not say which.
    pub machine: Option<String>,
    /// The inode of the PID namespace in which its id counts.
    pub pid_namespace: Option<u64>,
    /// When it began, in ticks of 1/100 s since the boot.
    pub start_ticks: Option<u64>,
    /// Device and inode of the run directory, which it holds locked
    /// (`flock(2)`) for as long as it runs.
    pub lock: Option<String>,
}

/// The machine a run was taken on. What is unknown is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Host name.
    pub name: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Processor architecture.
    pub arch: Option<String>,
    /// Processors the service may use.
    pub cores: Option<f64>,
    /// Memory in MB (1024² bytes).
    pub memory_mb: Option<f64>,
    /// Processor model.
    pub cpu_model: Option<String>,
}

impl RunInfo {
    /// Reads the bytes of a `run.json`. Unknown fields are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if it is no such document, [`Error::Format`] if its
    /// major version is not ours.
    pub fn parse(bytes: &[u8]) -> Result<RunInfo, Error> {
        #[derive(Deserialize)]
        struct Version {
            format: String,
        }
        let json = |source| Error::Json {
            what: "run.json",
            source,
        };
        // The version first: another major may have quite another shape.
        let version: Version = serde_json::from_slice(bytes).map_err(json)?;
        let major = |format: &str| format.split('.').next().map(str::to_owned);
        if major(&version.format) != major(FORMAT) {
            return Err(Error::Format {
                found: version.format,
                known: FORMAT,
            });
        }
        serde_json::from_slice(bytes).map_err(json)
    }

    /// The document as it is written to `run.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

/// A run as far as it is needed to judge and render it. The live view fills
/// one in memory, the offline view loads one from its directory.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The description.
    pub info: RunInfo,
    /// The series.
    pub timeline: Timeline,
    /// What happened; of very many the first.
    pub events: Vec<Event>,
    /// What was found in requests, by all that happened.
    pub findings: Vec<Finding>,
    /// What has become of each budget; empty where there is none.
    pub budgets: Vec<BudgetOutcome>,
    /// What a leak does to the verdict.
    pub leak_budget: LeakBudget,
    /// What the spans of each name did.
    pub spans: Vec<SpanTotal>,
    /// The CPU profile of the whole run.
    pub cpu: Option<Profile>,
    /// Heap profiles, a few over the whole run, in the order of time.
    pub heap: Vec<HeapShot>,
    /// What was missing, lost or unreadable, in sentences.
    pub notes: Vec<String>,
    /// Of these, what a verdict cannot do without: it does not pass.
    pub unread: Vec<String>,
    /// The same of the spans, which only budgets need.
    pub unread_spans: Vec<String>,
    /// Files of the run that a person may want to open.
    pub files: Vec<PathBuf>,
}

impl Run {
    /// A run with a description and series, and nothing else.
    #[must_use]
    pub fn new(info: RunInfo, timeline: Timeline) -> Self {
        Run {
            info,
            timeline,
            ..Run::default()
        }
    }
}

/// A document for people and machines: indented, ending in a newline.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    let mut text = printable_json(serde_json::to_string_pretty(value).unwrap_or_default());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_json_round_trips_and_tolerates_the_future() {
        let mut info = RunInfo {
            service: "shop".into(),
            ..RunInfo::default()
        };
        info.limits.insert("memory_mb".into(), None);
        info.trust = Some(Trust::default());
        info.tracked.insert("served".into(), Kind::Counter);
        assert_eq!(RunInfo::parse(info.to_json().as_bytes()).unwrap(), info);
        let future = br#"{"format":"1.7","service":"shop","state":"finished","moon":"full"}"#;
        assert_eq!(RunInfo::parse(future).unwrap().state, RunState::Finished);
        let future = br#"{"format":"1.7","tracked":{"queue":"level","tide":"moon"}}"#;
        let kinds = RunInfo::parse(future).unwrap().tracked;
        assert_eq!(kinds["queue"], Kind::Level);
        assert_eq!(kinds["tide"], Kind::Other);
    }

    #[test]
    fn another_major_is_refused_by_its_name() {
        let error = RunInfo::parse(br#"{"format":"2.0","service":[1]}"#).unwrap_err();
        assert!(error.to_string().contains("\"2.0\""), "{error}");
    }
}
