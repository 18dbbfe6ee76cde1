//! Profiles as speedscope's JSON, its file format 0.0.1 ("sampled" kind), which
//! the viewer at speedscope.app and others read.

use std::collections::HashMap;

use serde::Serialize;

use crate::limits::{FRAMES, SPEEDSCOPE_FRAMES, STACK_TEXT_BYTES};
use crate::names::printable_json;
use crate::profile::{FrameTable, Profile, TOO_MANY, TRUNCATED, heaviest_first, is_truncated};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: &'a str,
    exporter: &'static str,
    active_profile_index: usize,
    shared: Shared<'a>,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Hash)]
struct Frame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// One thread's samples, each with its weight.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    start_value: i64,
    end_value: i64,
    samples: Vec<Vec<usize>>,
    weights: Vec<i64>,
}

/// One profile of a speedscope file per thread, busiest first. `value_index`
/// says which of the sample types is the weight.
#[must_use]
pub fn speedscope(profile: &Profile, value_index: usize, name: &str) -> String {
    let table = FrameTable::of(profile);
    let mut frames = Frames::default();
    let stacks: Vec<Vec<usize>> = (0..)
        .zip(&profile.locations)
        .map(|(location, lines)| {
            let names = table.at(location).iter().enumerate();
            let mut names: Vec<usize> = names
                .map(|(index, name)| {
                    let line = lines.lines.get(index);
                    let function =
                        line.and_then(|line| profile.functions.get(line.function as usize));
                    frames.index(Frame {
                        name: table.name(*name),
                        file: function
                            .map(|function| function.file.as_str())
                            .filter(|file| !file.is_empty()),
                        line: line.map(|line| line.line).filter(|line| *line > 0),
                    })
                })
                .collect();
            names.reverse();
            names
        })
        .collect();
    let mark = |name| Frame {
        name,
        file: None,
        line: None,
    };
    let mut threads: Vec<Sampled> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut room = SPEEDSCOPE_FRAMES;
    for (sample, weight) in heaviest_first(profile, value_index) {
        if weight <= 0 {
            continue;
        }
        let thread = sample.label("thread").unwrap_or("all threads");
        let index = *places.entry(thread).or_insert_with(|| {
            threads.push(Sampled {
                kind: "sampled",
                name: thread.to_owned(),
                unit: unit(profile, value_index),
                start_value: 0,
                end_value: 0,
                samples: Vec::new(),
                weights: Vec::new(),
            });
            threads.len() - 1
        });
        let thread = &mut threads[index];
        thread.end_value = thread.end_value.saturating_add(weight);
        let cut = is_truncated(sample).then(|| frames.index(mark(TRUNCATED)));
        let stack = sample.locations.iter().rev();
        let named = stack.filter_map(|location| stacks.get(*location as usize));
        let stack = cut.into_iter().chain(named.flatten().copied());
        let stack: Vec<usize> = stack.take(FRAMES).collect();
        if let Some(left) = room.checked_sub(stack.len()) {
            room = left;
            thread.samples.push(stack);
            thread.weights.push(weight);
        } else {
            // The lightest of each thread come together.
            let rest = frames.index(mark(TOO_MANY));
            match (thread.samples.last(), thread.weights.last_mut()) {
                (Some(last), Some(sum)) if *last == [rest] => *sum = sum.saturating_add(weight),
                _ => {
                    thread.samples.push(vec![rest]);
                    thread.weights.push(weight);
                }
            }
        }
    }
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.end_value));
    let file = File {
        schema: SCHEMA,
        name,
        exporter: concat!("soakscope ", env!("CARGO_PKG_VERSION")),
        active_profile_index: 0,
        shared: Shared { frames: frames.all },
        profiles: threads,
    };
    // Strings, integers and lists of them always have a JSON form.
    printable_json(serde_json::to_string(&file).unwrap_or_default())
}

#[derive(Default)]
struct Frames<'a> {
    all: Vec<Frame<'a>>,
    known: HashMap<Frame<'a>, usize>,
    /// Bytes of their texts.
    bytes: usize,
}

impl<'a> Frames<'a> {
    fn index(&mut self, mut frame: Frame<'a>) -> usize {
        if let Some(index) = self.known.get(&frame) {
            return *index;
        }
        self.bytes += frame.name.len() + frame.file.map_or(0, str::len);
        if self.bytes > STACK_TEXT_BYTES && frame.name != TOO_MANY {
            // A name without its place, as there are too many.
            frame = Frame {
                name: TOO_MANY,
                file: None,
                line: None,
            };
        }
        let next = self.all.len();
        *self.known.entry(frame).or_insert_with_key(|frame| {
            self.all.push(*frame);
            next
        })
    }
}

/// The unit by speedscope's own name for it.
fn unit(profile: &Profile, value_index: usize) -> &'static str {
    let unit = profile.sample_types.get(value_index);
    match unit.map(|value| value.unit.as_str()) {
        Some("nanoseconds") => "nanoseconds",
        Some("microseconds") => "microseconds",
        Some("milliseconds") => "milliseconds",
        Some("seconds") => "seconds",
        Some("bytes") => "bytes",
        _ => "none",
    }
}
