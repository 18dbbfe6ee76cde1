//! What a profile takes in memory, weighed while it is made.

use std::collections::HashSet;

use super::{Function, Label, LabelValue, Location, Mapping, Profile, Sample};
use crate::error::Error;
use crate::limits::Limit;

/// What the allocator adds to each piece of memory, rounded up.
const ALLOCATION: usize = 24;

/// Memory that may still be taken.
#[derive(Debug)]
pub(super) struct Memory {
    taken: usize,
    limit: Limit,
}

impl Memory {
    pub(super) fn of(limit: Limit) -> Memory {
        Memory { taken: 0, limit }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken as u64 > self.limit.most {
            return Err(self.limit.exceeded());
        }
        Ok(())
    }

    pub(super) fn location(&mut self, lines: usize) -> Result<(), Error> {
        self.take(memory_of_location(lines))
    }

    pub(super) fn sample(
        &mut self,
        locations: usize,
        values: usize,
        frames: usize,
    ) -> Result<(), Error> {
        self.take(memory_of_sample(locations, values, frames))
    }
}

pub(super) fn memory_of_text(text: &str) -> usize {
    text.len() + ALLOCATION
}

/// One without a function has a name of its own where it is shown.
pub(super) fn memory_of_location(lines: usize) -> usize {
    size_of::<Location>() + 8 * lines.max(16) + ALLOCATION
}

/// Every frame counts a little, inlined ones too: whoever draws a stack goes
/// through all of them.
pub(super) fn memory_of_sample(locations: usize, values: usize, frames: usize) -> usize {
    size_of::<Sample>() + 4 * locations + 8 * values + 2 * ALLOCATION + frames
}

pub(super) fn memory_of_labels(labels: &[Label]) -> usize {
    let texts = labels.iter().map(|label| {
        let value = match &label.value {
            LabelValue::Text(text) => text,
            LabelValue::Number { unit, .. } => unit,
        };
        memory_of_text(&label.key) + memory_of_text(value)
    });
    size_of_val(labels) + ALLOCATION + texts.sum::<usize>()
}

impl Profile {
    /// About how many bytes it takes; labels that samples share are weighed once.
    pub(crate) fn memory(&self) -> usize {
        let mappings = self.mappings.iter().map(|mapping| {
            size_of::<Mapping>() + memory_of_text(&mapping.path) + memory_of_text(&mapping.build_id)
        });
        let functions = self.functions.iter().map(|function| {
            size_of::<Function>()
                + memory_of_text(&function.name)
                + memory_of_text(&function.system_name)
                + memory_of_text(&function.file)
        });
        let locations = self
            .locations
            .iter()
            .map(|l| memory_of_location(l.lines.len()));
        let mut sets: HashSet<*const Label> = HashSet::new();
        let samples = self.samples.iter().map(|sample| {
            let labels = if sets.insert(sample.labels.as_ptr()) {
                memory_of_labels(&sample.labels)
            } else {
                0
            };
            memory_of_sample(sample.locations.len(), sample.values.len(), 0) + labels
        });
        samples.sum::<usize>()
            + mappings.sum::<usize>()
            + functions.sum::<usize>()
            + locations.sum::<usize>()
    }
}
