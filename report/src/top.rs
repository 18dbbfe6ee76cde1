//! The costliest functions or lines of a profile.

use std::collections::HashMap;

use serde::Serialize;

use crate::frame_name::readable_name;
use crate::limits::{FRAMES, STACK_TEXT_BYTES};
use crate::profile::{FrameTable, Line, Profile, TOO_MANY};

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
}

/// The entries of a profile, costliest first, for one of its sample types.
#[must_use]
pub fn top(profile: &Profile, value_index: usize, by: TopBy) -> Vec<TopEntry> {
    let places = Places::of(profile, by);
    let mut costs = vec![(0_i64, 0_i64); places.entries.len()];
    // The last sample in which each entry was seen.
    let mut seen = vec![usize::MAX; places.entries.len()];
    for (number, sample) in profile.samples.iter().enumerate() {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        if value == 0 {
            continue;
        }
        let locations = sample.locations.iter();
        let frames = locations.flat_map(|location| places.at(*location));
        for (depth, entry) in frames.take(FRAMES).enumerate() {
            let entry = *entry as usize;
            let (own, cumulative) = &mut costs[entry];
            if depth == 0 {
                *own = own.saturating_add(value);
            }
            if seen[entry] != number {
                seen[entry] = number;
                *cumulative = cumulative.saturating_add(value);
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
            own,
            cumulative,
        })
        .collect();
    entries.sort_by(|a, b| {
        let key = |entry: &TopEntry| match by {
            TopBy::Cumulative => (entry.cumulative, entry.own),
            TopBy::Own | TopBy::Line => (entry.own, entry.cumulative),
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
                    let name = readable_name(&function.name);
                    let file = &function.file;
                    (!name.is_empty()).then(|| match by {
                        TopBy::Line if !file.is_empty() => {
                            number(&name, &format!("{file}:{}", line.line))
                        }
                        _ => number(&name, file),
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
