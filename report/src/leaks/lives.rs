//! The lives of a process in one file.
//!
//! A process that grows is killed and begins anew, and somebody's script goes on
//! writing. Judged as one series its lives are a saw-tooth; each by itself is what
//! it is. A life begins where the time does (runs that were appended), where the
//! process id or the time of its start changes, where its uptime or several
//! counters fall back, and where memory falls to its first level after a gap.
//! Rows that take turns between two processes or names are about different things,
//! each of which is judged by itself, too.

use std::collections::BTreeMap;

use serde::Serialize;

use super::candidates::Unit;
use super::meaning::{is_pid, is_start, is_uptime};
use super::role::Role;
use super::roles::Roles;
use super::words::words;
use crate::limits::lenient;
use crate::timeline::Timeline;

/// A stretch of the rows that is judged by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Life {
    /// Which it is, such as `life 2 of 3`.
    pub name: String,
    /// Its first row, in minutes of the file.
    pub from_min: f64,
    /// Its last row, in minutes of the file.
    pub to_min: f64,
    /// How many rows it has.
    pub rows: usize,
    /// What said that it began; `None` for the first.
    pub began: Option<String>,
    /// Whether it is long enough to be judged.
    pub judged: bool,
}

/// A life with its rows.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub rows: Vec<u32>,
    pub life: Life,
}

/// A process that is named so many times as often as there are processes takes
/// turns with the others.
const TURNS: usize = 4;
/// Beginnings as near as this to one another are one.
const NEAR: usize = 2;
/// A gap is this many times as long as the usual step between rows.
const GAP: f64 = 2.5;
/// Bytes of reasons for a beginning.
const MAX_REASON: usize = 160;
/// Beginnings that are kept apart.
pub(super) const MAX_BEGINNINGS: usize = 4_096;
/// What fell to the first level gave back all but this part of what it had grown
/// by …
const LEFT: f64 = 0.25;
/// … which was at least this part of that level.
const GREW: f64 = 0.1;
/// An uptime that falls to less than this part of itself began anew.
const FELL: f64 = 0.9;

/// The lives in a timeline; one where it is all of one piece.
pub(super) fn of(timeline: &Timeline, roles: &Roles) -> Vec<Part> {
    let mut beginnings = merged(beginnings(timeline, roles));
    beginnings.truncate(MAX_BEGINNINGS);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(beginnings.iter().map(|(row, _)| *row))
        .collect();
    let count = starts.len();
    starts
        .iter()
        .enumerate()
        .map(|(index, &from)| {
            let to = starts.get(index + 1).copied().unwrap_or(timeline.len());
            let why = index
                .checked_sub(1)
                .map(|before| beginnings[before].1.clone());
            let rows = (from as u32..to as u32).collect();
            part(
                timeline,
                rows,
                format!("life {} of {count}", index + 1),
                why,
            )
        })
        .collect()
}

fn part(timeline: &Timeline, rows: Vec<u32>, name: String, began: Option<String>) -> Part {
    let minute = |row: Option<&u32>| {
        row.and_then(|row| timeline.elapsed_hours().get(*row as usize))
            .map_or(0.0, |hour| hour * 60.0)
    };
    Part {
        life: Life {
            name,
            from_min: minute(rows.first()),
            to_min: minute(rows.last()),
            rows: rows.len(),
            began,
            judged: true,
        },
        rows,
    }
}

/// Rows at which a life begins, each with what says so.
fn beginnings(timeline: &Timeline, roles: &Roles) -> BTreeMap<usize, String> {
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    let mut add = |row: usize, why: String| {
        let said = found.entry(row).or_default();
        append(said, &why);
    };
    for run in timeline.runs().iter().skip(1) {
        add(run.start, "the time begins again".to_owned());
    }
    // The agent's own timelines are of one process.
    if !roles.of_agent && timeline.len() > 2 {
        for (index, name) in timeline.columns().iter().enumerate() {
            if !timeline.is_time(index) {
                for (row, why) in said_by(timeline, name) {
                    add(row, why);
                }
            }
        }
        for (row, why) in counters(timeline, roles) {
            add(row, why);
        }
        for (row, why) in falls(timeline, roles) {
            add(row, why);
        }
    }
    found.remove(&0);
    found
}

/// Puts one more reason to those there are, up to a length that can be read.
fn append(said: &mut String, why: &str) {
    if said.is_empty() {
        *said = lenient(why.as_bytes(), MAX_REASON);
    } else if said.len() + why.len() < MAX_REASON {
        said.push_str(", ");
        said.push_str(why);
    }
}

/// Beginnings within a row or two are one: not all columns of a row are read at
/// the same instant.
fn merged(found: BTreeMap<usize, String>) -> Vec<(usize, String)> {
    let mut merged: Vec<(usize, String)> = Vec::new();
    for (row, why) in found {
        match merged.last_mut() {
            Some((last, said)) if row - *last <= NEAR => append(said, &why),
            _ => merged.push((row, why)),
        }
    }
    merged
}

/// What a column that names the process says: its id, its uptime, its start.
fn said_by(timeline: &Timeline, name: &str) -> Vec<(usize, String)> {
    let words = words(name);
    let called = lenient(name.as_bytes(), MAX_REASON / 2);
    let mut found = Vec::new();
    let mut count = 0;
    let mut add = |row: usize, why: &dyn Fn() -> String| {
        count += 1;
        if count <= 2 * NEAR * MAX_BEGINNINGS {
            found.push((row, why()));
        }
    };
    if is_pid(&words) || is_start(&words) {
        if let Some(values) = timeline.series(name) {
            for (row, before, now) in steps(&values).filter(|(_, before, now)| before != now) {
                add(row, &|| format!("{called} {before} → {now}"));
            }
        } else if let Some(cells) = timeline.text(name) {
            let cells = cells.iter().enumerate();
            let mut known = cells.filter_map(|(row, cell)| Some((row, cell?)));
            let mut before = known.next().map(|(_, cell)| cell);
            for (row, cell) in known {
                let last = before.replace(cell).unwrap_or_default();
                if last != cell {
                    let short = |cell: &str| lenient(cell.as_bytes(), MAX_REASON / 4);
                    add(row, &|| {
                        format!("{called} {} → {}", short(last), short(cell))
                    });
                }
            }
        }
        // Processes that come back take turns; none of them begins anew.
        let distinct: std::collections::HashSet<&str> = found
            .iter()
            .filter_map(|(_, why)| why.rsplit(" → ").next())
            .collect();
        if found.len() > TURNS * distinct.len() {
            found.clear();
        }
        // A start that moves with the rows is something else.
        if is_start(&words) && count * 10 > timeline.len() {
            found.clear();
        }
    } else if is_uptime(&words)
        && let Some(values) = timeline.series(name)
    {
        for (row, before, now) in steps(&values).filter(|(_, before, now)| *now < before * FELL) {
            add(row, &|| format!("{called} fell from {before} to {now}"));
        }
    }
    found
}

/// Readings that follow one another: the row of the later, and both.
fn steps(values: &[f64]) -> impl Iterator<Item = (usize, f64, f64)> {
    let mut before: Option<f64> = None;
    values.iter().enumerate().filter_map(move |(row, &value)| {
        if !value.is_finite() {
            return None;
        }
        let last = before.replace(value)?;
        Some((row, last, value))
    })
}

/// Counters that fall back together, or one that falls with the memory.
fn counters(timeline: &Timeline, roles: &Roles) -> Vec<(usize, String)> {
    // How many fell in a row, and the first of them.
    let mut fell: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
    let counters = roles
        .columns
        .iter()
        .filter(|column| matches!(column.role, Role::Counter) || column.role == Role::Bound);
    for column in counters {
        let values = timeline.series(&column.name).unwrap_or_default();
        for (row, before, now) in steps(&values) {
            if now < before * 0.5 {
                fell.entry(row).or_insert((0, &column.name)).0 += 1;
            }
        }
    }
    // A row later is the same moment.
    let rows: Vec<usize> = fell.keys().copied().collect();
    for pair in rows.windows(2) {
        if pair[1] - pair[0] == 1
            && let Some((count, name)) = fell.remove(&pair[0])
        {
            fell.entry(pair[1]).or_insert((0, name)).0 += count;
        }
    }
    fell.into_iter()
        .filter(|(row, (count, _))| *count > 1 || memory_falls(timeline, roles, *row))
        .take(2 * NEAR * MAX_BEGINNINGS)
        .map(|(row, (count, name))| match count {
            _ if name.len() > MAX_REASON => (row, format!("{count} counters fell back")),
            1 => (row, format!("{name} and memory fell back")),
            2 => (row, format!("{name} and another counter fell back")),
            _ => (
                row,
                format!("{name} and {} more counters fell back", count - 1),
            ),
        })
        .collect()
}

/// Whether memory or descriptors fall to near their first level at this row.
fn memory_falls(timeline: &Timeline, roles: &Roles, row: usize) -> bool {
    roles.judged.iter().any(|judged| {
        let at = |rows| middle(&timeline.series_in(&judged.name, rows));
        let (first, before, after) = (
            at(0..3),
            at(row.saturating_sub(4)..row.saturating_sub(1)),
            at(row..row + 2),
        );
        fell_to(first, before, after)
    })
}

fn fell_to(first: Option<f64>, before: Option<f64>, after: Option<f64>) -> bool {
    let (Some(first), Some(before), Some(after)) = (first, before, after) else {
        return false;
    };
    let grew = before - first;
    grew > GREW * first.abs() && after <= first + LEFT * grew
}

fn middle(values: &[f64]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Memory that falls to its first level after a gap in time or in its readings.
fn falls(timeline: &Timeline, roles: &Roles) -> Vec<(usize, String)> {
    let hours = timeline.elapsed_hours();
    let mut lengths: Vec<f64> = hours.windows(2).map(|pair| pair[1] - pair[0]).collect();
    lengths.sort_by(f64::total_cmp);
    let step = lengths.get(lengths.len() / 2).copied().unwrap_or(0.0);
    let memory = roles
        .judged
        .iter()
        .filter(|judged| matches!(judged.units.first(), Some(Unit::Memory { .. })));
    let mut found = Vec::new();
    for judged in memory {
        let values = timeline.series(&judged.name).unwrap_or_default();
        let read: Vec<usize> = (0..values.len())
            .filter(|row| values[*row].is_finite())
            .collect();
        let level = |rows: &[usize]| {
            let values: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
            middle(&values)
        };
        let mut first = level(&read[..read.len().min(3)]);
        for index in 1..read.len() {
            let (before, row) = (read[index - 1], read[index]);
            if step <= 0.0 || hours[row] - hours[before] <= GAP * step {
                continue;
            }
            let earlier = level(&read[index.saturating_sub(3)..index]);
            let later = level(&read[index..read.len().min(index + 3)]);
            if fell_to(first, earlier, later) {
                first = later;
                found.push((
                    row,
                    format!("{} fell to its first level after a gap", judged.name),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::{LeakOptions, roles};

    /// The rows at which lives begin in a file of these columns.
    fn found(header: &str, rows: usize, row: impl Fn(usize) -> String) -> Vec<usize> {
        let mut csv = format!("elapsed_min,{header}\n");
        for number in 0..rows {
            csv.push_str(&format!("{}\n", row(number)));
        }
        let timeline = Timeline::parse(csv.as_bytes()).expect("a timeline");
        let roles = roles::of(&timeline, &LeakOptions::default());
        let lives = of(&timeline, &roles);
        lives
            .iter()
            .skip(1)
            .map(|part| part.rows[0] as usize)
            .collect()
    }

    #[test]
    fn a_life_begins_where_something_says_so() {
        let age = |row: usize| row % 40;
        let expected = [40, 80];
        let pids = |row: usize| format!("{row},{},7", 100 + row / 40);
        assert_eq!(found("pid,rss_mb", 120, pids), expected);
        let uptime = |row: usize| format!("{row},{},7", age(row) * 60);
        assert_eq!(found("uptime_s,rss_mb", 120, uptime), expected);
        let start = |row: usize| format!("{row},2026-01-01 {:02}:00,7", row / 40);
        assert_eq!(found("started_at,rss_mb", 120, start), expected);
        let counts = |row: usize| format!("{row},{},{},7", age(row) * 9, age(row) * 5);
        assert_eq!(found("requests,gc_count,rss_mb", 120, counts), expected);
        let with_memory = |row: usize| format!("{row},{},{}", age(row) * 9, 50 + age(row));
        assert_eq!(found("requests,rss_mb", 120, with_memory), expected);
        let gap = |row: usize| format!("{},{}", row + 9 * (row / 40), 50 + age(row));
        assert_eq!(found("rss_mb", 120, gap), expected);
    }

    #[test]
    fn what_merely_falls_begins_no_life() {
        let saw = |row: usize| format!("{row},{}", 50 + row % 40);
        assert!(found("rss_mb", 120, saw).is_empty());
        // One counter that wraps, memory that stays.
        let wraps = |row: usize| format!("{row},{},7", row % 40 * 9);
        assert!(found("rx_bytes,rss_mb", 120, wraps).is_empty());
        // A gap alone.
        let gap = |row: usize| format!("{},{}", row + 9 * (row / 40), 50 + row);
        assert!(found("rss_mb", 120, gap).is_empty());
    }
}
