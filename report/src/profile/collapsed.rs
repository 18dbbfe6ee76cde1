//! Reading collapsed stacks, `root;caller;leaf 42`, the text that flame graph
//! tools share: py-spy's `raw`, inferno's and FlameGraph's `stackcollapse-*`,
//! async-profiler's, jeprof's `--collapsed`.

use std::collections::HashMap;

use super::{Profile, ProfileBuilder, ValueType};
use crate::error::Error;
use crate::limits::{FRAMES, NAME_BYTES, PROFILE_MEMORY, lenient};

/// Lines in a hundred that may be something else than a stack.
const OTHERS: usize = 1;

/// Where weights have fractions, they are counted in thousandths.
const FRACTION: f64 = 1_000.0;

/// Reads collapsed stacks; with what was left out of them.
pub(super) fn read(raw: &[u8]) -> Result<(Profile, Vec<String>), Error> {
    let lines = || {
        let lines = raw.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let numbered = (1_usize..).zip(lines);
        numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
    };
    let (mut stacks, mut others, mut differences, mut fraction) =
        (0_usize, 0_usize, 0_usize, false);
    let mut first_other = None;
    for (number, line) in lines() {
        match weighted(line) {
            Some((stack, _, weight)) => {
                stacks += 1;
                differences += usize::from(weighted(stack).is_some());
                fraction |= weight.fract() != 0.0;
            }
            None => {
                others += 1;
                first_other.get_or_insert((number, line));
            }
        }
    }
    if stacks == 0 || others * 100 > OTHERS * (stacks + others) {
        let (number, line) = first_other.unwrap_or((1, b""));
        return Err(Error::Profile(format!(
            "it is text, but no list of stacks: line {number}, {:?}, is not `root;caller;leaf 42`",
            lenient(line, 60)
        )));
    }
    if stacks > 1 && differences == stacks {
        return Err(Error::Profile(
            "its lines have two counts, as a difference of two profiles has; name one of the two"
                .to_owned(),
        ));
    }
    let (unit, factor) = if fraction {
        ("thousandths", FRACTION)
    } else {
        ("count", 1.0)
    };
    let kind = ValueType::new("samples", unit);
    let mut builder = ProfileBuilder::new(vec![kind], ValueType::default(), 0);
    let (mut places, mut cut): (HashMap<&[u8], u32>, usize) = (HashMap::new(), 0);
    for (_, line) in lines() {
        let Some((stack, whole, weight)) = weighted(line) else {
            continue;
        };
        let mut locations: Vec<u32> = Vec::new();
        // The leaf's side of one without end.
        let mut names = stack.rsplit(|byte| *byte == b';');
        for name in names.by_ref().take(FRAMES) {
            locations.push(*places.entry(name).or_insert_with(|| {
                let name = lenient(name, NAME_BYTES);
                let function = builder.function(&name, &name, "", 0);
                builder.location(None, 0, &[(function, 0)])
            }));
        }
        cut += usize::from(names.next().is_some());
        let value = match whole {
            Some(whole) if !fraction => whole,
            _ => (weight * factor).round() as i64,
        };
        builder.sample(&locations, &[value], Vec::new());
        if builder.memory() as u64 > PROFILE_MEMORY.most {
            return Err(PROFILE_MEMORY.exceeded());
        }
    }
    let mut notes = Vec::new();
    if others > 0 {
        notes.push(format!("{others} lines are no stacks and left out"));
    }
    if cut > 0 {
        notes.push(format!(
            "{cut} stacks have more than {FRAMES} frames; those nearest the root are left out"
        ));
    }
    Ok((builder.build(), notes))
}

/// A stack and the number after it, exactly where it is whole.
pub(super) fn weighted(line: &[u8]) -> Option<(&[u8], Option<i64>, f64)> {
    let space = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t'))?;
    let number = &line[space + 1..];
    let digits =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    if !number.iter().all(digits) {
        return None;
    }
    let text = std::str::from_utf8(number).ok()?;
    let number: f64 = text.parse().ok()?;
    let stack = line[..space].trim_ascii_end();
    (number.is_finite() && !stack.is_empty()).then_some((stack, text.parse().ok(), number))
}
