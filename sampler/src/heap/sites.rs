//! Where blocks are allocated: a stack, a label, a thread's name and a phase
//! make a site.
//!
//! Stacks are paths in a tree that begins at the thread's first frame. A node
//! is one word, the parent's number and a program counter; a site is one, the
//! numbers of its innermost node, label, thread and phase. What does not fit any more
//! is added to a site without a stack, or to the one that stands for all
//! others: detail is lost, bytes are not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::threads;
use super::word_set::WordSet;

const NODES: usize = 65_536;
const LABELS: usize = 4_096;
const SITES: usize = 65_536;

/// The site of everything that has no room.
const OTHERS: usize = SITES;
/// The label that stands for those without room.
const OTHER_LABELS: usize = LABELS;

const PC_BITS: u32 = 47;
const LABEL_BITS: u32 = 14;
const PHASE_BITS: u32 = 9;
const NODE_BITS: u32 = 17;
const TRUNCATED: u64 = 1 << 62;
/// Keeps a site's word from being 0.
const SITE: u64 = 1 << 63;
const _: () = assert!(
    2 * NODES <= 1 << NODE_BITS && LABEL_BITS + NODE_BITS + PHASE_BITS + threads::NUMBER_BITS <= 62
);

/// Counts are kept in parts of this, since a block stands for a fraction.
const PARTS: f64 = 1024.0;

struct Sum {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Sum {
    const fn new() -> Self {
        Sum {
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }
}

static NODE: WordSet<NODES> = WordSet::new();
static LABEL: WordSet<LABELS> = WordSet::new();
static PLACE: WordSet<SITES> = WordSet::new();
static SUM: [Sum; SITES + 1] = [const { Sum::new() }; SITES + 1];
static LABEL_BYTES: [AtomicU64; LABELS + 1] = [const { AtomicU64::new(0) }; LABELS + 1];
/// Samples whose stack or label had no room.
static FOLDED: AtomicU64 = AtomicU64::new(0);

/// Where the tables are, and their bytes.
pub(super) fn tables() -> [(usize, usize); 5] {
    fn place<T>(table: &'static T) -> (usize, usize) {
        (std::ptr::from_ref(table).addr(), size_of::<T>())
    }
    [
        place(&NODE),
        place(&LABEL),
        place(&PLACE),
        place(&SUM),
        place(&LABEL_BYTES),
    ]
}

/// Bytes of all that is above and below.
pub(super) const TABLE_BYTES: usize =
    8 * (NODES + LABELS + SITES) + 16 * (SITES + 1) + 8 * (LABELS + 1) + threads::TABLE_BYTES;

/// What distinguishes one site from another.
pub(super) struct Key<'a> {
    /// Innermost first.
    pub(super) stack: &'a [u64],
    pub(super) truncated: bool,
    pub(super) label: u64,
    /// The number of its name.
    pub(super) thread: u64,
    pub(super) phase: u32,
}

/// Adds a sample to its site; the site's number.
pub(super) fn add(key: &Key<'_>, size: usize, weight: f64) -> u32 {
    let mut folded = false;
    let mut node = 0;
    for pc in key.stack.iter().rev() {
        // Above user space there is nothing to name; 1 is no code's address.
        let pc = if *pc >> PC_BITS == 0 { (*pc).max(1) } else { 1 };
        match NODE.find_or_add((node as u64) << PC_BITS | pc) {
            Some(number) => node = number + 1,
            None => {
                folded = true;
                node = 0;
                break;
            }
        }
    }
    let label = match key.label {
        0 => 0,
        label => match LABEL.find_or_add(label) {
            Some(number) => number + 1,
            None => {
                folded = true;
                OTHER_LABELS + 1
            }
        },
    };
    let cut = if key.truncated || folded {
        TRUNCATED
    } else {
        0
    };
    let phase = u64::from(key.phase).min((1 << PHASE_BITS) - 1);
    let mut word = key.thread;
    word = word << PHASE_BITS | phase;
    word = word << NODE_BITS | node as u64;
    word = word << LABEL_BITS | label as u64;
    word |= SITE | cut;
    let site = PLACE.find_or_add(word).unwrap_or_else(|| {
        folded = true;
        OTHERS
    });
    if folded {
        FOLDED.fetch_add(1, Relaxed);
    }
    let bytes = (size as f64 * weight) as u64;
    let sum = &SUM[site];
    sum.objects.fetch_add((weight * PARTS) as u64, Relaxed);
    sum.bytes.fetch_add(bytes, Relaxed);
    if let Some(number) = label.checked_sub(1) {
        LABEL_BYTES[number].fetch_add(bytes, Relaxed);
    }
    site as u32
}

/// What is known of one site.
pub(super) struct Site {
    pub(super) number: u32,
    /// Innermost first.
    pub(super) stack: Vec<u64>,
    pub(super) truncated: bool,
    pub(super) label: u64,
    pub(super) thread: String,
    pub(super) phase: u32,
    pub(super) objects: f64,
    pub(super) bytes: u64,
}

/// Every site.
pub(super) fn all() -> Vec<Site> {
    let mut sites = Vec::new();
    for (number, sum) in SUM.iter().enumerate() {
        let word = PLACE.word(number);
        if word == 0 && number != OTHERS {
            continue;
        }
        let objects = sum.objects.load(Relaxed);
        if objects == 0 {
            continue;
        }
        sites.push(Site {
            number: number as u32,
            stack: stack(field(word >> LABEL_BITS, NODE_BITS) as usize),
            truncated: word & TRUNCATED != 0 || number == OTHERS,
            label: label(field(word, LABEL_BITS) as usize),
            phase: field(word >> (LABEL_BITS + NODE_BITS), PHASE_BITS) as u32,
            thread: threads::name(field(
                word >> (LABEL_BITS + NODE_BITS + PHASE_BITS),
                threads::NUMBER_BITS,
            )),
            objects: objects as f64 / PARTS,
            bytes: sum.bytes.load(Relaxed),
        });
    }
    sites
}

/// The lowest bits of a word.
fn field(word: u64, bits: u32) -> u64 {
    word & ((1 << bits) - 1)
}

/// Bytes allocated under each label.
pub(super) fn labels() -> Vec<(u64, u64)> {
    let all = LABEL_BYTES.iter().enumerate();
    all.map(|(number, bytes)| (label(number + 1), bytes.load(Relaxed)))
        .filter(|(_, bytes)| *bytes != 0)
        .collect()
}

fn label(number: usize) -> u64 {
    match number {
        0 => 0,
        // A word that a caller may use; a table that overflows is rarer.
        number if number == OTHER_LABELS + 1 => u64::MAX,
        number => LABEL.word(number - 1),
    }
}

fn stack(mut node: usize) -> Vec<u64> {
    let mut stack = Vec::new();
    while let Some(number) = node.checked_sub(1) {
        let word = NODE.word(number);
        stack.push(word & ((1 << PC_BITS) - 1));
        node = (word >> PC_BITS) as usize;
    }
    stack
}

/// How many frames, labels and sites there are, and how many there can be.
pub(super) fn fill() -> [(usize, usize); 3] {
    [
        (NODE.used(), NODES),
        (LABEL.used(), LABELS),
        (PLACE.used(), SITES),
    ]
}

/// Samples whose stack or label had no room.
pub(super) fn folded() -> u64 {
    FOLDED.load(Relaxed)
}
