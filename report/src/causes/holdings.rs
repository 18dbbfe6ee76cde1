//! What each function holds at each heap profile: the blocks that are large
//! enough to be a table of their own, one by one.
//!
//! A `HashMap`, a `Vec` or a slab that is never emptied is one large block that
//! is allocated anew each time it doubles: it is always young, and counts for
//! nothing among the blocks that survive.

use std::collections::BTreeMap;

use super::HeapShot;
use super::code::Codes;
use super::survivors::{BORN, Heaviest, heaviest_of, in_use};

/// Of blocks of so many mean distances between samples, one in fifty is missed.
const CERTAIN: f64 = 4.0;

/// Blocks of this part of the largest are tables of its size: shards double one
/// after the other.
const OF_ITS_SIZE: f64 = 0.7;

/// The large blocks of a function at one profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Held {
    /// When the profile was taken, in seconds.
    pub(super) seconds: f64,
    /// Bytes in large blocks.
    pub(super) bytes: f64,
    /// Of the bytes, by the sampling.
    pub(super) variance: f64,
    /// About how many blocks of the largest size there are.
    pub(super) count: f64,
    /// Bytes of the largest.
    pub(super) largest: f64,
    /// When those of the largest size were born, on average, in seconds.
    pub(super) born: f64,
}

/// A function's large blocks at all profiles from the first that has some.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Holding {
    pub(super) held: Vec<Held>,
    /// Blocks of this size are seen for certain, or nearly.
    pub(super) certain: f64,
    /// Where most of the last profile's are.
    pub(super) heaviest: Option<Heaviest>,
}

struct Block {
    size: f64,
    bytes: f64,
    born: f64,
    variance: f64,
}

/// The large blocks of each function at each profile; a function that holds none
/// at a profile has a `Held` of zeros there.
pub(super) fn holdings(shots: &[HeapShot]) -> BTreeMap<String, Holding> {
    let mut all: BTreeMap<String, Holding> = BTreeMap::new();
    for (number, shot) in shots.iter().enumerate() {
        let codes = Codes::of(&shot.profile);
        let period = (shot.profile.period as f64).max(1.0);
        let mut blocks: BTreeMap<String, Vec<Block>> = BTreeMap::new();
        let mut weights: BTreeMap<_, f64> = BTreeMap::new();
        for sample in &shot.profile.samples {
            let Some(in_use) = in_use(&shot.profile, sample) else {
                continue;
            };
            let size = in_use.bytes / in_use.objects;
            if !in_use.is_large {
                continue;
            }
            let frames = codes.frames(&sample.locations);
            let code = codes.code(&frames).to_owned();
            let seen = -(-size / period).exp_m1();
            // Horvitz and Thompson's variance: what is seen for certain adds none.
            let variance = in_use.bytes * in_use.bytes / in_use.count * (1.0 - seen);
            let born = sample.number(BORN).map_or(0.0, |born| born as f64 + 0.5);
            blocks.entry(code.clone()).or_default().push(Block {
                size,
                bytes: in_use.bytes,
                born: born.max(0.0),
                variance,
            });
            let key = (code, frames, sample.label("span"), sample.label("route"));
            *weights.entry(key).or_default() += in_use.bytes;
        }
        let last = number + 1 == shots.len();
        for (code, blocks) in &blocks {
            let holding = all.entry(code.clone()).or_default();
            holding.held.push(held(shot.seconds, blocks));
            holding.certain = CERTAIN * period;
        }
        for holding in all.values_mut() {
            if holding
                .held
                .last()
                .is_none_or(|held| held.seconds < shot.seconds)
            {
                holding.held.push(Held {
                    seconds: shot.seconds,
                    ..Held::default()
                });
            }
        }
        if last {
            for (code, heaviest) in heaviest_of(weights, &codes) {
                if let Some(holding) = all.get_mut(&code) {
                    holding.heaviest = Some(heaviest);
                }
            }
        }
    }
    all
}

fn held(seconds: f64, blocks: &[Block]) -> Held {
    let largest = blocks.iter().map(|block| block.size).fold(0.0, f64::max);
    let of_size = || {
        blocks
            .iter()
            .filter(|block| block.size >= OF_ITS_SIZE * largest)
    };
    let weight: f64 = of_size().map(|block| block.bytes).sum();
    let born: f64 = of_size().map(|block| block.born * block.bytes).sum();
    Held {
        seconds,
        bytes: blocks.iter().map(|block| block.bytes).sum(),
        variance: blocks.iter().map(|block| block.variance).sum(),
        count: of_size().map(|block| block.bytes / block.size).sum(),
        largest,
        born: born / weight.max(f64::MIN_POSITIVE),
    }
}
