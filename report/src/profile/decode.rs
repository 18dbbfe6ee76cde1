//! Reading a pprof file, gzipped or not, from whoever wrote it.
//!
//! The bytes may come from anywhere, so every index is checked before it is
//! believed, unpacking stops at a bound, and what is made of the bytes is
//! weighed while it is made: one long name that a million labels refer to is a
//! million copies. Texts are bytes: one that is not UTF-8 costs its odd
//! characters, not its record.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use prost::Message;

use super::fields::{Field, Fields};
use super::memory::{Memory, memory_of_text};
use super::{
    Function, Label, LabelValue, Line, Location, Mapping, Profile, Sample, ValueType, wire,
};
use crate::error::Error;
use crate::limits::{
    FRAMES, INLINED, MESSAGE_BYTES, NAME_BYTES, PROFILE_MEMORY, PROFILE_UNPACKED_BYTES, lenient,
};

impl Profile {
    /// Reads a pprof profile, gzipped or raw.
    ///
    /// # Errors
    ///
    /// [`Error::Profile`] if the bytes are not a profile or refer to things that
    /// are not in it; [`Error::Limit`] if they unpack to more than 24 MiB, or
    /// to stacks and names of more than 40.
    pub fn decode(bytes: &[u8]) -> Result<Profile, Error> {
        Profile::decode_counted(bytes).0
    }

    /// The same, with the bytes that were unpacked for it.
    pub(crate) fn decode_counted(bytes: &[u8]) -> (Result<Profile, Error>, usize) {
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            return (plain(bytes), bytes.len());
        }
        let mut raw = Vec::new();
        let unpacked = MultiGzDecoder::new(bytes)
            .take(PROFILE_UNPACKED_BYTES.most + 1)
            .read_to_end(&mut raw);
        let profile = match unpacked {
            Ok(_) => plain(&raw),
            Err(error) => Err(Error::Profile(error.to_string())),
        };
        (profile, raw.len())
    }
}

/// The profile in bytes that are not gzipped.
fn plain(raw: &[u8]) -> Result<Profile, Error> {
    if raw.is_empty() {
        return Err(Error::Profile("the file is empty".to_owned()));
    }
    if raw.len() as u64 > PROFILE_UNPACKED_BYTES.most {
        return Err(PROFILE_UNPACKED_BYTES.exceeded());
    }
    Decoder::new(raw)?.profile()
}

/// Numbers of the fields of a profile.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING: u32 = 6;
    pub(super) const TIME: u32 = 9;
    pub(super) const DURATION: u32 = 10;
    pub(super) const PERIOD_TYPE: u32 = 11;
    pub(super) const PERIOD: u32 = 12;
    pub(super) const COMMENT: u32 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u32 = 14;
}

/// A profile on its way: its bytes, its strings, and how much may still be made
/// of them.
struct Decoder<'a> {
    raw: &'a [u8],
    strings: Vec<&'a [u8]>,
    memory: Memory,
}

impl<'a> Decoder<'a> {
    /// Looks for the strings first: they may come last.
    fn new(raw: &'a [u8]) -> Result<Decoder<'a>, Error> {
        let mut decoder = Decoder {
            raw,
            strings: Vec::new(),
            memory: Memory::of(PROFILE_MEMORY),
        };
        // What the messages take at least is known before any is decoded.
        let mut least = Memory::of(PROFILE_MEMORY);
        let mut fields = Fields::of(raw);
        while let Some(field) = fields.next()? {
            match field {
                Field::Bytes(field::STRING, text) => {
                    // A list that grows has room for as many again.
                    decoder.memory.take(2 * size_of::<&[u8]>())?;
                    decoder.strings.push(text);
                }
                Field::Bytes(field::SAMPLE, _) => least.take(size_of::<Sample>())?,
                Field::Bytes(field::LOCATION, _) => least.take(size_of::<Location>())?,
                Field::Bytes(field::FUNCTION, _) => least.take(size_of::<Function>())?,
                Field::Bytes(field::MAPPING, _) => least.take(size_of::<Mapping>())?,
                Field::Bytes(..) => least.take(size_of::<ValueType>())?,
                _ => {}
            }
        }
        Ok(decoder)
    }

    fn text(&mut self, number: i64) -> Result<String, Error> {
        if number == 0 {
            return Ok(String::new());
        }
        let index = usize::try_from(number).ok();
        let text = index.and_then(|index| self.strings.get(index));
        let text =
            text.ok_or_else(|| Error::Profile(format!("string {number} is not in its table")))?;
        let text = lenient(text, NAME_BYTES);
        self.memory.take(memory_of_text(&text))?;
        Ok(text)
    }

    /// Shows every message of a kind, decoded into one that is used again.
    fn each<M: Message + Default>(
        &mut self,
        number: u32,
        mut see: impl FnMut(&mut Self, &M) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut message = M::default();
        let mut fields = Fields::of(self.raw);
        while let Some(field) = fields.next()? {
            let bytes = match field {
                Field::Bytes(found, bytes) if found == number => bytes,
                _ => continue,
            };
            if bytes.len() as u64 > MESSAGE_BYTES.most {
                return Err(MESSAGE_BYTES.exceeded());
            }
            message.clear();
            message
                .merge(bytes)
                .map_err(|error| Error::Profile(error.to_string()))?;
            see(self, &message)?;
        }
        Ok(())
    }

    fn value_type(&mut self, wire: &wire::ValueType) -> Result<ValueType, Error> {
        self.memory.take(size_of::<ValueType>())?;
        Ok(ValueType {
            kind: self.text(wire.kind)?,
            unit: self.text(wire.unit)?,
        })
    }

    fn profile(mut self) -> Result<Profile, Error> {
        let mut profile = Profile::default();
        self.each(field::SAMPLE_TYPE, |this, wire: &wire::ValueType| {
            profile.sample_types.push(this.value_type(wire)?);
            Ok(())
        })?;
        self.each(field::PERIOD_TYPE, |this, wire: &wire::ValueType| {
            profile.period_type = this.value_type(wire)?;
            Ok(())
        })?;
        self.numbers(&mut profile)?;
        let mut mapping_ids = Ids::default();
        self.each(field::MAPPING, |this, wire: &wire::Mapping| {
            mapping_ids.add(wire.id, &mut this.memory)?;
            this.memory.take(size_of::<Mapping>())?;
            profile.mappings.push(Mapping {
                start: wire.memory_start,
                limit: wire.memory_limit,
                offset: wire.file_offset,
                path: this.text(wire.filename)?,
                build_id: this.text(wire.build_id)?,
                has_functions: wire.has_functions,
                has_filenames: wire.has_filenames,
                has_lines: wire.has_line_numbers,
                has_inline: wire.has_inline_frames,
            });
            Ok(())
        })?;
        let mut function_ids = Ids::default();
        self.each(field::FUNCTION, |this, wire: &wire::Function| {
            function_ids.add(wire.id, &mut this.memory)?;
            this.memory.take(size_of::<Function>())?;
            profile.functions.push(Function {
                name: this.text(wire.name)?,
                system_name: this.text(wire.system_name)?,
                file: this.text(wire.filename)?,
                start_line: line_number(wire.start_line),
            });
            Ok(())
        })?;
        let mut location_ids = Ids::default();
        self.each(field::LOCATION, |this, wire: &wire::Location| {
            location_ids.add(wire.id, &mut this.memory)?;
            this.memory.location(wire.line.len().min(INLINED))?;
            let lines = wire.line.iter().take(INLINED).map(|line| {
                Ok(Line {
                    function: function_ids.find("function", line.function_id)?,
                    line: line_number(line.line),
                })
            });
            profile.locations.push(Location {
                mapping: match wire.mapping_id {
                    0 => None,
                    id => Some(mapping_ids.find("mapping", id)?),
                },
                address: wire.address,
                lines: lines.collect::<Result<_, Error>>()?,
            });
            Ok(())
        })?;
        let mut label_sets: HashMap<Vec<wire::Label>, Arc<[Label]>> = HashMap::new();
        self.each(field::SAMPLE, |this, wire: &wire::Sample| {
            if wire.value.len() != profile.sample_types.len() {
                return Err(Error::Profile(format!(
                    "a sample has {} values for {} sample types",
                    wire.value.len(),
                    profile.sample_types.len()
                )));
            }
            // Of a stack without end the leaf's side is kept.
            let stack = wire.location_id.iter().take(FRAMES);
            let locations: Vec<u32> = stack
                .map(|id| location_ids.find("location", *id))
                .collect::<Result<_, Error>>()?;
            this.memory.sample(
                locations.len(),
                wire.value.len(),
                frames(&profile, &locations),
            )?;
            let labels = match label_sets.get(&wire.label) {
                Some(labels) => labels.clone(),
                None => {
                    let labels: Arc<[Label]> = this.labels(&wire.label)?.into();
                    let key = size_of::<wire::Label>() * wire.label.len();
                    this.memory.take(key + 2 * size_of::<[usize; 5]>())?;
                    label_sets.insert(wire.label.clone(), labels.clone());
                    labels
                }
            };
            profile.samples.push(Sample {
                locations,
                values: wire.value.clone(),
                labels,
            });
            Ok(())
        })?;
        Ok(profile)
    }

    fn labels(&mut self, wire: &[wire::Label]) -> Result<Vec<Label>, Error> {
        self.memory.take(size_of::<Label>() * wire.len())?;
        wire.iter()
            .map(|label| {
                let is_number = label.text == 0 && (label.number != 0 || label.number_unit != 0);
                Ok(Label {
                    key: self.text(label.key)?,
                    value: if is_number {
                        LabelValue::Number {
                            value: label.number,
                            unit: self.text(label.number_unit)?,
                        }
                    } else {
                        LabelValue::Text(self.text(label.text)?)
                    },
                })
            })
            .collect()
    }

    /// The fields that are numbers, and the texts that they stand for.
    fn numbers(&mut self, profile: &mut Profile) -> Result<(), Error> {
        let mut fields = Fields::of(self.raw);
        while let Some(field) = fields.next()? {
            match field {
                Field::Number(field::TIME, value) => profile.time_nanos = value.cast_signed(),
                Field::Number(field::DURATION, value) => {
                    profile.duration_nanos = value.cast_signed();
                }
                Field::Number(field::PERIOD, value) => profile.period = value.cast_signed(),
                Field::Number(field::DEFAULT_SAMPLE_TYPE, value) => {
                    profile.default_sample_type = self.text(value.cast_signed())?;
                }
                Field::Number(field::COMMENT, value) => {
                    self.comment(value, &mut profile.comments)?;
                }
                Field::Bytes(field::COMMENT, packed) => {
                    let mut packed = Fields::of(packed);
                    while let Some(value) = packed.packed()? {
                        self.comment(value, &mut profile.comments)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn comment(&mut self, value: u64, comments: &mut Vec<String>) -> Result<(), Error> {
        self.memory.take(2 * size_of::<String>())?;
        comments.push(self.text(value.cast_signed())?);
        Ok(())
    }
}

/// Frames of a stack with all that is inlined in them.
fn frames(profile: &Profile, locations: &[u32]) -> usize {
    let inlined = locations.iter().map(|location| {
        let location = profile.locations.get(*location as usize);
        location.map_or(1, |location| location.lines.len().max(1))
    });
    inlined.sum()
}

/// Where each id is. Writers number as they like.
#[derive(Default)]
struct Ids {
    places: HashMap<u64, u32>,
    next: u32,
}

impl Ids {
    fn add(&mut self, id: u64, memory: &mut Memory) -> Result<(), Error> {
        memory.take(2 * size_of::<(u64, u32)>())?;
        self.places.insert(id, self.next);
        self.next += 1;
        Ok(())
    }

    fn find(&self, what: &str, id: u64) -> Result<u32, Error> {
        self.places
            .get(&id)
            .copied()
            .ok_or_else(|| Error::Profile(format!("{what} {id} is not in it")))
    }
}

/// Lines out of range are unknown lines.
fn line_number(line: i64) -> u32 {
    u32::try_from(line).unwrap_or(0)
}
