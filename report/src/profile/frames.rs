//! The frames of a profile by their names for people, each name stored once.

use std::path::Path;

use hashbrown::HashMap;

use super::{Function, Location, Profile};
use crate::frame_name::{drop_hash, readable_frame};
use crate::limits::{SHOWN_NAME_BYTES, cut};

/// Which names the frames of each location have.
pub(crate) struct FrameTable {
    names: Vec<String>,
    /// The name of each function of the profile, if it has one.
    functions: Vec<Option<u32>>,
    /// Names of all locations end to end, innermost inlined function first.
    frames: Vec<u32>,
    /// Where those of each location end.
    ends: Vec<u32>,
}

impl FrameTable {
    pub(crate) fn of(profile: &Profile) -> FrameTable {
        let mut names = Names::default();
        // A function's name is shortened once, not at each of its locations.
        let functions: Vec<Option<u32>> = readable_names(&profile.functions)
            .iter()
            .map(|name| (!name.is_empty()).then(|| names.number(name)))
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
            functions,
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

    /// The name of a function by its index in the profile.
    pub(crate) fn function(&self, index: u32) -> Option<&str> {
        let number = *self.functions.get(index as usize)?;
        number.map(|number| self.name(number))
    }

    /// All names, in the order of their numbers.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// The names of functions for people, each shortened only as far as it remains
/// that of one: where two would read alike, both are whole but for their hashes.
fn readable_names(functions: &[Function]) -> Vec<String> {
    let short: Vec<String> = functions.iter().map(Function::short).collect();
    // Of what reads alike, the whole name of the first, and whether others differ.
    let mut alike: HashMap<&str, (&str, bool)> = HashMap::new();
    for (function, short) in functions.iter().zip(&short) {
        let whole = function.whole();
        let (first, differ) = alike.entry(short).or_insert((whole, false));
        *differ |= *first != whole;
    }
    let names = functions.iter().zip(&short);
    names
        .map(|(function, short)| match alike.get(short.as_str()) {
            Some((_, true)) => shown(function.whole().to_owned()),
            _ => short.clone(),
        })
        .collect()
}

impl Function {
    /// Its name, or else its symbol; empty if it has neither.
    fn any_name(&self) -> &str {
        if self.name.is_empty() {
            &self.system_name
        } else {
            &self.name
        }
    }

    fn short(&self) -> String {
        shown(readable_frame(
            self.any_name(),
            &self.system_name,
            &self.file,
        ))
    }

    fn whole(&self) -> &str {
        drop_hash(self.any_name())
    }
}

/// A name, or of a long one its beginning and a checksum: what two have in
/// common does not make them one.
fn shown(name: String) -> String {
    if name.len() <= SHOWN_NAME_BYTES {
        return name;
    }
    // FNV-1a.
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, step);
    format!("{}{hash:08x}", cut(&name, SHOWN_NAME_BYTES - 8))
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
