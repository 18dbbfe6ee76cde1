//! The costliest functions or lines of a profile.

use std::collections::HashMap;

use serde::Serialize;

use crate::limits::{FRAMES, STACK_TEXT_BYTES};
use crate::profile::{Cost, FrameTable, Line, Profile, TOO_MANY};

/// What entries stand for, and what they are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopBy {
    /// Functions, by what they cost themselves.
    #[default]
    Own,
    /// Functions, by what they and all they call cost.
    Cumulative,
    /// Source lines, by what they cost themselves.
    Line,
}

/// One function or line and its cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TopEntry {
    /// The function, or `module+0xoffset` where there is none.
    pub name: String,
    /// Source file and, for lines, line; empty if unknown.
    pub place: String,
    /// What it cost itself, in the unit of the value.
    #[serde(rename = "self")]
    pub own: i64,
    /// What it and all it called cost. A function that calls itself counts
    /// once in each stack.
    pub cumulative: i64,
    /// The 95 % interval of `self`, half its width; `None` where the profile
    /// does not count its samples.
    pub self_within: Option<f64>,
    /// That of `cumulative`.
    pub cumulative_within: Option<f64>,
    /// Samples in it itself.
    pub samples: Option<u64>,
    /// Samples in it and in all it called.
    pub cumulative_samples: Option<u64>,
}

/// The entries of a profile, costliest first, for one of its sample types. In a
/// difference of two profiles, what shrank is as far up as what grew.
#[must_use]
pub fn top(profile: &Profile, value_index: usize, by: TopBy) -> Vec<TopEntry> {
    let places = Places::of(profile, by);
    let mut costs = vec![(Cost::default(), Cost::default()); places.entries.len()];
    let counts = profile.sample_count().and(profile.value_index("samples"));
    let mut whole = Cost::default();
    // The last sample in which each entry was seen.
    let mut seen = vec![usize::MAX; places.entries.len()];
    for (number, sample) in profile.samples.iter().enumerate() {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        if value == 0 {
            continue;
        }
        let cost = Cost::of(sample, value, counts);
        whole.add(cost);
        let locations = sample.locations.iter();
        let frames = locations.flat_map(|location| places.at(*location));
        for (depth, entry) in frames.take(FRAMES).enumerate() {
            let entry = *entry as usize;
            let (own, cumulative) = &mut costs[entry];
            if depth == 0 {
                own.add(cost);
            }
            if seen[entry] != number {
                seen[entry] = number;
                cumulative.add(cost);
            }
        }
    }
    let mut entries: Vec<TopEntry> = places
        .entries
        .into_iter()
        .zip(costs)
        .zip(seen)
        .filter(|(_, seen)| *seen != usize::MAX)
        .map(|(((name, place), (own, cumulative)), _)| TopEntry {
            name,
            place,
            own: own.value,
            cumulative: cumulative.value,
            self_within: counts.map(|_| own.within(&whole)),
            cumulative_within: counts.map(|_| cumulative.within(&whole)),
            samples: counts.map(|_| own.samples),
            cumulative_samples: counts.map(|_| cumulative.samples),
        })
        .collect();
    entries.sort_by(|a, b| {
        let key = |entry: &TopEntry| match by {
            TopBy::Cumulative => (entry.cumulative, entry.own),
            TopBy::Own | TopBy::Line => (entry.own, entry.cumulative),
        };
        let key = |entry: &TopEntry| {
            let (first, second) = key(entry);
            (first.unsigned_abs(), second.unsigned_abs())
        };
        key(b)
            .cmp(&key(a))
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.place.cmp(&b.place))
    });
    entries
}

/// What is listed (name and place), and what of it each location has.
struct Places {
    entries: Vec<(String, String)>,
    /// Those of all locations end to end, innermost first.
    frames: Vec<u32>,
    ends: Vec<usize>,
}

impl Places {
    fn of(profile: &Profile, by: TopBy) -> Places {
        let mut numbers: HashMap<(String, String), u32> = HashMap::new();
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut number = |name: &str, place: &str| {
            bytes += name.len() + place.len();
            let key = if bytes <= STACK_TEXT_BYTES {
                (name.to_owned(), place.to_owned())
            } else {
                (TOO_MANY.to_owned(), String::new())
            };
            *numbers.entry(key).or_insert_with_key(|key| {
                entries.push(key.clone());
                entries.len() as u32 - 1
            })
        };
        let table = FrameTable::of(profile);
        let mut of_lines: HashMap<Line, Option<u32>> = HashMap::new();
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        for (index, location) in profile.locations.iter().enumerate() {
            let before = frames.len();
            frames.extend(location.lines.iter().filter_map(|line| {
                // Only where lines are listed does the line matter.
                let line = Line {
                    line: if by == TopBy::Line { line.line } else { 0 },
                    ..*line
                };
                *of_lines.entry(line).or_insert_with(|| {
                    let function = profile.functions.get(line.function as usize)?;
                    let name = table.function(line.function)?;
                    let file = &function.file;
                    Some(match by {
                        TopBy::Line if !file.is_empty() => {
                            number(name, &format!("{file}:{}", line.line))
                        }
                        _ => number(name, file),
                    })
                })
            }));
            if frames.len() == before {
                let names = table.at(index as u32).iter();
                frames.extend(names.map(|name| number(table.name(*name), "")));
            }
            ends.push(frames.len());
        }
        Places {
            entries,
            frames,
            ends,
        }
    }

    fn at(&self, location: u32) -> &[u32] {
        let location = location as usize;
        let start = match location.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        self.ends
            .get(location)
            .map_or(&[], |end| &self.frames[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileBuilder;

    #[test]
    fn a_cost_has_the_interval_of_its_samples() {
        let mut builder = ProfileBuilder::cpu(0, 0, 1);
        let mut at = |name: &str, address| {
            let function = builder.function(name, name, "", 0);
            builder.location(None, address, &[(function, 0)])
        };
        let (f, g, main) = (at("f", 1), at("g", 2), at("main", 3));
        builder.sample(&[f, main], &[100, 1_000], Vec::new());
        builder.sample(&[g, main], &[300, 3_000], Vec::new());
        let entries = top(&builder.build(), 1, TopBy::Cumulative);
        let of = |name: &str| entries.iter().find(|entry| entry.name == name);
        let (f, main) = (of("f").expect("f"), of("main").expect("main"));
        // Binomial: a quarter of 400 samples, each of which stands for 10.
        let wanted = 1.96 * 4_000.0 * (0.25_f64 * 0.75 / 400.0).sqrt();
        let within = f.self_within.expect("counted");
        assert!((within / wanted - 1.0).abs() < 1e-9, "{within} {wanted}");
        assert_eq!((f.samples, f.cumulative_samples), (Some(100), Some(100)));
        assert_eq!(main.cumulative_samples, Some(400));
        assert_eq!(main.samples, Some(0));
        // All of it is all of it.
        assert!(main.cumulative_within.expect("counted") < 1e-6);
    }

    #[test]
    fn own_cost_is_the_leaf_and_recursion_counts_once() {
        let mut builder = ProfileBuilder::cpu(0, 0, 1);
        let f = builder.function("f", "f", "f.rs", 1);
        let g = builder.function("g", "g", "g.rs", 1);
        let in_f = builder.location(None, 1, &[(f, 10)]);
        let also_f = builder.location(None, 2, &[(f, 11)]);
        let in_g = builder.location(None, 3, &[(g, 20)]);
        builder.sample(&[in_f, also_f, in_g], &[3, 30], Vec::new());
        builder.sample(&[in_g], &[1, 10], Vec::new());
        let profile = builder.build();

        let entries = top(&profile, 0, TopBy::Own);
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (
                entries[0].name.as_str(),
                entries[0].own,
                entries[0].cumulative
            ),
            ("f", 3, 3)
        );
        assert_eq!(top(&profile, 0, TopBy::Cumulative)[0].name, "g");
        let lines = top(&profile, 1, TopBy::Line);
        assert_eq!((lines[0].place.as_str(), lines[0].own), ("f.rs:10", 30));
    }
}
