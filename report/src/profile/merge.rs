//! Arithmetic on whole profiles: many into one, and one less another.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Label, Mapping, Profile, ProfileBuilder};
use crate::error::Error;

/// Merges profiles one at a time, so that three days of windows need the room
/// of one profile.
///
/// A mapping is recognised by its build id, or else its path, even if it lies
/// at another address, as in two runs of a program. Time is that of the
/// earliest, duration the sum of all.
#[derive(Debug, Default)]
pub struct Merger {
    builder: Option<ProfileBuilder>,
    mappings: HashMap<MappingKey, u32>,
    labels: Detail,
}

/// Which labels are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Detail {
    #[default]
    All,
    /// Those of requests: phase, span and route.
    Requests,
    None,
}

/// Labels of which a run has as many as threads, or as its load has scenarios.
const FINE: [&str; 2] = ["thread", "scenario"];

/// What makes two mappings the same file in two runs.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MappingKey {
    identity: String,
    offset: u64,
    size: u64,
}

impl MappingKey {
    pub(super) fn of(mapping: &Mapping) -> MappingKey {
        let identity = if mapping.build_id.is_empty() {
            &mapping.path
        } else {
            &mapping.build_id
        };
        MappingKey {
            identity: identity.clone(),
            offset: mapping.offset,
            size: mapping.limit.wrapping_sub(mapping.start),
        }
    }
}

impl Detail {
    fn of<'a>(self, labels: &'a [Label]) -> Cow<'a, [Label]> {
        let keeps = |label: &&Label| match self {
            Detail::All => true,
            Detail::Requests => !FINE.contains(&label.key.as_str()),
            // That a stack was cut off belongs to the stack.
            Detail::None => label.key == "truncated",
        };
        if labels.iter().all(|label| keeps(&label)) {
            return labels.into();
        }
        labels.iter().filter(keeps).cloned().collect()
    }
}

impl Merger {
    /// A merger that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Merger::default()
    }

    /// Adds a profile.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] if its sample types are not those of the first.
    pub fn add(&mut self, profile: &Profile) -> Result<(), Error> {
        self.add_scaled(profile, |value| value)
    }

    /// Makes the sum smaller by telling less apart: first not threads and
    /// scenarios, then no labels at all. Answers what was given up; `None` if
    /// there is nothing left to give up.
    pub(crate) fn coarsen(&mut self) -> Option<&'static str> {
        let (labels, given_up) = match self.labels {
            Detail::All => (Detail::Requests, "threads"),
            Detail::Requests => (Detail::None, "spans, routes and phases"),
            Detail::None => return None,
        };
        let mut coarse = Merger {
            labels,
            ..Merger::default()
        };
        let sum = std::mem::take(self).finish();
        // Of one kind with nothing.
        let _ = coarse.add(&sum);
        let duration = sum.duration_nanos;
        *self = coarse;
        if let Some(builder) = &mut self.builder {
            builder.profile_mut().duration_nanos = duration;
        }
        Some(given_up)
    }

    /// About how many bytes the sum takes.
    pub(crate) fn memory(&self) -> usize {
        self.builder.as_ref().map_or(0, ProfileBuilder::memory)
    }

    /// The sum of all that was added; an empty profile if nothing was.
    #[must_use]
    pub fn finish(self) -> Profile {
        self.builder.map(ProfileBuilder::build).unwrap_or_default()
    }

    fn add_scaled(&mut self, profile: &Profile, scale: impl Fn(i64) -> i64) -> Result<(), Error> {
        let detail = self.labels;
        let builder = self.builder.get_or_insert_with(|| {
            let period_type = profile.period_type.clone();
            ProfileBuilder::new(profile.sample_types.clone(), period_type, 0)
                .at(profile.time_nanos, 0)
        });
        let merged = builder.profile_mut();
        if merged.sample_types != profile.sample_types {
            let names = |profile: &Profile| {
                let types = profile.sample_types.iter();
                types
                    .map(|t| format!("{}/{}", t.kind, t.unit))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return Err(Error::Mismatch(format!(
                "one has {}, the other {}",
                names(merged),
                names(profile)
            )));
        }
        merged.period = merged.period.max(profile.period);
        if merged.default_sample_type.is_empty() {
            merged
                .default_sample_type
                .clone_from(&profile.default_sample_type);
        }
        if merged.drop_frames.is_empty() {
            merged.drop_frames.clone_from(&profile.drop_frames);
            merged.keep_frames.clone_from(&profile.keep_frames);
        }
        merged.duration_nanos = merged.duration_nanos.saturating_add(profile.duration_nanos);
        merged.time_nanos = match (merged.time_nanos, profile.time_nanos) {
            (0, time) | (time, 0) => time,
            (a, b) => a.min(b),
        };
        for comment in &profile.comments {
            builder.comment(comment.clone());
        }

        // Where each mapping and function of this profile is in the merged one.
        let mappings: Vec<(u32, u64)> = profile
            .mappings
            .iter()
            .map(|mapping| {
                let index = *self
                    .mappings
                    .entry(MappingKey::of(mapping))
                    .or_insert_with(|| builder.mapping(mapping.clone()));
                (index, mapping.start)
            })
            .collect();
        let functions: Vec<u32> = profile
            .functions
            .iter()
            .map(|f| builder.function(&f.name, &f.system_name, &f.file, f.start_line))
            .collect();
        let locations: Vec<u32> = profile
            .locations
            .iter()
            .map(|location| {
                let lines: Vec<(u32, u32)> = location
                    .lines
                    .iter()
                    .filter_map(|line| Some((*functions.get(line.function as usize)?, line.line)))
                    .collect();
                let mapping = location.mapping.and_then(|m| mappings.get(m as usize));
                let (mapping, address) = match mapping {
                    Some(&(index, start)) => {
                        let there = builder.profile_mut().mappings[index as usize].start;
                        let address = location.address.wrapping_sub(start).wrapping_add(there);
                        (Some(index), address)
                    }
                    None => (None, location.address),
                };
                builder.location(mapping, address, &lines)
            })
            .collect();
        // Where each set of labels of this profile is in the merged one.
        let mut sets: HashMap<*const Label, Arc<[Label]>> = HashMap::new();
        let (mut stack, mut values) = (Vec::new(), Vec::new());
        for sample in &profile.samples {
            stack.clear();
            let own = sample.locations.iter();
            stack.extend(own.filter_map(|location| locations.get(*location as usize).copied()));
            values.clear();
            values.extend(sample.values.iter().map(|value| scale(*value)));
            let labels = sets.entry(sample.labels.as_ptr()).or_insert_with(|| {
                let mut labels = detail.of(&sample.labels);
                if !labels.is_sorted() {
                    labels.to_mut().sort_unstable();
                }
                builder.labels(&labels)
            });
            builder.labelled_sample(&stack, &values, labels);
        }
        Ok(())
    }
}

impl Profile {
    /// The sum of profiles of the same kind; an empty profile if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] if their sample types differ.
    pub fn merge<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Result<Profile, Error> {
        let mut merger = Merger::new();
        for profile in profiles {
            merger.add(profile)?;
        }
        Ok(merger.finish())
    }

    /// Multiplies all values by a factor, rounding to the nearest.
    pub fn scale(&mut self, factor: f64) {
        for sample in &mut self.samples {
            for value in &mut sample.values {
                *value = (*value as f64 * factor).round() as i64;
            }
        }
    }

    /// This profile less another: what is only in `base` comes out negative,
    /// and stacks that cancel out are left out. Time and duration are this
    /// profile's.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] if their sample types differ.
    pub fn subtract(&self, base: &Profile) -> Result<Profile, Error> {
        let mut merger = Merger::new();
        merger.add(self)?;
        merger.add_scaled(base, i64::saturating_neg)?;
        let mut difference = merger.finish();
        difference
            .samples
            .retain(|sample| sample.values.iter().any(|value| *value != 0));
        difference.time_nanos = self.time_nanos;
        difference.duration_nanos = self.duration_nanos;
        Ok(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Label;

    #[test]
    fn a_coarser_sum_is_the_same_sum_of_fewer_samples() {
        let mut builder = ProfileBuilder::cpu(5, 7, 1);
        let f = builder.function("f", "f", "f.rs", 1);
        let at = builder.location(None, 1, &[(f, 1)]);
        for (thread, route) in [("a", "x"), ("b", "x"), ("b", "y")] {
            let labels = vec![Label::text("thread", thread), Label::text("route", route)];
            builder.sample(&[at], &[1, 10], labels);
        }
        let profile = builder.build();
        let mut merger = Merger::new();
        merger.add(&profile).unwrap();
        for (given_up, samples) in [(Some("threads"), 2), (Some("spans, routes and phases"), 1)] {
            assert_eq!(merger.coarsen(), given_up);
            merger.add(&profile).unwrap();
            let sum = merger
                .builder
                .as_ref()
                .map_or(0, ProfileBuilder::sample_count);
            assert_eq!(sum, samples);
        }
        assert_eq!(merger.coarsen(), None);
        let sum = merger.finish();
        assert_eq!(
            (sum.total(1), sum.time_nanos, sum.duration_nanos),
            (90, 5, 21)
        );
    }
}
