//! Old blocks gained and lost between two heap profiles, by function.

use std::collections::BTreeMap;

use super::HeapShot;
use super::code::Codes;
use crate::profile::{Profile, Sample};

/// The numeric label of a block's birth, in whole seconds of the run.
pub(super) const BORN: &str = "born";

/// Whether a block of this second was born before `cut`.
pub(super) fn is_before(born: i64, cut: f64) -> bool {
    born as f64 + 0.5 < cut
}

/// Two profiles, and the births that are old in each.
pub(super) struct Half<'a> {
    from: &'a HeapShot,
    to: &'a HeapShot,
    old: f64,
}

impl<'a> Half<'a> {
    /// From one profile to a later one; blocks older than `old` seconds count.
    pub(super) fn new(from: &'a HeapShot, to: &'a HeapShot, old: f64) -> Self {
        Half { from, to, old }
    }
}

/// What became of one function's old blocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Growth {
    /// Sampled blocks.
    pub(super) gained: f64,
    pub(super) lost: f64,
    pub(super) gained_bytes: f64,
    pub(super) lost_bytes: f64,
    /// Of the bytes, both ways.
    pub(super) variance: f64,
    /// Where most was gained.
    pub(super) heaviest: Option<Heaviest>,
}

/// The stack and span that gained most.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heaviest {
    bytes: f64,
    pub(super) stack: Vec<String>,
    pub(super) span: Option<String>,
}

impl Growth {
    pub(super) fn bytes(&self) -> f64 {
        self.gained_bytes - self.lost_bytes
    }
}

/// Sampled blocks and what they stand for.
struct Blocks {
    count: f64,
    bytes: f64,
}

/// Reads a sample's blocks in use. A block of size *s* is sampled with
/// probability 1 − exp(−*s*/period), so that share of the objects was.
fn in_use(profile: &Profile, sample: &Sample) -> Option<Blocks> {
    let value = |kind| {
        let index = profile.value_index(kind)?;
        sample.values.get(index).map(|value| *value as f64)
    };
    let (objects, bytes) = (value("inuse_objects")?, value("inuse_space")?);
    if objects <= 0.0 || bytes <= 0.0 {
        return None;
    }
    let period = (profile.period as f64).max(1.0);
    let sampled = -(-(bytes / objects) / period).exp_m1();
    Some(Blocks {
        // Rounded to at least the one that there must have been.
        count: (objects * sampled).max(1.0),
        bytes,
    })
}

/// Calls `each` with every sample of blocks in use born before `before` and
/// not before `from`.
fn born_between<'a>(
    shot: &'a HeapShot,
    from: f64,
    before: f64,
    mut each: impl FnMut(&'a Sample, Blocks),
) {
    for sample in &shot.profile.samples {
        let Some(born) = sample.number(BORN) else {
            continue;
        };
        if is_before(born, before)
            && !is_before(born, from)
            && let Some(blocks) = in_use(&shot.profile, sample)
        {
            each(sample, blocks);
        }
    }
}

/// Old blocks gained and lost, by function.
pub(super) fn growth(half: &Half<'_>) -> BTreeMap<String, Growth> {
    let then = half.from.seconds - half.old;
    let now = half.to.seconds - half.old;
    let (before, after) = (Codes::of(&half.from.profile), Codes::of(&half.to.profile));
    let mut all: BTreeMap<String, Growth> = BTreeMap::new();
    let mut by_stack: BTreeMap<(Vec<u32>, Option<&str>), f64> = BTreeMap::new();
    born_between(half.to, then, now, |sample, blocks| {
        let frames = after.frames(&sample.locations);
        let growth = all.entry(after.code(&frames).to_owned()).or_default();
        growth.gained += blocks.count;
        growth.gained_bytes += blocks.bytes;
        growth.variance += blocks.bytes * blocks.bytes / blocks.count;
        *by_stack.entry((frames, sample.label("span"))).or_default() += blocks.bytes;
    });
    for ((frames, span), bytes) in by_stack {
        let growth = all.entry(after.code(&frames).to_owned()).or_default();
        if growth.heaviest.as_ref().is_none_or(|h| h.bytes < bytes) {
            growth.heaviest = Some(Heaviest {
                bytes,
                stack: after.names(&frames),
                span: span.map(str::to_owned),
            });
        }
    }
    // What was old then and is not there any more.
    born_between(half.from, f64::NEG_INFINITY, then, |sample, blocks| {
        let code = before.code(&before.frames(&sample.locations)).to_owned();
        let growth = all.entry(code).or_default();
        growth.lost += blocks.count;
        growth.lost_bytes += blocks.bytes;
        growth.variance += blocks.bytes * blocks.bytes / blocks.count;
    });
    born_between(half.to, f64::NEG_INFINITY, then, |sample, blocks| {
        let code = after.code(&after.frames(&sample.locations));
        if let Some(growth) = all.get_mut(code) {
            growth.lost = (growth.lost - blocks.count).max(0.0);
            growth.lost_bytes = (growth.lost_bytes - blocks.bytes).max(0.0);
            growth.variance =
                (growth.variance - blocks.bytes * blocks.bytes / blocks.count).max(0.0);
        }
    });
    all
}
