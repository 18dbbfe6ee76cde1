//! About how much memory an event takes: of very many only so much is held.

use serde_json::Value;

use super::Event;

impl Event {
    /// About how many bytes it takes in memory.
    pub(crate) fn memory(&self) -> usize {
        let fields: usize = self
            .fields
            .iter()
            .map(|(key, value)| member(key, value))
            .sum();
        size_of::<Event>() + self.time.len() + self.kind.len() + 2 * ALLOCATION + fields
    }
}

/// What the allocator adds to each piece of memory, rounded up.
const ALLOCATION: usize = 24;

/// A map takes a node of eleven places even for one entry.
const MAP: usize = 640;

fn memory(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len() + ALLOCATION,
            // A list that grew may have room for as many again.
            Value::Array(all) => 2 * all.iter().map(memory).sum::<usize>() + ALLOCATION,
            Value::Object(all) => MAP + all.iter().map(|(key, v)| member(key, v)).sum::<usize>(),
            _ => 0,
        }
}

fn member(key: &str, value: &Value) -> usize {
    size_of::<String>() + key.len() + ALLOCATION + 2 * memory(value)
}
