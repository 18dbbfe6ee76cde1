//! Reading a pprof file, gzipped or not, from whoever wrote it.
//!
//! The bytes may come from anywhere, so every index is checked before it is
//! believed and unpacking stops at a bound.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use prost::Message;

use super::strings::string;
use super::{
    Function, Label, LabelValue, Line, Location, Mapping, Profile, Sample, ValueType, wire,
};
use crate::error::Error;

/// The largest profile that is unpacked. Real ones are a few megabytes; a
/// thousandfold bomb must not take the machine down.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;

impl Profile {
    /// Reads a pprof profile, gzipped or raw.
    ///
    /// # Errors
    ///
    /// [`Error::Profile`] if the bytes are not a profile, refer to things that
    /// are not in it, or unpack to more than 64 MiB.
    pub fn decode(bytes: &[u8]) -> Result<Profile, Error> {
        let broken = |problem: &dyn std::fmt::Display| Error::Profile(problem.to_string());
        if bytes.is_empty() {
            return Err(broken(&"the file is empty"));
        }
        let message = if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut raw = Vec::new();
            MultiGzDecoder::new(bytes)
                .take(MAX_UNPACKED_BYTES + 1)
                .read_to_end(&mut raw)
                .map_err(|error| broken(&error))?;
            within_bound(&raw)?;
            wire::Profile::decode(raw.as_slice())
        } else {
            within_bound(bytes)?;
            wire::Profile::decode(bytes)
        };
        from_wire(&message.map_err(|error| broken(&error))?)
    }
}

fn within_bound(raw: &[u8]) -> Result<(), Error> {
    if raw.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(Error::Profile(format!(
            "it unpacks to more than {} MB",
            MAX_UNPACKED_BYTES >> 20
        )));
    }
    Ok(())
}

fn from_wire(wire: &wire::Profile) -> Result<Profile, Error> {
    let table = wire.string_table.as_slice();
    let text = |number| string(table, number).map(str::to_owned);
    let value_type = |value_type: &wire::ValueType| {
        Ok::<_, Error>(ValueType {
            kind: text(value_type.kind)?,
            unit: text(value_type.unit)?,
        })
    };
    let mapping_ids = ids(wire.mapping.iter().map(|mapping| mapping.id));
    let function_ids = ids(wire.function.iter().map(|function| function.id));
    let location_ids = ids(wire.location.iter().map(|location| location.id));

    let mappings = wire
        .mapping
        .iter()
        .map(|mapping| {
            Ok(Mapping {
                start: mapping.memory_start,
                limit: mapping.memory_limit,
                offset: mapping.file_offset,
                path: text(mapping.filename)?,
                build_id: text(mapping.build_id)?,
                has_functions: mapping.has_functions,
                has_filenames: mapping.has_filenames,
                has_lines: mapping.has_line_numbers,
                has_inline: mapping.has_inline_frames,
            })
        })
        .collect::<Result<_, Error>>()?;
    let functions = wire
        .function
        .iter()
        .map(|function| {
            Ok(Function {
                name: text(function.name)?,
                system_name: text(function.system_name)?,
                file: text(function.filename)?,
                start_line: line_number(function.start_line),
            })
        })
        .collect::<Result<_, Error>>()?;
    let locations = wire
        .location
        .iter()
        .map(|location| {
            Ok(Location {
                mapping: match location.mapping_id {
                    0 => None,
                    id => Some(find(&mapping_ids, "mapping", id)?),
                },
                address: location.address,
                lines: location
                    .line
                    .iter()
                    .map(|line| {
                        Ok(Line {
                            function: find(&function_ids, "function", line.function_id)?,
                            line: line_number(line.line),
                        })
                    })
                    .collect::<Result<_, Error>>()?,
            })
        })
        .collect::<Result<_, Error>>()?;
    let samples = wire
        .sample
        .iter()
        .map(|sample| {
            if sample.value.len() != wire.sample_type.len() {
                return Err(Error::Profile(format!(
                    "a sample has {} values for {} sample types",
                    sample.value.len(),
                    wire.sample_type.len()
                )));
            }
            Ok(Sample {
                locations: sample
                    .location_id
                    .iter()
                    .map(|id| find(&location_ids, "location", *id))
                    .collect::<Result<_, Error>>()?,
                values: sample.value.clone(),
                labels: sample
                    .label
                    .iter()
                    .map(|label| {
                        Ok(Label {
                            key: text(label.key)?,
                            value: if label.text == 0
                                && (label.number != 0 || label.number_unit != 0)
                            {
                                LabelValue::Number {
                                    value: label.number,
                                    unit: text(label.number_unit)?,
                                }
                            } else {
                                LabelValue::Text(text(label.text)?)
                            },
                        })
                    })
                    .collect::<Result<_, Error>>()?,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Profile {
        sample_types: wire
            .sample_type
            .iter()
            .map(value_type)
            .collect::<Result<_, Error>>()?,
        samples,
        locations,
        functions,
        mappings,
        time_nanos: wire.time_nanos,
        duration_nanos: wire.duration_nanos,
        period_type: wire
            .period_type
            .as_ref()
            .map(value_type)
            .transpose()?
            .unwrap_or_default(),
        period: wire.period,
        default_sample_type: text(wire.default_sample_type)?,
        comments: wire
            .comment
            .iter()
            .map(|number| text(*number))
            .collect::<Result<_, Error>>()?,
    })
}

/// Where each id is. Writers number as they like.
fn ids(ids: impl Iterator<Item = u64>) -> HashMap<u64, u32> {
    ids.zip(0..).collect()
}

fn find(ids: &HashMap<u64, u32>, what: &str, id: u64) -> Result<u32, Error> {
    ids.get(&id)
        .copied()
        .ok_or_else(|| Error::Profile(format!("{what} {id} is not in it")))
}

/// Lines out of range are unknown lines.
fn line_number(line: i64) -> u32 {
    u32::try_from(line).unwrap_or(0)
}
