//! What the heap profiler knows, taken out.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use super::account::{self, Busy};
use super::blocks::{self, BLOCKS};
use super::record::{BYTES, LOST, LOST_BYTES, SAMPLES};
use super::{sites, stack};
use crate::platform;

/// Who allocated what since the process began, and what of it lives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeapProfile {
    /// When it was taken.
    pub taken: SystemTime,
    /// The same on the clock that blocks are born by, which only goes forward.
    pub clock: Duration,
    /// Mean bytes allocated between two samples now; 0 if sampling is off.
    pub interval: u64,
    /// Everywhere a block was sampled, living or not.
    pub sites: Vec<HeapSite>,
    /// Every sampled block that lives.
    pub blocks: Vec<HeapBlock>,
    /// Bytes allocated under each label.
    pub labels: Vec<HeapLabel>,
    /// How far it can be trusted.
    pub stats: HeapStats,
}

/// A place that allocates: a stack, a label, a thread's name and a phase. Blocks that were sampled there
/// stand for all that were allocated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeapSite {
    /// Program counters, innermost first; frames of the profiler are left out,
    /// those of the allocator's entry (`__rust_alloc`) may be there. Return
    /// addresses are one less, so that they lie in their calls.
    pub stack: Vec<u64>,
    /// The stack was cut off before the thread's start, or there is none.
    pub truncated: bool,
    /// The thread's label when it allocated (see [`set_label`](crate::set_label));
    /// `u64::MAX` stands for labels beyond the first 4,096.
    pub label: u64,
    /// What the thread was called, as the kernel keeps it: 15 bytes. Empty if
    /// unknown; `<other>` beyond the first 512 names.
    pub thread_name: String,
    /// The phase then (see [`set_phase`](super::set_phase)); 0 if none.
    pub phase: u32,
    /// Blocks allocated, estimated.
    pub allocated_objects: f64,
    /// Bytes allocated, estimated.
    pub allocated_bytes: u64,
}

/// A sampled block that lives.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HeapBlock {
    /// Index into [`HeapProfile::sites`].
    pub site: usize,
    /// Its own size in bytes.
    pub size: usize,
    /// How many blocks of this size it stands for, at least 1.
    pub weight: f64,
    /// When it was allocated, on the clock of [`HeapProfile::clock`], to a few
    /// milliseconds.
    pub born: Duration,
}

/// Bytes allocated under a label since the process began, estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapLabel {
    /// The label; `u64::MAX` stands for those beyond the first 4,096.
    pub label: u64,
    /// Bytes allocated under it.
    pub allocated_bytes: u64,
}

/// Totals, and what was lost.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct HeapStats {
    /// Bytes that live now, counted.
    pub live_bytes: u64,
    /// Bytes allocated since the process began, counted.
    pub allocated_bytes: u64,
    /// The bytes of sampled blocks that live, each as often as it stands for:
    /// what the profile adds up to. Blocks of excluded threads are not in it.
    pub estimated_live_bytes: u64,
    /// Samples taken since the process began.
    pub samples: u64,
    /// Sampled blocks that live, and how many there can be.
    pub blocks: usize,
    /// See `blocks`.
    pub most_blocks: usize,
    /// Samples whose block could not be followed for want of room. Those are
    /// in what was allocated and not in what lives.
    pub lost: u64,
    /// The share of the bytes sampled that `lost` stands for, 0 to 1.
    pub lost_share: f64,
    /// Samples whose stack or label had no room: their bytes are there, their
    /// detail is not.
    pub folded: u64,
    /// The fullest of the tables of frames, labels and sites, 0 to 1.
    pub fill: f64,
    /// Memory of all tables in bytes, if all of it were used.
    pub table_bytes: usize,
}

/// Takes a profile of the heap; `None` unless a
/// [`HeapProfiler`](super::HeapProfiler) is at work.
///
/// Other threads go on meanwhile: a block that is freed during the call may be
/// in it or not. Costs a pass over the tables, some milliseconds when they are
/// full.
pub fn snapshot() -> Option<HeapProfile> {
    account::totals()?;
    stack::maintain();
    let _busy = Busy::new();
    let clock = Duration::from_millis(platform::coarse_ms());
    // Blocks first: the site of each is then there.
    let mut living = Vec::with_capacity(BLOCKS.live());
    BLOCKS.each(|block| living.push(block));
    let sites = sites::all();
    let places: HashMap<u32, usize> = sites
        .iter()
        .enumerate()
        .map(|(place, site)| (site.number, place))
        .collect();
    let blocks = living
        .iter()
        .filter_map(|block| {
            Some(HeapBlock {
                site: *places.get(&block.site)?,
                size: block.size,
                weight: block.weight,
                born: Duration::from_millis(block.born_ms),
            })
        })
        .collect();
    let labels = sites::labels().into_iter();
    Some(HeapProfile {
        taken: SystemTime::now(),
        clock,
        interval: account::interval(),
        sites: sites
            .into_iter()
            .map(|site| HeapSite {
                stack: site.stack,
                truncated: site.truncated,
                label: site.label,
                thread_name: site.thread,
                phase: site.phase,
                allocated_objects: site.objects,
                allocated_bytes: site.bytes,
            })
            .collect(),
        blocks,
        labels: labels
            .map(|(label, allocated_bytes)| HeapLabel {
                label,
                allocated_bytes,
            })
            .collect(),
        stats: stats()?,
    })
}

/// Bytes allocated under each label since the process began, estimated; `None`
/// unless a [`HeapProfiler`](super::HeapProfiler) is at work. Costs far less
/// than a [`snapshot`].
pub fn allocated_by_label() -> Option<Vec<HeapLabel>> {
    account::totals()?;
    let _busy = Busy::new();
    let labels = sites::labels().into_iter();
    let labels = labels.map(|(label, allocated_bytes)| HeapLabel {
        label,
        allocated_bytes,
    });
    Some(labels.collect())
}

/// Totals; `None` unless a [`HeapProfiler`](super::HeapProfiler) is at work.
pub fn stats() -> Option<HeapStats> {
    let (allocated, freed) = account::totals()?;
    let mut estimated = 0.0;
    BLOCKS.each(|block| estimated += block.size as f64 * block.weight);
    let share = |part: u64, whole: u64| {
        if whole == 0 {
            0.0
        } else {
            part as f64 / whole as f64
        }
    };
    let fill = sites::fill().map(|(used, most)| used as f64 / most as f64);
    Some(HeapStats {
        live_bytes: allocated.saturating_sub(freed),
        allocated_bytes: allocated,
        estimated_live_bytes: estimated as u64,
        samples: SAMPLES.load(Relaxed),
        blocks: BLOCKS.live(),
        most_blocks: blocks::RECORDS,
        lost: LOST.load(Relaxed),
        lost_share: share(LOST_BYTES.load(Relaxed), BYTES.load(Relaxed)),
        folded: sites::folded(),
        fill: fill.into_iter().fold(0.0, f64::max),
        table_bytes: sites::TABLE_BYTES + blocks::TABLE_BYTES + account::TABLE_BYTES,
    })
}

/// Bytes allocated and not yet freed, counted; `None` unless a
/// [`HeapProfiler`](super::HeapProfiler) is the global allocator.
pub fn heap_live_bytes() -> Option<u64> {
    let (allocated, freed) = account::totals()?;
    Some(allocated.saturating_sub(freed))
}

/// Bytes allocated since the process began, freed or not; `None` unless a
/// [`HeapProfiler`](super::HeapProfiler) is the global allocator.
pub fn heap_allocated_bytes() -> Option<u64> {
    Some(account::totals()?.0)
}
