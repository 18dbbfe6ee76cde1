//! From what the sampler measured to what the report understands: stacks of
//! addresses become a pprof profile with names. Here and in `heap` are
//! the only places where a sampler type becomes a report type.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use soakscope_report::{
    Function, Label, Line, Location, Mapping, Profile, ProfileBuilder, readable_frame,
};
use soakscope_sampler::{Detail, Module, Resolved, SourceFrame, Symbolizer};

use super::module_path::with_module;
use super::piece::{Piece, Used};
use super::strata::weights;
use crate::own_bytes;
use crate::spans::labels::Labels;

/// Addresses whose names are remembered between windows.
const REMEMBERED: usize = 50_000;

/// The function above the call site of a thread that was in a system call.
const KERNEL: &str = "[kernel]";

/// Names by address, remembered so that a window whose stacks were all seen
/// before opens no file.
#[derive(Default)]
pub(crate) struct Symbols {
    detail: Option<Detail>,
    modules: Vec<Module>,
    known: HashMap<u64, Resolved>,
    /// Set when nobody wants the names any more.
    abandoned: Arc<AtomicBool>,
}

impl Symbols {
    /// Names that are looked up until nobody wants them any more.
    pub(crate) fn until(abandoned: Arc<AtomicBool>) -> Self {
        Self {
            abandoned,
            ..Self::default()
        }
    }

    /// Looks up every address that is not known yet. Addresses that cannot be
    /// resolved stay without a name.
    pub(crate) fn learn(&mut self, addresses: impl Iterator<Item = u64>, detail: Detail) {
        if self.detail != Some(detail) || self.known.len() > REMEMBERED {
            self.known.clear();
            self.detail = Some(detail);
        }
        let mut unknown: Vec<u64> = addresses
            .filter(|address| !self.known.contains_key(address))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return;
        }
        let Ok(mut symbolizer) = Symbolizer::new() else {
            return;
        };
        self.modules = symbolizer.modules().to_vec();
        for address in unknown {
            if self.abandoned.load(Ordering::Relaxed) {
                return;
            }
            let resolved = symbolizer.resolve(address, detail);
            self.known.insert(address, resolved);
        }
    }
}

impl Symbols {
    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.known.values().map(own_bytes::names).sum::<usize>();
        own_bytes::table(&self.known) + names + own_bytes::modules(&self.modules)
    }

    /// The name of the function that an address is in, not of what is inlined
    /// there; `None` where it has none.
    pub(crate) fn function(&self, address: u64) -> Option<&str> {
        let outermost = self.known.get(&address)?.frames.last()?;
        Some(&outermost.name)
    }
}

/// Gives a profile of this process the lines and inlined frames of its
/// locations, as far as the program's debug information has them. Opens the
/// program's files; the memory goes back when it is done.
///
/// Answers how many locations it had no time for: they keep the names of their
/// functions.
pub(crate) fn add_lines(profile: &mut Profile, until: Instant) -> usize {
    let Ok(mut symbolizer) = Symbolizer::new() else {
        return 0;
    };
    let mut left = 0;
    let mut functions = Functions::default();
    // In order of address, so that what is read of one part of the program is
    // read once.
    let mut in_order: Vec<&mut Location> = profile.locations.iter_mut().collect();
    in_order.sort_unstable_by_key(|location| location.address);
    for location in in_order {
        let frames = if Instant::now() < until {
            symbolizer.resolve(location.address, Detail::Lines).frames
        } else {
            left += 1;
            Vec::new()
        };
        location.lines = if frames.is_empty() {
            let known = |line: &Line| {
                let function = profile.functions.get(line.function as usize)?.clone();
                Some((functions.index(function), line.line))
            };
            let kept = location.lines.iter().filter_map(known);
            kept.map(|(function, line)| Line { function, line })
                .collect()
        } else {
            let lines = frames.into_iter().map(|frame| Line {
                function: functions.index(Function {
                    name: readable(&frame),
                    system_name: frame.system_name,
                    file: frame.file.unwrap_or_default(),
                    start_line: 0,
                }),
                line: frame.line.unwrap_or(0),
            });
            lines.collect()
        };
    }
    profile.functions = functions.all;
    for mapping in &mut profile.mappings {
        mapping.has_lines = true;
        mapping.has_filenames = true;
        mapping.has_inline = true;
    }
    left
}

/// A function's name for people, with its module where it came without one.
fn readable(frame: &SourceFrame) -> String {
    let file = frame.file.as_deref();
    let name = with_module(frame.name.clone(), file);
    readable_frame(&name, &frame.system_name, file.unwrap_or_default())
}

/// A table of functions, each once.
#[derive(Default)]
struct Functions {
    all: Vec<Function>,
    known: HashMap<(String, String), u32>,
}

impl Functions {
    fn index(&mut self, function: Function) -> u32 {
        let key = (function.system_name.clone(), function.file.clone());
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        *self.known.entry(key).or_insert_with(|| {
            self.all.push(function);
            next
        })
    }
}

/// What a thread's word says of a sample: its span, its request's route, and
/// the load's scenario.
pub(crate) fn span_labels(names: &Labels, word: u64) -> Vec<Label> {
    let Some((route, span)) = names.resolve(word) else {
        return Vec::new();
    };
    let mut labels = vec![Label::text("span", &span)];
    if !route.is_empty() {
        labels.push(Label::text("route", &route));
    }
    labels.extend(
        names
            .scenario(word)
            .map(|scenario| Label::text("scenario", &scenario)),
    );
    labels
}

/// One profile of several pieces. Each sample is labelled with its thread, its
/// phase, the innermost span it was taken in and the route of the request. Together
/// they stand for what the process used, and `left` from before.
pub(crate) fn cpu_profile(
    pieces: &[Piece],
    left: Option<&Used>,
    symbols: &mut Symbols,
    detail: Detail,
    names: &Labels,
) -> Profile {
    let stacks = || {
        pieces
            .iter()
            .flat_map(|piece| &piece.window.samples)
            .flat_map(|sample| sample.stack.iter().copied())
    };
    symbols.learn(stacks(), detail);

    let begin = pieces.first().map(|piece| piece.window.started);
    let nanos = |time: std::time::SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(0)
    };
    let lasted: u128 = pieces
        .iter()
        .map(|piece| piece.window.duration.as_nanos())
        .sum();
    let frequency = pieces.first().map_or(1, |piece| piece.window.frequency_hz);
    let mut builder = ProfileBuilder::cpu(
        begin.map_or(0, nanos),
        i64::try_from(lasted).unwrap_or(i64::MAX),
        1_000_000_000 / i64::from(frequency.max(1)),
    );
    let mut places = Places::new(&mut builder, symbols);
    let mut weights = weights(pieces, left, names).into_iter();
    for piece in pieces {
        for sample in &piece.window.samples {
            let kernel = sample.in_kernel.then(|| places.kernel(&mut builder));
            let calls = sample.stack.iter();
            let calls = calls.map(|address| places.location(&mut builder, *address));
            let stack: Vec<u32> = kernel.into_iter().chain(calls).collect();
            let weight = weights.next().unwrap_or(0);
            let count = i64::try_from(sample.count).unwrap_or(i64::MAX);
            let mut labels = vec![Label::text("thread", &sample.thread_name)];
            if !piece.phase.is_empty() {
                labels.push(Label::text("phase", &piece.phase));
            }
            labels.extend(span_labels(names, sample.label));
            if sample.truncated {
                labels.push(Label::text("truncated", "true"));
            }
            builder.sample(&stack, &[count, weight], labels);
        }
    }
    if let Some(piece) = pieces.first() {
        builder.comment(format!(
            "soakscope: clock {}, unwinder {}, {} Hz",
            piece.window.clock, piece.window.unwinder, piece.window.frequency_hz
        ));
    }
    builder.build()
}

/// The locations of one profile under construction.
pub(crate) struct Places<'a> {
    symbols: &'a Symbols,
    mappings: Vec<u32>,
    locations: HashMap<u64, u32>,
    kernel: Option<u32>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(builder: &mut ProfileBuilder, symbols: &'a Symbols) -> Self {
        let lines = symbols.detail == Some(Detail::Lines);
        let mappings = symbols
            .modules
            .iter()
            .map(|module| {
                builder.mapping(Mapping {
                    start: module.start,
                    limit: module.end,
                    offset: module.file_offset,
                    path: module.path.clone(),
                    build_id: module.build_id.clone().unwrap_or_default(),
                    has_functions: true,
                    has_filenames: lines,
                    has_lines: lines,
                    has_inline: lines,
                })
            })
            .collect();
        Self {
            symbols,
            mappings,
            locations: HashMap::new(),
            kernel: None,
        }
    }

    /// The frame above the call site of a thread that was in a system call.
    fn kernel(&mut self, builder: &mut ProfileBuilder) -> u32 {
        *self.kernel.get_or_insert_with(|| {
            let function = builder.function(KERNEL, KERNEL, "", 0);
            builder.location(None, 0, &[(function, 0)])
        })
    }

    pub(crate) fn location(&mut self, builder: &mut ProfileBuilder, address: u64) -> u32 {
        if let Some(known) = self.locations.get(&address) {
            return *known;
        }
        let resolved = self.symbols.known.get(&address);
        let lines: Vec<(u32, u32)> = resolved
            .into_iter()
            .flat_map(|resolved| &resolved.frames)
            .map(|frame| {
                let file = frame.file.as_deref().unwrap_or("");
                let function = builder.function(&readable(frame), &frame.system_name, file, 0);
                (function, frame.line.unwrap_or(0))
            })
            .collect();
        let mapping = resolved
            .and_then(|resolved| resolved.module)
            .and_then(|module| self.mappings.get(module).copied());
        let location = builder.location(mapping, address, &lines);
        self.locations.insert(address, location);
        location
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use soakscope_report::ProfileBuilder;

    use super::*;

    #[inline(never)]
    fn known_place() {
        std::hint::black_box(());
    }

    fn one_sample() -> Profile {
        let mut builder = ProfileBuilder::cpu(0, 0, 1);
        let function = builder.function("by name", "by name", "", 0);
        let address = known_place as *const () as usize as u64;
        let location = builder.location(None, address, &[(function, 0)]);
        builder.sample(&[location], &[1, 1], Vec::new());
        builder.build()
    }

    fn file_and_name(profile: &Profile) -> (&str, &str) {
        let line = &profile.locations[0].lines[0];
        let function = &profile.functions[line.function as usize];
        (&function.file, &function.name)
    }

    #[test]
    fn lines_are_looked_up_while_there_is_time_and_names_stay() {
        let mut profile = one_sample();
        let later = Instant::now() + Duration::from_secs(600);
        assert_eq!(add_lines(&mut profile, later), 0);
        let (file, name) = file_and_name(&profile);
        assert!(file.ends_with("profile.rs"), "{file}");
        assert!(name.contains("known_place"), "{name}");

        let mut profile = one_sample();
        assert_eq!(add_lines(&mut profile, Instant::now()), 1);
        assert_eq!(file_and_name(&profile), ("", "by name"));
    }
}
