//! A saw-tooth without its teeth.
//!
//! Few teeth have few floors, and their noise can hide a leak that the rest of
//! the readings would show. Where a series falls deeply again and again, what
//! it gains between two falls is regressed on the time since the last one and
//! on the part of the tooth gone by, and taken out of every reading.

use super::noise;

/// A fall by this part of the usual range begins a tooth.
const DEEP: f64 = 0.35;

/// Fewer teeth are no pattern.
const LEAST_TEETH: usize = 5;

/// Teeth must make up this part of the variance about a line.
const SHARE: f64 = 0.5;

/// The series with its teeth taken out; `None` if it has none. NaN before the
/// first fall.
pub(super) fn levelled(values: &[f64]) -> Option<Vec<f64>> {
    let starts = falls(values)?;
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
    let tail = &values[from..];
    let left = |columns: &[Vec<f64>]| -> Option<f64> {
        let told = noise::least_squares(tail, columns)?;
        let known = tail.iter().zip(told).filter(|(value, _)| value.is_finite());
        Some(known.map(|(value, told)| (value - told).powi(2)).sum())
    };
    // Teeth of one length: the time gone and the part gone are one column.
    let used = if left(&columns).is_some() { 4 } else { 3 };
    if left(&columns[..used])? > (1.0 - SHARE) * left(&columns[..2])? {
        return None;
    }
    let fitted = noise::coefficients(tail, &columns[..used])?;
    let tooth = |at: usize| -> f64 { (2..used).map(|k| fitted[k] * columns[k][at - from]).sum() };
    let level = |at: usize| {
        if at < from {
            f64::NAN
        } else {
            values[at] - tooth(at)
        }
    };
    Some((0..values.len()).map(level).collect())
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
    (starts.len() >= LEAST_TEETH && starts[0] < values.len() / 3).then_some(starts)
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
                gone[at] = (at - start) as f64 / count as f64;
                part[at] = (at - start) as f64 / length as f64;
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
        let level = levelled(&values).unwrap();
        let known: Vec<f64> = level.into_iter().filter(|v| v.is_finite()).collect();
        let rise = known[known.len() - 1] - known[0];
        assert!((rise - 0.01 * known.len() as f64).abs() < 0.2, "{rise}");
    }

    #[test]
    fn what_has_no_teeth_is_left_alone() {
        let line: Vec<f64> = (0..300).map(f64::from).collect();
        assert_eq!(levelled(&line), None);
        assert_eq!(levelled(&[1.0; 300]), None);
        assert_eq!(levelled(&[1.0, 0.0]), None);
    }
}
