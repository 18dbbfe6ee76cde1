//! The end of a file: what its cells mean is decided by all of them, and its
//! rows are put where they belong.

use super::calendar::turned;
use super::facts::ColumnFacts;
use super::filling::{Filled, Filling};
use super::leaps::{Course, settle};
use super::numbers::{Customs, Locale};
use super::{Column, Timeline, long_tables};

/// The timeline of what was read.
pub(super) fn finished(mut filling: Filling) -> Timeline {
    let mut notes = Vec::new();
    for (column, name) in filling.columns.iter_mut().zip(&filling.names) {
        if let Filled::Words(words) = column
            && !words.fixed
            && words.facts.readings * 2 >= words.facts.cells.max(1)
        {
            *column = Filled::Numbers(words.numbers(name));
        }
    }
    let elapsed = filling.time.clock.elapsed_unit();
    let commas = elapsed.is_some()
        && matches!(&filling.columns[filling.time.column],
            Filled::Numbers(numbers) if numbers.has_marks());
    notes.extend(resolve(&mut filling));
    let (mut columns, facts) = columns(&mut filling);
    let time = &filling.time;
    let mut hours = std::mem::take(&mut filling.hours);
    if let (Some(unit), true, Column::Numbers(values)) = (elapsed, commas, &columns[time.column])
        && facts[time.column].unit.is_none()
    {
        // Its commas were read one by one; now it is known what they are.
        hours = values.iter().map(|value| value * unit).collect();
    }
    if time.clock.calendar.is_open() {
        notes.extend(ordered(&mut hours));
    }
    if time.clock.is_mixed() {
        notes.push(
            "timeline: times since 1970 are in seconds in some rows and in parts of them in \
             others; each is read by its size"
                .to_owned(),
        );
    }
    let continues = |before: usize, after: usize| continues(&columns, before, after);
    let course = Course {
        absolute: time.clock.is_absolute(),
        local: time.clock.is_of_dates() && time.clock.calendar.is_local(),
        headers: &filling.headers,
        continues: &continues,
    };
    let settled = settle(&mut hours, &course);
    notes.extend(settled.notes);
    let untimed = hours.iter().filter(|hour| !hour.is_finite()).count();
    filling.losses.untimed_rows += untimed;
    filling.losses.reordered_rows = settled.reordered;
    if let Some(order) = &settled.order {
        let sorted = |values: &[f64], row: &u32| values[*row as usize];
        hours = order.iter().map(|row| sorted(&hours, row)).collect();
        for column in &mut columns {
            match column {
                Column::Numbers(values) => {
                    let plain = values.to_vec();
                    *values = order.iter().map(|row| sorted(&plain, row)).collect();
                }
                Column::Text(words) => words.reorder(order),
            }
        }
    }
    if time.clock.is_absolute()
        && let Some(&first) = hours.first()
    {
        for hour in &mut hours {
            *hour -= first;
        }
    }
    hours.shrink_to_fit();
    let mut losses = filling.losses;
    for (name, fact) in filling.names.iter().zip(&facts) {
        losses.garbage(name, fact);
    }
    let named = filling.names.iter().enumerate();
    let time_names: Vec<String> = named
        .filter(|(index, _)| time.is(*index))
        .map(|(_, name)| name.clone())
        .collect();
    let mut timeline = Timeline {
        names: filling.names,
        columns,
        hours,
        losses,
        facts,
        runs: settled.runs,
        time: Vec::new(),
    };
    notes.extend(long_tables::part(&mut timeline, |index| time.is(index)));
    timeline.time = (0..timeline.names.len())
        .filter(|index| time_names.contains(&timeline.names[*index]))
        .collect();
    timeline.losses.notes = notes;
    timeline
}

/// Decides what the cells of each column mean.
fn resolve(filling: &mut Filling) -> Vec<String> {
    let mut locale = Locale::default();
    for column in &filling.columns {
        if let Filled::Numbers(numbers) = column {
            locale = locale.with(numbers.locale);
        }
    }
    let customs = Customs {
        locale,
        delimiter: filling.delimiter,
    };
    let mut notes = Vec::new();
    for (column, name) in filling.columns.iter_mut().zip(&filling.names) {
        if let Filled::Numbers(numbers) = column {
            notes.extend(numbers.resolve(name, customs));
        }
    }
    notes
}

/// The columns as they are kept.
fn columns(filling: &mut Filling) -> (Vec<Column>, Vec<ColumnFacts>) {
    std::mem::take(&mut filling.columns)
        .into_iter()
        .map(|column| match column {
            Filled::Numbers(numbers) => {
                let (values, facts) = numbers.finish();
                (Column::Numbers(values), facts)
            }
            Filled::Words(mut words) => {
                words.words.shrink();
                let facts = ColumnFacts {
                    readings: 0,
                    unreadable: words.facts.cells,
                    ..words.facts
                };
                (Column::Text(words.words), facts)
            }
        })
        .unzip()
}

/// Reads dates in the order in which they are nearer to each other, where
/// none of them shows which part is the day.
fn ordered(hours: &mut [f64]) -> Option<String> {
    let span = |hours: &mut dyn Iterator<Item = f64>| {
        let (low, high) = hours.fold((f64::MAX, f64::MIN), |(low, high), hour| {
            (low.min(hour), high.max(hour))
        });
        high - low
    };
    let other = |hour: f64| turned(hour * 3600.0) / 3600.0;
    let day_first = span(&mut hours.iter().copied());
    let month_first = span(&mut hours.iter().map(|hour| other(*hour)));
    // Within a day it makes no difference.
    if (day_first - month_first).abs() < 1e-6 {
        return None;
    }
    let turn = month_first < day_first;
    if turn {
        for hour in hours.iter_mut() {
            *hour = other(*hour);
        }
    }
    let first = if turn { "month" } else { "day" };
    Some(format!(
        "timeline: dates are read with the {first} first, as they are nearer to each other then"
    ))
}

/// Whether the series go on from one row to another: of most columns that move
/// at all, the jump between is small beside all that they moved.
fn continues(columns: &[Column], before: usize, after: usize) -> bool {
    let (mut moving, mut jumping) = (0, 0);
    for column in columns {
        let Column::Numbers(values) = column else {
            continue;
        };
        let values = values.to_vec();
        let near = |rows: &[f64]| {
            let mut some: Vec<f64> = rows.iter().copied().filter(|v| v.is_finite()).collect();
            some.sort_by(f64::total_cmp);
            some.get(some.len() / 2).copied()
        };
        let (Some(left), Some(right)) = (
            near(&values[before.saturating_sub(4)..=before]),
            near(&values[after..(after + 5).min(values.len())]),
        ) else {
            continue;
        };
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let range = finite().fold(f64::MIN, f64::max) - finite().fold(f64::MAX, f64::min);
        if range > 0.0 {
            moving += 1;
            jumping += usize::from((right - left).abs() > 0.3 * range);
        }
    }
    // The time column itself jumps.
    jumping <= 1 || jumping * 2 <= moving
}
