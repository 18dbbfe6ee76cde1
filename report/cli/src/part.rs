//! Which part of a profile is wanted: samples by their labels, windows by time,
//! and one of the kinds of value.

use std::collections::{BTreeMap, BTreeSet};

use soakscope_report::{
    LabelValue, Profile, ProfileRange, RunDir, Sample, SpanRange, ValueType, printable,
};

use crate::prune::prune;
use crate::source::Source;

/// Which part of a profile is wanted.
#[derive(clap::Args)]
pub(crate) struct Part {
    /// Only samples taken in this phase
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// Only samples of threads of this name
    #[arg(long, value_name = "NAME")]
    thread: Option<String>,
    /// Only samples in this span, or in requests on this route, such as
    /// 'GET /orders/{user}'
    #[arg(long, value_name = "NAME")]
    span: Option<String>,
    /// Only samples with this label, text or number; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Only from this minute of the run on
    #[arg(long, value_name = "MINUTE")]
    from: Option<f64>,
    /// Only up to this minute of the run
    #[arg(long, value_name = "MINUTE")]
    to: Option<f64>,
    /// Which of the profile's values to show, such as cpu, inuse_space or
    /// alloc_objects/count; what the profile says if not given
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

type Failure = Box<dyn std::error::Error>;

/// What threads are labelled with: by us, and by other profilers.
const THREAD_KEYS: [&str; 3] = ["thread", "thread_name", "thread name"];

/// Labels that are listed where none is as wanted, and values of each.
const LISTED: usize = 12;
const LISTED_VALUES: usize = 4;

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("a label is given as KEY=VALUE, such as thread=worker")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Part {
    /// The profile of the part, and what could not be read of it.
    pub(crate) fn profile(&self, source: &Source) -> Result<(Profile, Vec<String>), Failure> {
        let (mut profile, mut notes) = match source {
            Source::Run(dir) => self.read(dir, &self.range())?,
            Source::File {
                name,
                profile,
                notes,
            } => (self.of_file(name, profile)?, notes.clone()),
        };
        notes.extend(prune(&mut profile));
        Ok((profile, notes))
    }

    /// The index of the values that are shown.
    pub(crate) fn value_index(&self, profile: &Profile) -> Result<usize, Failure> {
        let Some(kind) = &self.kind else {
            return Ok(profile.default_value_index());
        };
        let missing = || {
            format!(
                "the profile has no values of type {kind}; it has {}",
                types(profile)
            )
        };
        Ok(profile.named_value_index(kind).ok_or_else(missing)?)
    }

    /// The intervals of the part; threads and spans are not separate there.
    pub(crate) fn span_range(&self) -> SpanRange {
        SpanRange {
            phase: self.phase.clone(),
            from_min: self.from,
            to_min: self.to,
        }
    }

    /// Whether it is not narrowed to some threads, spans or labels.
    pub(crate) fn is_of_all(&self) -> bool {
        self.thread.is_none() && self.span.is_none() && self.label.is_empty()
    }

    pub(crate) fn range(&self) -> ProfileRange {
        let mut range = ProfileRange::default();
        range.phase.clone_from(&self.phase);
        range.thread.clone_from(&self.thread);
        range.span.clone_from(&self.span);
        range.from_min = self.from;
        range.to_min = self.to;
        range
    }

    /// The sum of a run's windows in a range.
    pub(crate) fn read(
        &self,
        dir: &RunDir,
        range: &ProfileRange,
    ) -> Result<(Profile, Vec<String>), Failure> {
        let path = dir.path().display();
        let (profile, notes) = dir.profile_ahead("cpu", range)?;
        let Some(mut profile) = profile else {
            return Err(if !notes.is_empty() {
                format!(
                    "{path} has no CPU profile that can be read: {}",
                    notes.join("; ")
                )
            } else if range.from_min.is_some() || range.to_min.is_some() {
                format!(
                    "{path} has no CPU profile between these minutes; see the phases in soakscope report {path}"
                )
            } else {
                format!("{path} has no CPU profile; was the run taken with the profiler off?")
            }
            .into());
        };
        if !self.label.is_empty() {
            profile = profile.filter(|sample| self.has_labels(sample));
        }
        if self.is_narrowed() && profile.samples.is_empty() {
            return Err(format!(
                "{path} has no samples of {}; soakscope report {path} names its phases, soakscope top {path} --by span its spans",
                self.words()
            )
            .into());
        }
        Ok((profile, notes))
    }

    fn of_file(&self, name: &str, profile: &Profile) -> Result<Profile, Failure> {
        if self.from.is_some() || self.to.is_some() {
            return Err(format!(
                "{name} is one profile, which has no minutes; --from and --to are for the directory of a run"
            )
            .into());
        }
        let is = |sample: &Sample, key: &str, wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| sample.label(key) == Some(wanted))
        };
        let takes = |sample: &Sample| {
            is(sample, "phase", &self.phase)
                && THREAD_KEYS.iter().any(|key| is(sample, key, &self.thread))
                && self
                    .span
                    .as_deref()
                    .is_none_or(|span| sample.is_in_span(span))
                && self.has_labels(sample)
        };
        let part = profile.filter(takes);
        if self.is_narrowed() && part.samples.is_empty() {
            let words = self.words();
            return Err(format!("{name} has no samples of {words}; {}", labels(profile)).into());
        }
        Ok(part)
    }

    fn has_labels(&self, sample: &Sample) -> bool {
        self.label.iter().all(|(key, wanted)| {
            let mut labels = sample.labels.iter().filter(|label| label.key == *key);
            labels.any(|label| match &label.value {
                LabelValue::Text(text) => text == wanted,
                LabelValue::Number { value, unit } => {
                    let number = value.to_string();
                    wanted
                        .strip_prefix(&number)
                        .is_some_and(|rest| rest.is_empty() || rest.trim_start() == unit)
                }
            })
        })
    }

    fn is_narrowed(&self) -> bool {
        self.phase.is_some() || !self.is_of_all()
    }

    pub(crate) fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.phase.as_ref().map(|phase| format!("phase {phase}")));
        words.extend(self.thread.as_ref().map(|name| format!("thread {name}")));
        words.extend(self.span.as_ref().map(|span| format!("span {span}")));
        let labels = self.label.iter();
        words.extend(labels.map(|(key, value)| format!("label {key}={value}")));
        words.extend(self.from.map(|from| format!("from minute {from}")));
        words.extend(self.to.map(|to| format!("to minute {to}")));
        if words.is_empty() {
            "whole run".to_owned()
        } else {
            words.join(", ")
        }
    }
}

/// The kinds of value that a profile has.
fn types(profile: &Profile) -> String {
    let name = |t: &ValueType| match t.unit.as_str() {
        "" => t.kind.clone(),
        unit => format!("{}/{unit}", t.kind),
    };
    let names: Vec<String> = profile.sample_types.iter().map(name).collect();
    names.join(", ")
}

/// The labels that a profile has, with some of their values.
fn labels(profile: &Profile) -> String {
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for label in profile.samples.iter().flat_map(|sample| &*sample.labels) {
        if all.len() == LISTED && !all.contains_key(label.key.as_str()) {
            continue;
        }
        let values = all.entry(&label.key).or_default();
        if values.len() < LISTED_VALUES {
            values.insert(match &label.value {
                LabelValue::Text(text) => text.clone(),
                LabelValue::Number { value, unit } => format!("{value}{unit}"),
            });
        }
    }
    if all.is_empty() {
        return "its samples have no labels".to_owned();
    }
    let keys = all.into_iter().map(|(key, values)| {
        let values: Vec<String> = values.into_iter().collect();
        format!("{key}={}", values.join("|"))
    });
    let keys: Vec<String> = keys.collect();
    format!("its labels are, among others, {}", keys.join(", "))
}

/// What is to be said where there is nothing to show, or not all is shown.
pub(crate) fn remark(name: &str, profile: &Profile, index: usize) -> Option<String> {
    let name = printable(name);
    if profile.samples.is_empty() {
        return Some(format!("{name} has no samples: nothing was recorded in it"));
    }
    if profile.totals(index) != (0, 0) {
        return None;
    }
    let kind = profile.sample_types.get(index).map_or("", |t| &t.kind);
    let types = types(profile);
    Some(format!(
        "all values of {kind} in {name} are 0; --type shows another of {types}"
    ))
}
