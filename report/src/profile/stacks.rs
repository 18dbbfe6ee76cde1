//! Stacks as text: `root;caller;leaf 42`, the form flame graph tools share.

use std::collections::BTreeMap;

use super::{FrameTable, Profile, Sample};
use crate::limits::{FRAMES, STACK_TEXT_BYTES};
use crate::names;

impl Profile {
    /// One line per distinct stack, root first, with the sum of one value.
    /// Lines are sorted; stacks without weight are left out.
    #[must_use]
    pub fn collapsed(&self, value_index: usize) -> String {
        let mut text = String::new();
        for (stack, value) in stacks(self, value_index) {
            text.push_str(&stack);
            text.push_str(&format!(" {value}\n"));
        }
        text
    }
}

/// The root of stacks that were cut off before they reached their thread's
/// start, so that they are not taken for stacks that begin there.
pub(crate) const TRUNCATED: &str = "[truncated]";

/// Where the lightest stacks are put if there are too many.
pub(crate) const TOO_MANY: &str = "[too many stacks]";

/// Stacks are put together as text up to so many times the bytes that are kept:
/// many may turn out to be the same.
const TRIES: usize = 16;

/// Whether a sample's stack was cut off.
pub(crate) fn is_truncated(sample: &Sample) -> bool {
    sample.label("truncated").is_some()
}

/// Samples that have a value, the heaviest first, with it.
pub(crate) fn heaviest_first(profile: &Profile, value_index: usize) -> Vec<(&Sample, i64)> {
    let value = |sample: &Sample| sample.values.get(value_index).copied().unwrap_or(0);
    let samples = profile.samples.iter().map(|sample| (sample, value(sample)));
    let mut samples: Vec<(&Sample, i64)> = samples.filter(|(_, value)| *value != 0).collect();
    samples.sort_by_key(|(_, value)| std::cmp::Reverse(value.unsigned_abs()));
    samples
}

/// Each distinct stack by its names, root first, with the sum of one value.
fn stacks(profile: &Profile, value_index: usize) -> BTreeMap<String, i64> {
    let frames = FrameTable::of(profile);
    let names: Vec<String> = frames.names().iter().map(|n| names::frame(n)).collect();
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let (mut kept, mut tried) = (0, 0);
    let mut stack = String::new();
    for (sample, value) in heaviest_first(profile, value_index) {
        let mut place = TOO_MANY;
        if tried < TRIES * STACK_TEXT_BYTES {
            write(&mut stack, sample, &frames, &names);
            tried += stack.len();
            let known = sums.contains_key(&stack);
            if known || kept + stack.len() <= STACK_TEXT_BYTES {
                kept += if known { 0 } else { stack.len() };
                place = &stack;
            }
        }
        match sums.get_mut(place) {
            Some(sum) => *sum = sum.saturating_add(value),
            None => {
                sums.insert(place.to_owned(), value);
            }
        }
    }
    sums.retain(|_, value| *value != 0);
    sums
}

fn write(stack: &mut String, sample: &Sample, frames: &FrameTable, names: &[String]) {
    stack.clear();
    if is_truncated(sample) {
        stack.push_str(TRUNCATED);
    }
    let locations = sample.locations.iter().rev();
    let numbers = locations.flat_map(|location| frames.at(*location).iter().rev());
    for number in numbers.take(FRAMES) {
        if !stack.is_empty() {
            stack.push(';');
        }
        stack.push_str(names.get(*number as usize).map_or("", String::as_str));
    }
    if stack.is_empty() {
        stack.push_str("<no stack>");
    }
}
