//! Many short lives, each of which rises to a restart.
//!
//! A service that leaks and is killed every hour may never live long enough to be
//! judged. But lives that all go on rising in their later half have something in
//! common that chance gives to few: of n lives that stand still, all rise there
//! with a probability of 2⁻ⁿ.

use super::candidates::Unit;
use super::lives::Part;
use super::{LeakOptions, SeriesOutcome};
use crate::number::readable;
use crate::timeline::Timeline;

/// The rule of lives that rise alike.
pub(super) const RULE: &str = "lives";

/// Readings that a life must have to have a beginning, a middle and an end.
const LEAST: usize = 6;
/// This part of the lives must rise to their ends.
const MAX_LIVES: f64 = 0.8;
/// What rises to its end gains this part of its growth in its later half.
const LATER: f64 = 0.25;
/// What does not slow gains this part of what it gained in the earlier half.
const EVEN: f64 = 0.8;

/// What the lives of a series have in common, if they rise alike.
pub(super) fn rise(
    timeline: &Timeline,
    name: &str,
    unit: Unit,
    lives: &[Part],
    options: &LeakOptions,
) -> Option<(SeriesOutcome, String)> {
    let values = timeline.series(name)?;
    let hours = timeline.elapsed_hours();
    let mut rises: Vec<Rise> = lives
        .iter()
        .filter_map(|life| Rise::of(&life.rows, &values, hours, unit.factor()))
        .collect();
    let known = rises.len();
    let material = match unit {
        Unit::Memory { .. } => &options.material_mb,
        Unit::Count => &options.material_count,
    };
    let all_later: Vec<f64> = rises.iter().map(|rise| rise.later).collect();
    rises.retain(Rise::goes_on);
    let enough = (MAX_LIVES * known as f64).ceil() as usize;
    let matters = rises
        .iter()
        .filter(|rise| rise.grown() > material.growth(rise.first, rise.hours))
        .count();
    let alike = rises.len() >= enough.max(2) && in_step(&all_later);
    if !alike || 2 * matters < rises.len() {
        return None;
    }
    let middle = |of: fn(&Rise) -> f64| {
        let mut all: Vec<f64> = rises.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let even = middle(|rise| rise.later) >= EVEN * middle(|rise| rise.earlier);
    let chance = by_chance(known, rises.len());
    let grown = format!("{} {}", readable(middle(Rise::grown)), unit.name());
    let said = format!(
        "{} of {known} lives rise to their ends, by {} in {} min as a rule",
        rises.len(),
        grown.trim(),
        readable(middle(|rise| rise.hours) * 60.0),
    );
    Some(if even && chance < options.alpha() {
        let said = format!("{said}, and do not slow; by chance with a probability of {chance:.1e}");
        (SeriesOutcome::Leak, said)
    } else {
        let said =
            format!("{said}: it leaks, or is restarted before it settles; let it run longer");
        (SeriesOutcome::Inconclusive, said)
    })
}

/// Whether what the lives gain is more than their differences: Student's t, with
/// 97.5 % on one side.
fn in_step(gains: &[f64]) -> bool {
    /// For one to nine degrees of freedom; two are enough for more.
    const BARS: [f64; 9] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];
    let n = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let bar = gains.len().checked_sub(2).and_then(|index| BARS.get(index));
    gains.len() > 1 && mean > bar.unwrap_or(&2.2) * error
}

/// That so many or more of all lives rise in their later half by chance.
fn by_chance(all: usize, rising: usize) -> f64 {
    let mut choose = 1.0_f64;
    let mut sum = 0.0;
    for k in (0..=all).rev() {
        if k < rising {
            break;
        }
        sum += choose;
        choose *= k as f64 / (all - k + 1) as f64;
    }
    sum * 0.5_f64.powi(i32::try_from(all).unwrap_or(i32::MAX))
}

/// How one life goes.
struct Rise {
    first: f64,
    earlier: f64,
    later: f64,
    hours: f64,
}

impl Rise {
    /// From the medians of its thirds.
    fn of(rows: &[u32], values: &[f64], hours: &[f64], factor: f64) -> Option<Rise> {
        let read: Vec<usize> = rows
            .iter()
            .map(|row| *row as usize)
            .filter(|row| values[*row].is_finite())
            .collect();
        if read.len() < LEAST {
            return None;
        }
        let level = |third: usize| {
            let rows = &read[third * read.len() / 3..(third + 1) * read.len() / 3];
            let mut values: Vec<f64> = rows.iter().map(|row| values[*row] * factor).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (first, second, third) = (level(0), level(1), level(2));
        Some(Rise {
            first,
            earlier: second - first,
            later: third - second,
            hours: hours[read[read.len() - 1]] - hours[read[0]],
        })
    }

    /// From its first row to its last: the medians are a third apart each.
    fn grown(&self) -> f64 {
        1.5 * (self.earlier + self.later)
    }

    fn goes_on(&self) -> bool {
        self.later > 0.0 && self.later >= LATER * (self.earlier + self.later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_a_fair_coin() {
        assert!((by_chance(8, 8) - 1.0 / 256.0).abs() < 1e-12);
        assert!((by_chance(4, 3) - 5.0 / 16.0).abs() < 1e-12);
        assert!((by_chance(3, 0) - 1.0).abs() < 1e-12);
        assert!(by_chance(500, 500) < 1e-100);
    }
}
