//! Profiles as speedscope's JSON, its file format 0.0.1 ("sampled" kind), which
//! the viewer at speedscope.app and others read.

use std::collections::HashMap;

use serde::Serialize;

use crate::profile::{Profile, TRUNCATED, frame_names, is_truncated};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: &'a str,
    exporter: &'static str,
    active_profile_index: usize,
    shared: Shared,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Serialize, Clone, PartialEq, Eq, Hash)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
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
    let mut frames = Frames::default();
    let stacks: Vec<Vec<usize>> = profile
        .locations
        .iter()
        .map(|location| {
            let mut names: Vec<usize> = frame_names(profile, location)
                .into_iter()
                .enumerate()
                .map(|(index, name)| {
                    let line = location.lines.get(index);
                    let function =
                        line.and_then(|line| profile.functions.get(line.function as usize));
                    frames.index(Frame {
                        name,
                        file: function
                            .map(|function| function.file.clone())
                            .filter(|file| !file.is_empty()),
                        line: line.map(|line| line.line).filter(|line| *line > 0),
                    })
                })
                .collect();
            names.reverse();
            names
        })
        .collect();
    let mut threads: Vec<Sampled> = Vec::new();
    for sample in &profile.samples {
        let weight = sample.values.get(value_index).copied().unwrap_or(0);
        if weight <= 0 {
            continue;
        }
        let thread = sample.label("thread").unwrap_or("all threads");
        let index = threads.iter().position(|known| known.name == thread);
        let index = index.unwrap_or_else(|| {
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
        let cut = is_truncated(sample).then(|| {
            frames.index(Frame {
                name: TRUNCATED.to_owned(),
                file: None,
                line: None,
            })
        });
        let stack = sample.locations.iter().rev();
        let named = stack.filter_map(|location| stacks.get(*location as usize));
        thread
            .samples
            .push(cut.into_iter().chain(named.flatten().copied()).collect());
        thread.weights.push(weight);
        thread.end_value += weight;
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
    serde_json::to_string(&file).unwrap_or_default()
}

#[derive(Default)]
struct Frames {
    all: Vec<Frame>,
    known: HashMap<Frame, usize>,
}

impl Frames {
    fn index(&mut self, frame: Frame) -> usize {
        let next = self.all.len();
        *self.known.entry(frame).or_insert_with_key(|frame| {
            self.all.push(frame.clone());
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
