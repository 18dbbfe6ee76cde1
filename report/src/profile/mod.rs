//! Profiles: weighted call stacks, in the shape of the pprof format.
//!
//! [`Profile`] is the model everything here works on. It is read from and
//! written to standard gzipped pprof files, put together by
//! [`ProfileBuilder`], merged and subtracted, and turned into text.

mod builder;
mod collapsed;
mod cost;
mod decode;
mod encode;
mod fields;
mod foreign;
mod frames;
mod json;
mod lines;
mod memory;
mod merge;
mod packing;
mod stacks;
mod strings;
mod tree;
mod wire;

use std::sync::Arc;

pub use builder::ProfileBuilder;
pub(crate) use cost::Cost;
pub(crate) use decode::Noted;
pub(crate) use frames::FrameTable;
pub use merge::Merger;
pub(crate) use stacks::{TOO_MANY, TRUNCATED, heaviest_first, is_truncated};
pub(crate) use tree::StackTree;

/// What a value of a sample counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ValueType {
    /// The quantity, such as `cpu` or `inuse_space`.
    pub kind: String,
    /// Its unit, such as `nanoseconds`, `bytes` or `count`.
    pub unit: String,
}

impl ValueType {
    /// A value type of this quantity and unit.
    #[must_use]
    pub fn new(kind: &str, unit: &str) -> Self {
        ValueType {
            kind: kind.to_owned(),
            unit: unit.to_owned(),
        }
    }
}

/// A profile: samples, and the tables their stacks point into.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// What the values of each sample count, in order.
    pub sample_types: Vec<ValueType>,
    /// The weighted stacks.
    pub samples: Vec<Sample>,
    /// The code locations that stacks point to, by index.
    pub locations: Vec<Location>,
    /// The functions that locations point to, by index.
    pub functions: Vec<Function>,
    /// The mapped files that locations point to, by index.
    pub mappings: Vec<Mapping>,
    /// When the profile began, in nanoseconds since 1970; 0 if unknown.
    pub time_nanos: i64,
    /// For how long it was taken, in nanoseconds; 0 if unknown.
    pub duration_nanos: i64,
    /// What `period` counts.
    pub period_type: ValueType,
    /// How much of `period_type` lies between two samples.
    pub period: i64,
    /// The kind of value that is looked at by default; empty if the
    /// profile does not say.
    pub default_sample_type: String,
    /// A regular expression of functions that are left out with all they call;
    /// empty for none.
    pub drop_frames: String,
    /// One of those that stay all the same.
    pub keep_frames: String,
    /// Free text that goes with the profile.
    pub comments: Vec<String>,
}

/// One stack with its values and labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// The stack, leaf first: indices into [`Profile::locations`].
    pub locations: Vec<u32>,
    /// One value for each of [`Profile::sample_types`].
    pub values: Vec<i64>,
    /// What was going on: thread, span, phase. Samples of one set of labels
    /// share it.
    pub labels: Arc<[Label]>,
}

impl Sample {
    /// The text of the first label with this key.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .iter()
            .find_map(|label| match (&label.value, label.key == key) {
                (LabelValue::Text(text), true) => Some(text.as_str()),
                _ => None,
            })
    }
}

impl Sample {
    /// Whether it was taken in this span, or anywhere in a request on this
    /// route.
    #[must_use]
    pub fn is_in_span(&self, name: &str) -> bool {
        self.label("span") == Some(name) || self.label("route") == Some(name)
    }

    /// The number of the first label with this key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        self.labels
            .iter()
            .find_map(|label| match (&label.value, label.key == key) {
                (LabelValue::Number { value, .. }, true) => Some(*value),
                _ => None,
            })
    }
}

/// A key and a value that belong to a sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The key, such as `span` or `phase`.
    pub key: String,
    /// The value.
    pub value: LabelValue,
}

impl Label {
    /// A label with a number and its unit.
    #[must_use]
    pub fn number(key: &str, value: i64, unit: &str) -> Self {
        Label {
            key: key.to_owned(),
            value: LabelValue::Number {
                value,
                unit: unit.to_owned(),
            },
        }
    }

    /// A label with a text value.
    #[must_use]
    pub fn text(key: &str, value: &str) -> Self {
        Label {
            key: key.to_owned(),
            value: LabelValue::Text(value.to_owned()),
        }
    }
}

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelValue {
    /// Words.
    Text(String),
    /// A number with a unit, which may be empty.
    Number {
        /// The number.
        value: i64,
        /// Its unit, such as `bytes`.
        unit: String,
    },
}

/// An address in the code. Two locations are the same if mapping and address
/// are, whatever the function is called.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Location {
    /// Index into [`Profile::mappings`].
    pub mapping: Option<u32>,
    /// The instruction's address in the profiled process.
    pub address: u64,
    /// The functions at this address, innermost inlined one first. Empty while
    /// it has no symbol.
    pub lines: Vec<Line>,
}

/// A function and the line in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// Index into [`Profile::functions`].
    pub function: u32,
    /// Source line, from 1; 0 if unknown.
    pub line: u32,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Function {
    /// The name for people, demangled.
    pub name: String,
    /// The symbol, as linked.
    pub system_name: String,
    /// The source file.
    pub file: String,
    /// The first line of the function; 0 if unknown.
    pub start_line: u32,
}

/// A file mapped into the profiled process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Mapping {
    /// First address of the mapping.
    pub start: u64,
    /// First address after it.
    pub limit: u64,
    /// Where in the file the mapping starts, in bytes.
    pub offset: u64,
    /// The file.
    pub path: String,
    /// The file's build id, in hexadecimal; empty if unknown.
    pub build_id: String,
    /// Whether the profile has the functions of this mapping.
    pub has_functions: bool,
    /// Whether it has their source files.
    pub has_filenames: bool,
    /// Whether it has their lines.
    pub has_lines: bool,
    /// Whether inlined functions were resolved.
    pub has_inline: bool,
}

impl Profile {
    /// The sum of one value over all samples.
    #[must_use]
    pub fn total(&self, value_index: usize) -> i64 {
        self.samples
            .iter()
            .filter_map(|sample| sample.values.get(value_index))
            .fold(0, |sum, value| sum.saturating_add(*value))
    }

    /// Its sums of what grew and of what shrank: a difference of two profiles
    /// has values below 0, too.
    #[must_use]
    pub fn totals(&self, value_index: usize) -> (i64, i64) {
        let values = self.samples.iter();
        let values = values.filter_map(|sample| sample.values.get(value_index));
        values.fold((0, 0), |(up, down): (i64, i64), value| {
            (
                up.saturating_add(*value.max(&0)),
                down.saturating_add(*value.min(&0)),
            )
        })
    }

    /// How many samples there are, where the profile counts them: a CPU profile
    /// does, and what a heap profile counts is estimated. A difference of two
    /// has no number of its own.
    #[must_use]
    pub fn sample_count(&self) -> Option<u64> {
        let index = self.value_index("samples")?;
        let (up, down) = self.totals(index);
        u64::try_from(up).ok().filter(|_| down == 0)
    }

    /// The samples that `keep` says yes to, with the same tables.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Sample) -> bool) -> Profile {
        let samples = self.samples.iter().filter(|s| keep(s)).cloned().collect();
        Profile {
            samples,
            sample_types: self.sample_types.clone(),
            locations: self.locations.clone(),
            functions: self.functions.clone(),
            mappings: self.mappings.clone(),
            period_type: self.period_type.clone(),
            default_sample_type: self.default_sample_type.clone(),
            drop_frames: self.drop_frames.clone(),
            keep_frames: self.keep_frames.clone(),
            comments: self.comments.clone(),
            ..*self
        }
    }

    /// The index of a sample type by its kind.
    #[must_use]
    pub fn value_index(&self, kind: &str) -> Option<usize> {
        self.sample_types
            .iter()
            .position(|sample_type| sample_type.kind == kind)
    }

    /// The index of the sample type that somebody asks for: `cpu`,
    /// `cpu/nanoseconds`, or its number. As with `go tool pprof`, `inuse_space`
    /// is `space` where a profile has only that.
    #[must_use]
    pub fn named_value_index(&self, name: &str) -> Option<usize> {
        let by_number = || name.parse().ok().filter(|n| *n < self.sample_types.len());
        let by_both = || {
            let (kind, unit) = name.rsplit_once('/')?;
            let is = |t: &ValueType| t.kind == kind && t.unit == unit;
            self.sample_types.iter().position(is)
        };
        let live = || self.value_index(name.strip_prefix("inuse_")?);
        self.value_index(name)
            .or_else(by_both)
            .or_else(by_number)
            .or_else(live)
    }

    /// The value to look at by default: what the profile says, or
    /// else CPU time or live bytes where it has them, or else the last, as pprof
    /// tools do.
    #[must_use]
    pub fn default_value_index(&self) -> usize {
        let own = Some(self.default_sample_type.as_str()).filter(|kind| !kind.is_empty());
        let usual = ["cpu", "inuse_space"];
        own.into_iter()
            .chain(usual)
            .find_map(|kind| self.value_index(kind))
            .unwrap_or_else(|| self.sample_types.len().saturating_sub(1))
    }
}
