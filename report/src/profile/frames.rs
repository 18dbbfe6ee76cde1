//! The frames of a profile by their names for people, each name stored once.

use std::path::Path;

use hashbrown::HashMap;

use super::{Location, Profile};
use crate::frame_name::readable_name;
use crate::limits::{SHOWN_NAME_BYTES, cut};

/// Which names the frames of each location have.
pub(crate) struct FrameTable {
    names: Vec<String>,
    /// Names of all locations end to end, innermost inlined function first.
    frames: Vec<u32>,
    /// Where those of each location end.
    ends: Vec<u32>,
}

impl FrameTable {
    pub(crate) fn of(profile: &Profile) -> FrameTable {
        let mut names = Names::default();
        // A function's name is shortened once, not at each of its locations.
        let functions: Vec<Option<u32>> = profile
            .functions
            .iter()
            .map(|function| {
                let name = if function.name.is_empty() {
                    &function.system_name
                } else {
                    &function.name
                };
                let name = readable_name(name);
                (!name.is_empty()).then(|| names.number(&cut(&name, SHOWN_NAME_BYTES)))
            })
            .collect();
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        for location in &profile.locations {
            let before = frames.len();
            let lines = location.lines.iter();
            frames.extend(lines.filter_map(|line| *functions.get(line.function as usize)?));
            if frames.len() == before {
                frames.push(names.number(&nameless(profile, location)));
            }
            ends.push(frames.len() as u32);
        }
        FrameTable {
            names: names.all,
            frames,
            ends,
        }
    }

    /// The names at a location by their numbers, innermost first.
    pub(crate) fn at(&self, location: u32) -> &[u32] {
        let end = |index: usize| self.ends.get(index).map(|end| *end as usize);
        let location = location as usize;
        let start = location.checked_sub(1).and_then(end).unwrap_or(0);
        end(location).map_or(&[], |end| &self.frames[start..end])
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }

    /// All names, in the order of their numbers.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

#[derive(Default)]
struct Names {
    all: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

/// Bytes of a module's name that are shown.
const MODULE_BYTES: usize = 96;

/// What a location without a function is called: `module+0xoffset`.
fn nameless(profile: &Profile, location: &Location) -> String {
    let mapping = location
        .mapping
        .and_then(|index| profile.mappings.get(index as usize));
    let Some(mapping) = mapping else {
        return format!("{:#x}", location.address);
    };
    let module = Path::new(&mapping.path).file_name().map_or_else(
        || mapping.path.as_str().into(),
        |name| name.to_string_lossy(),
    );
    let offset = location
        .address
        .wrapping_sub(mapping.start)
        .wrapping_add(mapping.offset);
    if module.is_empty() {
        format!("{:#x}", location.address)
    } else {
        format!("{}+{offset:#x}", cut(&module, MODULE_BYTES))
    }
}
