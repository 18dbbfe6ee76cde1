//! A saw-tooth without its teeth.
//!
//! Few teeth have few floors, and their noise can hide a leak that the rest of
//! the readings would show. Where a series falls deeply again and again, what
//! it gains between two falls is regressed on the time since the last one and
//! on the part of the tooth gone by, and taken out of every reading.

use std::ops::Range;

use super::noise;

/// A fall by this part of the usual range begins a tooth.
const DEEP: f64 = 0.35;

/// Fewer teeth are no pattern.
const MIN_TEETH: usize = 5;

/// Teeth must make up this part of the variance about a line.
const SHARE: f64 = 0.5;

/// The last tooth may be so many times as long as the longest before.
const UNFINISHED: usize = 2;

/// A tooth that lies so many times as far from its neighbours as teeth do.
const MISREAD: f64 = 2.0;

/// The series with its teeth taken out; `None` if it has none, or if that would
/// leave less than half of it. NaN before the
/// first fall and, if each value stands for several readings, where those of
/// two teeth are mixed.
pub(super) fn levelled(values: &[f64], several: bool) -> Option<Vec<f64>> {
    let starts = falls(values)?;
    let lengths = starts.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = lengths.max().unwrap_or(0);
    // What goes on for much longer than any tooth did is none.
    if values.len() - starts[starts.len() - 1] > UNFINISHED * longest {
        return None;
    }
    let teeth = Teeth::of(&starts, values.len());
    let last = values.len() as f64;
    let from = starts[0];
    let column = |value: &dyn Fn(usize) -> f64| (from..values.len()).map(value).collect();
    let columns: Vec<Vec<f64>> = vec![
        column(&|_| 1.0),
        column(&|at| at as f64 / last),
        column(&|at| teeth.gone[at]),
        column(&|at| teeth.part[at]),
    ];
    let mut tail = values[from..].to_vec();
    let left = |columns: &[Vec<f64>]| -> Option<f64> {
        let fitted = noise::least_squares(&tail, columns)?;
        let known = tail
            .iter()
            .zip(fitted)
            .filter(|(value, _)| value.is_finite());
        Some(known.map(|(value, fitted)| (value - fitted).powi(2)).sum())
    };
    // Teeth of one length: the time gone and the part gone are one column.
    let used = if left(&columns).is_some() { 4 } else { 3 };
    if left(&columns[..used])? > (1.0 - SHARE) * left(&columns[..2])? {
        return None;
    }
    let mut level = without(&tail, &columns[..used])?;
    for at in misread(&level, &starts) {
        tail[at].fill(f64::NAN);
    }
    // How long the last tooth would have become nobody knows.
    if starts.len() > MIN_TEETH {
        tail[starts[starts.len() - 1] - from..].fill(f64::NAN);
    }
    if several {
        for start in &starts {
            tail[(start - from).saturating_sub(1)..=start - from].fill(f64::NAN);
        }
    }
    level = without(&tail, &columns[..used])?;
    let mut whole = vec![f64::NAN; from];
    whole.append(&mut level);
    let known = whole.iter().filter(|value| value.is_finite()).count();
    (2 * known >= whole.len()).then_some(whole)
}

/// What is left of values without all columns but the first two.
fn without(values: &[f64], columns: &[Vec<f64>]) -> Option<Vec<f64>> {
    let fitted = noise::coefficients(values, columns)?;
    let tooth = |at: usize| -> f64 { (2..columns.len()).map(|k| fitted[k] * columns[k][at]).sum() };
    let level = values.iter().enumerate().map(|(at, v)| v - tooth(at));
    Some(level.collect())
}

/// Teeth that are none: two of which the fall between was missed, and parts of
/// one that noise cut in two. They lie far from the level of their neighbours.
fn misread(level: &[f64], starts: &[usize]) -> Vec<Range<usize>> {
    let from = starts[0];
    let ends = starts[1..].iter().copied().chain([from + level.len()]);
    let teeth: Vec<Range<usize>> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| start - from..end - from)
        .collect();
    let middles: Vec<f64> = teeth.iter().map(|at| middle(&level[at.clone()])).collect();
    let away: Vec<f64> = teeth
        .iter()
        .enumerate()
        .map(|(tooth, at)| {
            let near = &middles[tooth.saturating_sub(2)..(tooth + 3).min(middles.len())];
            let near = middle(near);
            let known = level[at.clone()].iter().filter(|v| v.is_finite());
            let sum: f64 = known.clone().map(|value| (value - near).abs()).sum();
            sum / known.count().max(1) as f64
        })
        .collect();
    let usual = middle(&away);
    teeth
        .into_iter()
        .zip(away)
        .filter(|(_, away)| *away > MISREAD * usual)
        .map(|(at, _)| at)
        .collect()
}

/// The median of what is known; NaN if nothing is.
fn middle(values: &[f64]) -> f64 {
    let mut known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if known.is_empty() {
        return f64::NAN;
    }
    let middle = known.len() / 2;
    *known.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Where deep falls end.
fn falls(values: &[f64]) -> Option<Vec<usize>> {
    let range = range(values)?;
    let mut starts = Vec::new();
    let mut at = 1;
    while at < values.len() {
        // A fall may be cut in two by the edge of a block.
        let before = values[at.saturating_sub(2)].max(values[at - 1]);
        let goes_on = values
            .get(at + 1)
            .is_some_and(|next| *next < values[at] - DEEP * range / 2.0);
        if before - values[at] > DEEP * range && !goes_on {
            starts.push(at);
            at += 2;
        }
        at += 1;
    }
    (starts.len() >= MIN_TEETH && starts[0] < values.len() / 3).then_some(starts)
}

/// The usual range within a fifth of the series, to which a trend or a step
/// adds little.
fn range(values: &[f64]) -> Option<f64> {
    let mut ranges: Vec<f64> = values
        .chunks(values.len() / 5 + 1)
        .filter_map(|part| {
            let mut known: Vec<f64> = part.iter().copied().filter(|v| v.is_finite()).collect();
            known.sort_by(f64::total_cmp);
            let tail = known.len() / 20;
            Some(known.get(known.len().checked_sub(1 + tail)?)? - known.get(tail)?)
        })
        .collect();
    ranges.sort_by(f64::total_cmp);
    ranges
        .get(ranges.len() / 2)
        .copied()
        .filter(|range| *range > 0.0)
}

/// For each reading, the time since the last fall and the part of its tooth.
struct Teeth {
    gone: Vec<f64>,
    part: Vec<f64>,
}

impl Teeth {
    fn of(starts: &[usize], count: usize) -> Teeth {
        let (mut gone, mut part) = (vec![0.0; count], vec![0.0; count]);
        for (tooth, start) in starts.iter().enumerate() {
            let next = starts.get(tooth + 1).copied();
            let end = next.unwrap_or(count);
            // Of the last tooth only the length of the one before is known.
            let length = match tooth.checked_sub(1) {
                Some(before) if next.is_none() => (start - starts[before]).max(end - start),
                _ => end - start,
            };
            for at in *start..end {
                // The fall was somewhere between this reading and the last.
                let since = (at - start) as f64 + 0.5;
                gone[at] = since / count as f64;
                part[at] = since / length as f64;
            }
        }
        Teeth { gone, part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saw_tooth_is_level_without_its_teeth_and_its_leak_stays() {
        let values: Vec<f64> = (0..300)
            .map(|n| 100.0 + 0.01 * f64::from(n) + f64::from(n % 30))
            .collect();
        let level = levelled(&values, false).unwrap();
        let known: Vec<f64> = level.into_iter().filter(|v| v.is_finite()).collect();
        let rise = known[known.len() - 1] - known[0];
        assert!((rise - 0.01 * known.len() as f64).abs() < 0.2, "{rise}");
    }

    #[test]
    fn what_has_no_teeth_is_left_alone() {
        let line: Vec<f64> = (0..300).map(f64::from).collect();
        assert_eq!(levelled(&line, true), None);
        assert_eq!(levelled(&[1.0; 300], true), None);
        assert_eq!(levelled(&[1.0, 0.0], true), None);
    }
}
