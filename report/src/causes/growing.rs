//! Functions that hold more and more to the end of a run, as evidence for a
//! verdict. A cause is named where something leaks; this says whether.
//!
//! So it asks for more: old blocks must grow in each third of the time, in the
//! last as fast as before; a table must have doubled in the last third of the
//! run, and not be overdue.

use std::collections::{BTreeMap, BTreeSet};

use super::holdings::{Holding, holdings};
use super::survivors::{Growth, Half, Heaviest, growth};
use super::tables::Table;
use super::{HeapShot, WARM_UP, old_age};

/// Standard errors by which old blocks must have grown in all …
const CERTAIN: f64 = 4.0;
/// … and in each third.
const EACH: f64 = 1.5;

/// The last third must grow by this part of the mean of all …
const EVEN: f64 = 0.6;
/// … and where it grows by less than this, there is no doubt that it slows.
const SLOW: f64 = 0.3;

/// Where a third of the run is left.
const LAST_THIRD: f64 = 2.0 / 3.0;

/// How a function holds more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Blocks that stay.
    Kept,
    /// A table that doubles: when it did last and when it will next, in seconds of
    /// the run, and whether it was filled ever more slowly.
    Table { last: f64, due: f64, slows: bool },
}

/// A function that holds more at the end than at the base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Growing {
    pub(crate) code: String,
    pub(crate) kind: Kind,
    /// Growth in bytes.
    pub(crate) bytes: f64,
    /// It goes on to the end for certain; else it may have ended.
    pub(crate) sure: bool,
}

/// What the heap profiles of a run say about growth.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeapGrowth {
    /// From which second to which.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Growth of all old blocks and tables together, in bytes.
    pub(crate) bytes: f64,
    /// The functions, the most bytes first.
    pub(crate) functions: Vec<Growing>,
}

/// A table and where it is filled.
pub(super) struct Placed {
    pub(super) table: Table,
    pub(super) heaviest: Option<Heaviest>,
}

/// The tables that grew since `base`, by function.
pub(super) fn tables(shots: &[HeapShot], base: f64) -> BTreeMap<String, Placed> {
    let placed = |holding: Holding| {
        Some(Placed {
            table: Table::of(&holding, base)?,
            heaviest: holding.heaviest,
        })
    };
    holdings(shots)
        .into_iter()
        .filter_map(|(code, holding)| Some((code, placed(holding)?)))
        .collect()
}

/// What the profiles say, where there are enough of them: four after the start.
///
/// Those after the `end` of the load are left out, but for one: what is gone by
/// then has not leaked.
pub(crate) fn heap_growth_to_the_end(
    shots: &[HeapShot],
    start: f64,
    end: f64,
) -> Option<HeapGrowth> {
    let until = shots.iter().position(|shot| shot.seconds >= end);
    let loaded = &shots[..until.map_or(shots.len(), |until| until + 1)];
    let last = loaded.last()?;
    let start = start.min(last.seconds);
    let warm = start + WARM_UP * (last.seconds - start);
    let base = loaded.iter().position(|shot| shot.seconds >= warm)?;
    let stations = thirds(&loaded[base..])?;
    let tables = tables(loaded, stations[0].seconds);
    let large: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    let old = old_age(stations[0], last);
    let parts: Vec<BTreeMap<String, Growth>> = stations
        .windows(2)
        .map(|pair| growth(&Half::new(pair[0], pair[1], old), &large))
        .collect();
    let mut all: BTreeMap<&str, [Option<&Growth>; 3]> = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        for (code, growth) in part {
            all.entry(code).or_default()[number] = Some(growth);
        }
    }
    let mut bytes: f64 = tables.values().map(|placed| placed.table.bytes).sum();
    let mut functions: Vec<Growing> = Vec::new();
    for (code, parts) in all {
        let known = parts.iter().flatten();
        bytes += known.map(|growth| growth.bytes()).sum::<f64>();
        functions.extend(kept(code, parts));
    }
    let third = start + LAST_THIRD * (last.seconds - start);
    for (code, placed) in &tables {
        let table = placed.table;
        if table.is_full(last.seconds) {
            continue;
        }
        functions.push(Growing {
            code: code.clone(),
            kind: Kind::Table {
                last: table.last,
                due: table.due,
                slows: table.slows,
            },
            bytes: table.bytes,
            sure: table.last >= third && !table.slows,
        });
    }
    still_there(&mut functions, stations[0], shots, last, old, &large);
    functions.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    Some(HeapGrowth {
        from: stations[0].seconds,
        to: last.seconds,
        bytes,
        functions,
    })
}

/// A function whose old blocks grow in every third, or nearly.
fn kept(code: &str, parts: [Option<&Growth>; 3]) -> Option<Growing> {
    let [first, second, third] = [parts[0]?, parts[1]?, parts[2]?];
    let all = [first, second, third];
    let bytes: f64 = all.iter().map(|growth| growth.bytes()).sum();
    let variance: f64 = all.iter().map(|growth| growth.variance).sum();
    let error = |growth: &Growth| growth.variance.sqrt().max(f64::MIN_POSITIVE);
    if bytes <= CERTAIN * variance.sqrt() || third.bytes() < SLOW * bytes / 3.0 {
        return None;
    }
    let each = all.iter().all(|part| part.bytes() >= EACH * error(part));
    Some(Growing {
        code: code.to_owned(),
        kind: Kind::Kept,
        bytes,
        sure: each && third.bytes() >= EVEN * bytes / 3.0,
    })
}

/// The base and the ends of three parts of the time after it.
fn thirds(shots: &[HeapShot]) -> Option<[&HeapShot; 4]> {
    let (base, last) = (shots.first()?, shots.last()?);
    let between = shots.get(1..shots.len().checked_sub(1)?)?;
    let nearest = |part: f64| {
        let second = base.seconds + part * (last.seconds - base.seconds);
        between.iter().min_by(|a, b| {
            let off = |shot: &HeapShot| (shot.seconds - second).abs();
            off(a).total_cmp(&off(b))
        })
    };
    let (one, two) = (nearest(1.0 / 3.0)?, nearest(2.0 / 3.0)?);
    (one.seconds < two.seconds).then_some([base, one, two, last])
}

/// Leaves out what is gone at the very end of the run, after the load.
fn still_there(
    functions: &mut Vec<Growing>,
    base: &HeapShot,
    shots: &[HeapShot],
    loaded: &HeapShot,
    old: f64,
    large: &BTreeSet<&str>,
) {
    let Some(last) = shots.last().filter(|last| last.seconds > loaded.seconds) else {
        return;
    };
    let since = growth(&Half::new(base, last, old), large);
    let held = holdings(std::slice::from_ref(last));
    functions.retain(|function| {
        let left = match function.kind {
            Kind::Kept => since.get(&function.code).map_or(0.0, Growth::bytes),
            Kind::Table { .. } => held.get(&function.code).map_or(0.0, |holding| {
                holding.held.iter().map(|held| held.bytes).sum()
            }),
        };
        left >= function.bytes / 2.0
    });
}
