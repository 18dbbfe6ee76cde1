//! Stacks as text: `root;caller;leaf 42`, the form flame graph tools share.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Location, Profile, Sample};
use crate::frame_name::readable_name;

impl Profile {
    /// One line per distinct stack, root first, with the sum of one value.
    /// Lines are sorted; stacks without weight are left out.
    #[must_use]
    pub fn collapsed(&self, value_index: usize) -> String {
        let mut text = String::new();
        for (stack, value) in stacks(self, value_index) {
            text.push_str(&format!("{stack} {value}\n"));
        }
        text
    }
}

/// The root of stacks that were cut off before they reached their thread's
/// start, so that they are not taken for stacks that begin there.
pub(crate) const TRUNCATED: &str = "[truncated]";

/// Whether a sample's stack was cut off.
pub(crate) fn is_truncated(sample: &Sample) -> bool {
    sample.label("truncated").is_some()
}

/// Each distinct stack by its names, root first, with the sum of one value.
pub(crate) fn stacks(profile: &Profile, value_index: usize) -> BTreeMap<String, i64> {
    let names: Vec<Vec<String>> = profile
        .locations
        .iter()
        .map(|location| {
            let mut names = frame_names(profile, location);
            names.reverse();
            names.iter().map(|name| name.replace(';', ":")).collect()
        })
        .collect();
    let mut sums = BTreeMap::new();
    for sample in &profile.samples {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        if value == 0 {
            continue;
        }
        let mut stack = String::new();
        if is_truncated(sample) {
            stack.push_str(TRUNCATED);
        }
        for location in sample.locations.iter().rev() {
            for name in names.get(*location as usize).into_iter().flatten() {
                if !stack.is_empty() {
                    stack.push(';');
                }
                stack.push_str(name);
            }
        }
        if stack.is_empty() {
            stack.push_str("<no stack>");
        }
        *sums.entry(stack).or_insert(0) += value;
    }
    sums.retain(|_, value| *value != 0);
    sums
}

/// The frames of one location for people, innermost inlined function first.
/// Without a function it is one frame, `module+0xoffset`.
pub(crate) fn frame_names(profile: &Profile, location: &Location) -> Vec<String> {
    let named: Vec<String> = location
        .lines
        .iter()
        .filter_map(|line| profile.functions.get(line.function as usize))
        .map(|function| {
            let name = if function.name.is_empty() {
                &function.system_name
            } else {
                &function.name
            };
            readable_name(name)
        })
        .filter(|name| !name.is_empty())
        .collect();
    if !named.is_empty() {
        return named;
    }
    let mapping = location
        .mapping
        .and_then(|index| profile.mappings.get(index as usize));
    let nameless = match mapping {
        Some(mapping) => {
            let module = Path::new(&mapping.path).file_name().map_or_else(
                || mapping.path.clone(),
                |name| name.to_string_lossy().into(),
            );
            let offset = location
                .address
                .wrapping_sub(mapping.start)
                .wrapping_add(mapping.offset);
            if module.is_empty() {
                format!("{:#x}", location.address)
            } else {
                format!("{module}+{offset:#x}")
            }
        }
        None => format!("{:#x}", location.address),
    };
    vec![nameless]
}
