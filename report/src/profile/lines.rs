//! Source lines that another profile of the same program has.

use std::collections::HashMap;

use super::merge::MappingKey;
use super::{Line, Location, Profile};

/// An address wherever the program lies: its mapping's number, and how far into
/// it.
type Place = (Option<u32>, u64);

/// Numbers for mappings that are the same in two profiles.
#[derive(Default)]
struct Mappings {
    numbers: HashMap<MappingKey, u32>,
}

impl Mappings {
    /// The number and the beginning of each mapping of a profile.
    fn of(&mut self, profile: &Profile) -> Vec<(u32, u64)> {
        let mappings = profile.mappings.iter();
        mappings
            .map(|mapping| {
                let next = self.numbers.len() as u32;
                let number = *self.numbers.entry(MappingKey::of(mapping)).or_insert(next);
                (number, mapping.start)
            })
            .collect()
    }
}

fn place(location: &Location, mappings: &[(u32, u64)]) -> Place {
    let mapping = location
        .mapping
        .and_then(|index| mappings.get(index as usize));
    match mapping {
        Some((number, start)) => (Some(*number), location.address.wrapping_sub(*start)),
        None => (None, location.address),
    }
}

impl Profile {
    /// Whether any location says which line of a source it is.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        let mut lines = self.locations.iter().flat_map(|location| &location.lines);
        lines.any(|line| line.line > 0)
    }

    /// Takes functions, lines and inlined functions from the locations of
    /// another profile of the same program, where it has them.
    pub fn take_lines(&mut self, other: &Profile) {
        let mut mappings = Mappings::default();
        let theirs = mappings.of(other);
        let ours = mappings.of(self);
        let known: HashMap<Place, &[Line]> = other
            .locations
            .iter()
            .filter(|location| location.address != 0 && !location.lines.is_empty())
            .map(|location| (place(location, &theirs), location.lines.as_slice()))
            .collect();
        let mut functions: HashMap<u32, u32> = HashMap::new();
        for location in self
            .locations
            .iter_mut()
            .filter(|location| location.address != 0)
        {
            let Some(lines) = known.get(&place(location, &ours)) else {
                continue;
            };
            let all = &mut self.functions;
            let lines = lines.iter().filter_map(|line| {
                let function = other.functions.get(line.function as usize)?;
                let number = functions.entry(line.function).or_insert_with(|| {
                    all.push(function.clone());
                    all.len() as u32 - 1
                });
                Some(Line {
                    function: *number,
                    line: line.line,
                })
            });
            location.lines = lines.collect();
        }
    }
}
