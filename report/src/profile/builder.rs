//! Putting a profile together, each thing stored once.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};

use super::memory::{memory_of_labels, memory_of_location, memory_of_sample, memory_of_text};
use crate::limits::COMMENTS;

use super::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

/// Collects samples into a [`Profile`]. Equal mappings, functions, locations
/// and stacks are stored once.
#[derive(Debug, Default)]
pub struct ProfileBuilder {
    profile: Profile,
    mappings: HashMap<Mapping, u32>,
    functions: Index,
    locations: HashMap<LocationKey, u32>,
    samples: Index,
    labels: HashSet<Arc<[Label]>>,
    /// About how many bytes all of it takes.
    memory: usize,
    /// What was asked for last.
    last_function: u32,
    last_location: u32,
}

/// An address is a place by itself. Only where a tool gave no address do the
/// lines have to distinguish places.
#[derive(Debug, PartialEq, Eq, Hash)]
enum LocationKey {
    Address(Option<u32>, u64),
    Lines(Option<u32>, Vec<Line>),
}

/// Where the entries of a list are, by what they are equal in. The list has
/// the only copy of them.
#[derive(Debug, Default)]
struct Index {
    hasher: DefaultHashBuilder,
    /// Hash and place.
    entries: HashTable<(u64, u32)>,
}

impl Index {
    /// The place of the entry with this key that `is_it` recognises; where
    /// there is none, `next`, where the caller puts it.
    fn find_or_add(&mut self, key: impl Hash, next: usize, is_it: impl Fn(usize) -> bool) -> u32 {
        let hash = self.hasher.hash_one(key);
        let same = |entry: &(u64, u32)| entry.0 == hash && is_it(entry.1 as usize);
        let entry = self.entries.entry(hash, same, |entry| entry.0);
        entry.or_insert((hash, next as u32)).get().1
    }
}

impl ProfileBuilder {
    /// A profile of these sample types.
    #[must_use]
    pub fn new(sample_types: Vec<ValueType>, period_type: ValueType, period: i64) -> Self {
        ProfileBuilder {
            profile: Profile {
                sample_types,
                period_type,
                period,
                ..Profile::default()
            },
            ..ProfileBuilder::default()
        }
    }

    /// A CPU profile: `samples/count` and `cpu/nanoseconds`.
    ///
    /// `time_nanos` is when it began, since 1970; `period_nanos` the CPU time
    /// between two samples.
    #[must_use]
    pub fn cpu(time_nanos: i64, duration_nanos: i64, period_nanos: i64) -> Self {
        let types = vec![
            ValueType::new("samples", "count"),
            ValueType::new("cpu", "nanoseconds"),
        ];
        ProfileBuilder::new(types, ValueType::new("cpu", "nanoseconds"), period_nanos)
            .at(time_nanos, duration_nanos)
    }

    /// A heap profile: `alloc_objects/count`, `alloc_space/bytes`,
    /// `inuse_objects/count` and `inuse_space/bytes`.
    ///
    /// `period_bytes` is the mean of bytes allocated between two samples.
    #[must_use]
    pub fn heap(time_nanos: i64, duration_nanos: i64, period_bytes: i64) -> Self {
        let types = vec![
            ValueType::new("alloc_objects", "count"),
            ValueType::new("alloc_space", "bytes"),
            ValueType::new("inuse_objects", "count"),
            ValueType::new("inuse_space", "bytes"),
        ];
        ProfileBuilder::new(types, ValueType::new("space", "bytes"), period_bytes)
            .at(time_nanos, duration_nanos)
    }

    /// When the profile began and for how long it was taken, in nanoseconds.
    #[must_use]
    pub fn at(mut self, time_nanos: i64, duration_nanos: i64) -> Self {
        self.profile.time_nanos = time_nanos;
        self.profile.duration_nanos = duration_nanos;
        self
    }

    /// The index of a mapping, added if it is new.
    pub fn mapping(&mut self, mapping: Mapping) -> u32 {
        if let Some(&index) = self.mappings.get(&mapping) {
            return index;
        }
        let index = self.profile.mappings.len() as u32;
        self.memory += 2 * size_of::<Mapping>()
            + 2 * memory_of_text(&mapping.path)
            + 2 * memory_of_text(&mapping.build_id);
        self.profile.mappings.push(mapping.clone());
        self.mappings.insert(mapping, index);
        index
    }

    /// The index of a function, added if it is new.
    pub fn function(&mut self, name: &str, system_name: &str, file: &str, start_line: u32) -> u32 {
        let functions = &mut self.profile.functions;
        let key = (name, system_name, file, start_line);
        let is_key = |known: &Function| {
            (
                &*known.name,
                &*known.system_name,
                &*known.file,
                known.start_line,
            ) == key
        };
        // Profiles of one program have many in the same order.
        let next = self.last_function.wrapping_add(1);
        if functions.get(next as usize).is_some_and(is_key) {
            self.last_function = next;
            return next;
        }
        let index = self
            .functions
            .find_or_add(key, functions.len(), |place| is_key(&functions[place]));
        self.last_function = index;
        if index as usize == functions.len() {
            self.memory += size_of::<Function>()
                + memory_of_text(name)
                + memory_of_text(system_name)
                + memory_of_text(file);
            functions.push(Function {
                name: name.to_owned(),
                system_name: system_name.to_owned(),
                file: file.to_owned(),
                start_line,
            });
        }
        index
    }

    /// The index of a location, added if its mapping and address are new.
    ///
    /// `lines` are pairs of a function's index and a source line, innermost
    /// inlined function first. A location seen first without lines takes those
    /// that come later.
    pub fn location(&mut self, mapping: Option<u32>, address: u64, lines: &[(u32, u32)]) -> u32 {
        let own_lines = || -> Vec<Line> {
            let lines = lines.iter();
            lines
                .map(|&(function, line)| Line { function, line })
                .collect()
        };
        let locations = &mut self.profile.locations;
        let is_it = |known: &Location| known.mapping == mapping && known.address == address;
        // Profiles of one program have many in the same order.
        let next = self.last_location.wrapping_add(1);
        let (known, key) = if address != 0 && locations.get(next as usize).is_some_and(is_it) {
            (Some(next), None)
        } else {
            let key = if address == 0 {
                LocationKey::Lines(mapping, own_lines())
            } else {
                LocationKey::Address(mapping, address)
            };
            (self.locations.get(&key).copied(), Some(key))
        };
        if let Some(index) = known {
            self.last_location = index;
            let known = &mut locations[index as usize];
            if known.lines.is_empty() {
                known.lines = own_lines();
            }
            return index;
        }
        let lines = own_lines();
        let index = locations.len() as u32;
        self.last_location = index;
        self.memory += 2 * memory_of_location(lines.len());
        self.profile.locations.push(Location {
            mapping,
            address,
            lines,
        });
        self.locations.extend(key.map(|key| (key, index)));
        index
    }

    /// Adds a stack, leaf first. Values of equal stacks with equal labels add
    /// up; the order of labels does not matter.
    pub fn sample(&mut self, locations: &[u32], values: &[i64], mut labels: Vec<Label>) {
        labels.sort_unstable();
        let labels = self.labels(&labels);
        self.labelled_sample(locations, values, &labels);
    }

    /// Labels that are in their order, as samples share them: equal ones are the
    /// same.
    pub(super) fn labels(&mut self, labels: &[Label]) -> Arc<[Label]> {
        if let Some(known) = self.labels.get(labels) {
            return known.clone();
        }
        self.memory += memory_of_labels(labels);
        let labels: Arc<[Label]> = labels.into();
        self.labels.insert(labels.clone());
        labels
    }

    /// [`ProfileBuilder::sample`] with labels of [`ProfileBuilder::labels`].
    pub(super) fn labelled_sample(
        &mut self,
        locations: &[u32],
        values: &[i64],
        labels: &Arc<[Label]>,
    ) {
        let samples = &mut self.profile.samples;
        let key = (locations, labels.as_ptr());
        let index = self.samples.find_or_add(key, samples.len(), |place| {
            let known = &samples[place];
            (known.locations.as_slice(), known.labels.as_ptr()) == key
        });
        let index = index as usize;
        if index == samples.len() {
            let frames = locations.iter().map(|location| {
                let location = self.profile.locations.get(*location as usize);
                location.map_or(1, |location| location.lines.len().max(1))
            });
            self.memory += memory_of_sample(locations.len(), values.len(), frames.sum());
            samples.push(Sample {
                locations: locations.to_vec(),
                values: vec![0; self.profile.sample_types.len()],
                labels: labels.clone(),
            });
        }
        for (sum, value) in samples[index].values.iter_mut().zip(values) {
            *sum = sum.saturating_add(*value);
        }
    }

    /// Adds free text; the same text only once, and not without end.
    pub fn comment(&mut self, comment: String) {
        let comments = &self.profile.comments;
        if comments.len() < COMMENTS && !comments.contains(&comment) {
            self.profile.comments.push(comment);
        }
    }

    /// How many distinct stacks there are so far.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.profile.samples.len()
    }

    /// About how many bytes what was added takes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The finished profile.
    #[must_use]
    pub fn build(self) -> Profile {
        self.profile
    }

    pub(super) fn profile_mut(&mut self) -> &mut Profile {
        &mut self.profile
    }
}
