//! Tables with a row for each of several things at each moment: containers,
//! pods, processes.
//!
//! One column of such a table is several series that take turns. Judged as one,
//! the growth of one is lost in the distance between them.

use super::facts::{self, ColumnFacts};
use super::packed::Packed;
use super::units::words;
use super::{Column, Timeline};
use crate::limits::{CELLS, COLUMNS};

/// Words of names of columns that say what a row is of.
const KEYS: [&str; 19] = [
    "name",
    "container",
    "pod",
    "process",
    "proc",
    "command",
    "comm",
    "cmd",
    "host",
    "hostname",
    "instance",
    "service",
    "svc",
    "worker",
    "node",
    "app",
    "job",
    "id",
    "pid",
];

/// Things that are kept apart.
const MAX_THINGS: usize = 64;

/// Parts the series of a timeline whose rows take turns. What was done.
pub(super) fn part(timeline: &mut Timeline, time: impl Fn(usize) -> bool) -> Option<String> {
    let key = (0..timeline.names.len()).find_map(|index| {
        // `host_sessions` names no host, and numbers that change are no names
        // but for ids.
        let words = words(&timeline.names[index]);
        let last = words.last().map_or("", String::as_str);
        let id = matches!(last, "pid" | "id");
        let named =
            KEYS.contains(&last) && (id || matches!(timeline.columns[index], Column::Text(_)));
        let things = named
            .then(|| Things::of(&timeline.columns[index]))
            .flatten()?;
        (!time(index)).then_some((index, things))
    });
    let (key, things) = key?;
    let count = things.names.len();
    let shown = facts::example(timeline.names[key].as_bytes());
    let is_series = |index: usize, column: &Column| {
        index != key && !time(index) && matches!(column, Column::Numbers(_))
    };
    let series = (0..timeline.columns.len())
        .filter(|index| is_series(*index, &timeline.columns[*index]))
        .count();
    let columns = timeline.columns.len() + series * (count - 1);
    if columns as u64 > COLUMNS.most || columns.saturating_mul(timeline.len()) > CELLS {
        return Some(format!(
            "timeline: the rows are of {count} different {shown:?} in turn, which are too many to \
             be kept apart; write a file for each"
        ));
    }
    let old = std::mem::take(&mut timeline.columns);
    let (names, old_facts) = (
        std::mem::take(&mut timeline.names),
        std::mem::take(&mut timeline.facts),
    );
    let mut new_names = Vec::with_capacity(columns);
    for (index, ((column, name), facts)) in old.into_iter().zip(names).zip(old_facts).enumerate() {
        let Column::Numbers(values) = &column else {
            new_names.push(name);
            timeline.columns.push(column);
            timeline.facts.push(facts);
            continue;
        };
        if index == key || time(index) {
            new_names.push(name);
            timeline.columns.push(column);
            timeline.facts.push(facts);
            continue;
        }
        for (thing, called) in things.names.iter().enumerate() {
            let mut readings = 0;
            let own = values.iter().zip(&things.rows).map(|(value, of)| {
                let own = if *of == thing as u8 { value } else { f64::NAN };
                readings += usize::from(own.is_finite());
                own
            });
            let own: Packed = own.collect();
            timeline.facts.push(ColumnFacts {
                cells: readings + facts.unreadable,
                readings,
                ..facts.clone()
            });
            timeline.columns.push(Column::Numbers(own));
            new_names.push(format!("{name} [{called}]"));
        }
    }
    timeline.names = super::header::unique(new_names.into_iter());
    Some(format!(
        "timeline: the rows are of {count} different {shown:?} in turn; each has series of its own"
    ))
}

/// What the rows are of.
struct Things {
    names: Vec<String>,
    /// The thing of each row; 255 where it is not said.
    rows: Vec<u8>,
}

impl Things {
    /// `None` where it is always the same, or does not change from row to row.
    fn of(column: &Column) -> Option<Things> {
        let mut things = Things {
            names: Vec::new(),
            rows: Vec::new(),
        };
        let (mut turns, mut returns) = (0, 0);
        let mut take = |word: Option<String>| {
            let Some(word) = word else {
                things.rows.push(u8::MAX);
                return true;
            };
            let known = things.names.iter().position(|name| *name == word);
            let thing = known.unwrap_or_else(|| {
                things.names.push(word);
                things.names.len() - 1
            }) as u8;
            let turn = things.rows.last().is_some_and(|last| *last != thing);
            turns += usize::from(turn);
            returns += usize::from(turn && known.is_some());
            things.rows.push(thing);
            things.names.len() <= MAX_THINGS
        };
        let few = match column {
            Column::Numbers(values) => values
                .iter()
                .all(|value| take(value.is_finite().then(|| value.to_string()))),
            Column::Text(words) => words.iter().all(|word| take(word.map(str::to_owned))),
        };
        let take_turns = turns * 2 > things.rows.len() && returns >= things.names.len();
        (few && things.names.len() > 1 && take_turns).then_some(things)
    }
}
