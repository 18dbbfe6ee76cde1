//! The costliest functions or lines of a profile.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::frame_name::readable_name;
use crate::profile::{Profile, frame_names};

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
    // The frames of each location, innermost first, as (name, place).
    let frames: Vec<Vec<(String, String)>> = (0..profile.locations.len())
        .map(|location| frames(profile, location, by))
        .collect();
    let mut costs: HashMap<&(String, String), (i64, i64)> = HashMap::new();
    for sample in &profile.samples {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        if value == 0 {
            continue;
        }
        let mut stack = sample
            .locations
            .iter()
            .filter_map(|location| frames.get(*location as usize))
            .flatten();
        let mut seen = HashSet::new();
        if let Some(leaf) = stack.next() {
            let cost = costs.entry(leaf).or_default();
            cost.0 += value;
            cost.1 += value;
            seen.insert(leaf);
        }
        for frame in stack {
            if seen.insert(frame) {
                costs.entry(frame).or_default().1 += value;
            }
        }
    }
    let mut entries: Vec<TopEntry> = costs
        .into_iter()
        .map(|((name, place), (own, cumulative))| TopEntry {
            name: name.clone(),
            place: place.clone(),
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

fn frames(profile: &Profile, location: usize, by: TopBy) -> Vec<(String, String)> {
    let location = &profile.locations[location];
    let named: Vec<(String, String)> = location
        .lines
        .iter()
        .filter_map(|line| {
            let function = profile.functions.get(line.function as usize)?;
            let place = match by {
                TopBy::Line if function.file.is_empty() => String::new(),
                TopBy::Line => format!("{}:{}", function.file, line.line),
                _ => function.file.clone(),
            };
            Some((readable_name(&function.name), place))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect();
    if !named.is_empty() {
        return named;
    }
    frame_names(profile, location)
        .into_iter()
        .map(|name| (name, String::new()))
        .collect()
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
