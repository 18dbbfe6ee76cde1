//! Old blocks gained and lost between two heap profiles, by function.

use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Heaviest {
    bytes: f64,
    pub(super) stack: Vec<String>,
    pub(super) span: Option<String>,
    /// The route of the request, where it was one.
    pub(super) route: Option<String>,
    /// All routes of the function, or spans where there was no request, with
    /// their bytes.
    pub(super) routes: BTreeMap<String, f64>,
}

impl Growth {
    pub(super) fn bytes(&self) -> f64 {
        self.gained_bytes - self.lost_bytes
    }
}

/// Sampled blocks and what they stand for.
pub(super) struct Blocks {
    /// How many were sampled.
    pub(super) count: f64,
    /// How many there are.
    pub(super) objects: f64,
    pub(super) bytes: f64,
    /// Large enough to be seen often, as a table of its own.
    pub(super) is_large: bool,
}

/// A block of this part of the mean distance between samples is large.
const LARGE: f64 = 0.25;

/// Reads a sample's blocks in use. A block of size *s* is sampled with
/// probability 1 − exp(−*s*/period), so that share of the objects was.
pub(super) fn in_use(profile: &Profile, sample: &Sample) -> Option<Blocks> {
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
        objects,
        bytes,
        is_large: bytes / objects >= LARGE * period,
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

/// Function, stack, span and route of blocks.
pub(super) type Place<'a> = (String, Vec<u32>, Option<&'a str>, Option<&'a str>);

/// The heaviest place of each function.
pub(super) fn heaviest_of(
    places: BTreeMap<Place<'_>, f64>,
    codes: &Codes,
) -> BTreeMap<String, Heaviest> {
    let mut all: BTreeMap<String, Heaviest> = BTreeMap::new();
    let mut routes: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for ((code, frames, span, route), bytes) in places {
        if let Some(route) = route.or(span) {
            let routes = routes.entry(code.clone()).or_default();
            *routes.entry(route.to_owned()).or_default() += bytes;
        }
        if all.get(&code).is_none_or(|known| known.bytes < bytes) {
            let heaviest = Heaviest {
                bytes,
                stack: codes.names(&frames),
                span: span.map(str::to_owned),
                route: route.map(str::to_owned),
                routes: BTreeMap::new(),
            };
            all.insert(code, heaviest);
        }
    }
    for (code, routes) in routes {
        if let Some(heaviest) = all.get_mut(&code) {
            heaviest.routes = routes;
        }
    }
    all
}

/// Old blocks gained and lost, by function.
///
/// Of the functions in `tables`, blocks that are a table are left out: one that
/// doubles is followed as a whole.
pub(super) fn growth(half: &Half<'_>, tables: &BTreeSet<&str>) -> BTreeMap<String, Growth> {
    let then = half.from.seconds - half.old;
    let now = half.to.seconds - half.old;
    let (before, after) = (Codes::of(&half.from.profile), Codes::of(&half.to.profile));
    let mut all: BTreeMap<String, Growth> = BTreeMap::new();
    let mut by_stack: BTreeMap<Place<'_>, f64> = BTreeMap::new();
    born_between(half.to, then, now, |sample, blocks| {
        let frames = after.frames(&sample.locations);
        let code = after.code(&frames).to_owned();
        if blocks.is_large && tables.contains(code.as_str()) {
            return;
        }
        let growth = all.entry(code.clone()).or_default();
        growth.gained += blocks.count;
        growth.gained_bytes += blocks.bytes;
        growth.variance += blocks.bytes * blocks.bytes / blocks.count;
        let place = (code, frames, sample.label("span"), sample.label("route"));
        *by_stack.entry(place).or_default() += blocks.bytes;
    });
    for (code, heaviest) in heaviest_of(by_stack, &after) {
        all.entry(code).or_default().heaviest = Some(heaviest);
    }
    // What was old then and is not there any more.
    born_between(half.from, f64::NEG_INFINITY, then, |sample, blocks| {
        let code = before.code(&before.frames(&sample.locations)).to_owned();
        if blocks.is_large && tables.contains(code.as_str()) {
            return;
        }
        let growth = all.entry(code).or_default();
        growth.lost += blocks.count;
        growth.lost_bytes += blocks.bytes;
        growth.variance += blocks.bytes * blocks.bytes / blocks.count;
    });
    born_between(half.to, f64::NEG_INFINITY, then, |sample, blocks| {
        let code = after.code(&after.frames(&sample.locations));
        if blocks.is_large && tables.contains(code) {
            return;
        }
        if let Some(growth) = all.get_mut(code) {
            growth.lost = (growth.lost - blocks.count).max(0.0);
            growth.lost_bytes = (growth.lost_bytes - blocks.bytes).max(0.0);
            growth.variance =
                (growth.variance - blocks.bytes * blocks.bytes / blocks.count).max(0.0);
        }
    });
    all
}
