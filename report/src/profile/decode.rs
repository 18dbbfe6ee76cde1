//! Reading a pprof file, gzipped or not, from whoever wrote it; and collapsed
//! stacks, for those whose tool writes no pprof.
//!
//! The bytes may come from anywhere, so every index is checked before it is
//! believed, unpacking stops at a bound, and what is made of the bytes is
//! weighed while it is made: one long name that a million labels refer to is a
//! million copies. Texts are bytes: one that is not UTF-8 costs its odd
//! characters, not its record. What `go tool pprof` passes over is passed over
//! here, too: a mapping or a function that is not in the file, and fields of
//! later versions. What it refuses is refused: a sample without its location or
//! its values would make totals that are wrong.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;

use super::fields::{Field, Fields};
use super::memory::{Memory, memory_of_text};
use super::{
    Function, Label, LabelValue, Line, Location, Mapping, Profile, Sample, ValueType, collapsed,
    foreign, packing, wire,
};
use crate::error::Error;
use crate::limits::{
    FRAMES, INLINED, MESSAGE_BYTES, NAME_BYTES, PROFILE_MEMORY, PROFILE_UNPACKED_BYTES, lenient,
};

/// A profile, and what was left out of it.
pub(crate) type Noted = (Profile, Vec<String>);

impl Profile {
    /// Reads a pprof profile, gzipped or raw, or collapsed stacks.
    ///
    /// # Errors
    ///
    /// [`Error::Profile`] if the bytes are not a profile or refer to things that
    /// are not in it; [`Error::Limit`] if they unpack to more than 24 MiB, or
    /// to stacks and names of more than 40.
    pub fn decode(bytes: &[u8]) -> Result<Profile, Error> {
        Profile::decode_noted(bytes).map(|(profile, _)| profile)
    }

    /// [`Profile::decode`], with what was left out of the profile.
    ///
    /// # Errors
    ///
    /// As [`Profile::decode`].
    pub fn decode_noted(bytes: &[u8]) -> Result<(Profile, Vec<String>), Error> {
        let (read, _) = Profile::decode_where(bytes, |_, _| true);
        read.map(Option::unwrap_or_default)
    }

    /// The same where it is of a time that is wanted, by when it began and how
    /// long it took in nanoseconds; and the bytes that were unpacked for it.
    pub(crate) fn decode_where(
        bytes: &[u8],
        is_wanted: impl Fn(i64, i64) -> bool,
    ) -> (Result<Option<Noted>, Error>, usize) {
        let (raw, count) = packing::unpacked(bytes);
        let read = raw.and_then(|raw| match times(&raw) {
            // What cannot be read so far says itself why.
            Some((time, duration)) if !is_wanted(time, duration) => Ok(None),
            _ => plain(&raw).map(Some),
        });
        (read, count)
    }
}

/// When a profile was begun and how long it took, without the rest of it; `None`
/// of bytes that are none.
fn times(raw: &[u8]) -> Option<(i64, i64)> {
    let (mut time, mut duration) = (0, 0);
    let mut fields = Fields::of(raw);
    while let Some(field) = fields.next().ok()? {
        match field {
            Field::Number(field::TIME, value) => time = value.cast_signed(),
            Field::Number(field::DURATION, value) => duration = value.cast_signed(),
            _ => {}
        }
    }
    Some((time, duration))
}

/// The profile in bytes that are not packed.
fn plain(raw: &[u8]) -> Result<(Profile, Vec<String>), Error> {
    if raw.is_empty() {
        return Err(Error::Profile("the file is empty".to_owned()));
    }
    if raw.len() as u64 > PROFILE_UNPACKED_BYTES.most {
        return Err(PROFILE_UNPACKED_BYTES.exceeded());
    }
    if let Some(problem) = foreign::recognised(raw) {
        return Err(Error::Profile(problem));
    }
    if foreign::is_text(raw) {
        return collapsed::read(raw);
    }
    let read = Decoder::new(raw).and_then(Decoder::profile);
    match read {
        Err(Error::Profile(_)) if packing::is_zlib(raw) => Err(Error::Profile(
            "it is packed with zlib; unpack it first with \
             `python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))' < FILE > profile.pb`"
                .to_owned(),
        )),
        read => read,
    }
}

/// Numbers of the fields of a profile.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING: u32 = 6;
    pub(super) const DROP_FRAMES: u32 = 7;
    pub(super) const KEEP_FRAMES: u32 = 8;
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
    /// What was left out.
    lost: Lost,
}

/// Parts of a profile that were left out, by cause.
#[derive(Default)]
struct Lost {
    functions: usize,
    mappings: usize,
    inlined: usize,
    frames: usize,
}

impl Lost {
    fn notes(&self) -> Vec<String> {
        let causes = [
            (
                self.functions,
                "lines name functions that are not in it, and are left out".to_owned(),
            ),
            (
                self.mappings,
                "locations name mappings that are not in it".to_owned(),
            ),
            (
                self.inlined,
                format!(
                    "locations have more than {INLINED} inlined functions; the outermost are left out"
                ),
            ),
            (
                self.frames,
                format!(
                    "stacks have more than {FRAMES} frames; those nearest the root are left out"
                ),
            ),
        ];
        let some = causes.into_iter().filter(|(count, _)| *count > 0);
        some.map(|(count, cause)| format!("{count} {cause}"))
            .collect()
    }
}

impl<'a> Decoder<'a> {
    /// Looks for the strings first: they may come last.
    fn new(raw: &'a [u8]) -> Result<Decoder<'a>, Error> {
        let mut decoder = Decoder {
            raw,
            strings: Vec::new(),
            memory: Memory::of(PROFILE_MEMORY),
            lost: Lost::default(),
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
        let text = text.ok_or_else(|| {
            Error::Profile(format!(
                "string {number} is not in its table: it is damaged or cut off"
            ))
        })?;
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

    fn profile(mut self) -> Result<(Profile, Vec<String>), Error> {
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
            let lines = wire.line.iter().take(INLINED).filter_map(|line| {
                Some(Line {
                    function: function_ids.find(line.function_id)?,
                    line: line_number(line.line),
                })
            });
            let lines: Vec<Line> = lines.collect();
            let mapping = mapping_ids.find(wire.mapping_id);
            this.lost.functions += wire.line.len().min(INLINED) - lines.len();
            this.lost.inlined += usize::from(wire.line.len() > INLINED);
            this.lost.mappings += usize::from(wire.mapping_id != 0 && mapping.is_none());
            profile.locations.push(Location {
                mapping,
                address: wire.address,
                lines,
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
            let place = |id: &u64| {
                let found = location_ids.find(*id);
                found.ok_or_else(|| {
                    Error::Profile(format!(
                        "location {id} is not in it: it is damaged or cut off"
                    ))
                })
            };
            let locations: Vec<u32> = stack.map(place).collect::<Result<_, Error>>()?;
            this.lost.frames += usize::from(wire.location_id.len() > FRAMES);
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
        if profile.sample_types.is_empty() {
            return Err(Error::Profile(
                "it has no sample types, so it is protobuf of another kind, or damaged".to_owned(),
            ));
        }
        Ok((profile, self.lost.notes()))
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
                Field::Number(field::DROP_FRAMES, value) => {
                    profile.drop_frames = self.text(value.cast_signed())?;
                }
                Field::Number(field::KEEP_FRAMES, value) => {
                    profile.keep_frames = self.text(value.cast_signed())?;
                }
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

/// Where each id is. Writers number as they like; most count from one.
#[derive(Default)]
struct Ids {
    /// How many of the first have their number for id.
    counted: u32,
    /// The others.
    places: HashMap<u64, u32>,
    next: u32,
}

impl Ids {
    fn add(&mut self, id: u64, memory: &mut Memory) -> Result<(), Error> {
        memory.take(2 * size_of::<(u64, u32)>())?;
        self.next += 1;
        if id == u64::from(self.next) && self.counted + 1 == self.next {
            self.counted = self.next;
        } else {
            self.places.insert(id, self.next - 1);
        }
        Ok(())
    }

    fn find(&self, id: u64) -> Option<u32> {
        // Of an id that comes twice the later holds.
        if !self.places.is_empty()
            && let Some(place) = self.places.get(&id)
        {
            return Some(*place);
        }
        let place = id.checked_sub(1)?;
        (place < u64::from(self.counted)).then_some(place as u32)
    }
}

/// Lines out of range are unknown lines.
fn line_number(line: i64) -> u32 {
    u32::try_from(line).unwrap_or(0)
}
