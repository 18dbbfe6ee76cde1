//! A series reduced to the floor of each block.
//!
//! A cache that fills and is emptied, a heap that grows until it is collected:
//! a line through such a saw-tooth points up or down by accident. Its floor
//! does not, and a leak lifts the floor. How long a block must be to hold a
//! whole tooth only the series knows, so several lengths are tried, with and
//! without the teeth taken out (`teeth`), and the one whose floors show the
//! slope best is kept.

use super::teeth;
use super::window::Point;

/// No series is looked at more closely than this before it is reduced.
const FINEST: usize = 960;

/// Where a tooth ends is looked for more closely.
const FINEST_TEETH: usize = 3840;

/// Numbers of blocks that are tried, at most.
const COUNTS: [usize; 5] = [192, 96, 48, 24, 12];

/// Fewer floors than this say nothing of their noise.
pub(super) const LEAST: usize = 10;

/// What is gained by twice as long blocks must be more than luck: fewer blocks
/// are also a less certain estimate of their own noise.
const LUCK: f64 = 1.5;

/// Floors of equal stretches of time; NaN where a stretch has no reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blocks {
    pub values: Vec<f64>,
    /// Hours at the middle of the first block.
    pub first_hour: f64,
    /// Hours from one block to the next.
    pub step_hours: f64,
}

/// What stands for a block.
#[derive(Debug, Clone, Copy)]
enum Floor {
    /// Its lowest reading, or the second lowest of many: for saw-teeth.
    Lowest,
    /// Its lower quartile: for noise.
    Quartile,
    /// Its middle: for what had its teeth taken out, some better than others.
    Middle,
}

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn hours(&self) -> f64 {
        self.step_hours * self.len() as f64
    }

    /// Blocks that have a reading: their place from 0 to 1, and their floor.
    pub(super) fn known(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let last = self.len().saturating_sub(1).max(1) as f64;
        self.values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
            .map(move |(block, value)| (block as f64 / last, *value))
    }
}

/// The floors that show the slope of these points best. The points are in the
/// order of time and span some of it.
pub(super) fn floors(points: &[Point]) -> Option<Blocks> {
    let micro = micro_blocks(points, FINEST)?;
    let fine = micro_blocks(points, FINEST_TEETH)?;
    let level = teeth::levelled(&fine.quartile, points.len() > fine.len());
    let counts = COUNTS.iter().map(|count| (*count).min(micro.len()));
    let mut best: Option<(f64, Blocks)> = None;
    let (mut handicap, mut last) = (1.0, usize::MAX);
    for count in counts {
        if count == last {
            continue;
        }
        last = count;
        let candidates = [
            (&micro, Some(&micro.quartile), Floor::Quartile),
            (&micro, Some(&micro.lowest), Floor::Lowest),
            (&fine, level.as_ref(), Floor::Middle),
        ];
        for (micro, of, floor) in candidates {
            let Some(of) = of else { continue };
            let blocks = micro.joined(of, count, floor);
            let error = slope_error(&blocks) * handicap;
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, blocks));
            }
        }
        handicap *= LUCK;
    }
    best.map(|(_, mut blocks)| {
        clip(&mut blocks.values);
        blocks
    })
}

/// Means of equal stretches of time, for what is no level but a load.
pub(super) fn means(points: &[Point], like: &Blocks) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; like.len()], vec![0.0; like.len()]);
    for (hour, value) in points {
        let place = (hour - like.first_hour) / like.step_hours + 0.5;
        if place >= 0.0 && (place as usize) < like.len() {
            sums[place as usize] += value;
            counts[place as usize] += 1.0;
        }
    }
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(s, n)| s / n).collect();
    filled(&means)
}

/// Values with the last known one in place of each that is missing.
fn filled(values: &[f64]) -> Vec<f64> {
    let first = values.iter().copied().find(|v| v.is_finite());
    let mut last = first.unwrap_or(0.0);
    values
        .iter()
        .map(|value| {
            if value.is_finite() {
                last = *value;
            }
            last
        })
        .collect()
}

struct Micro {
    lowest: Vec<f64>,
    quartile: Vec<f64>,
    first_hour: f64,
    step_hours: f64,
}

fn micro_blocks(points: &[Point], finest: usize) -> Option<Micro> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let hours = last - first;
    if hours.is_nan() || hours <= 0.0 {
        return None;
    }
    // One reading a block where there are few, by the usual distance of two.
    let mut steps: Vec<f64> = points
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .filter(|step| *step > 0.0)
        .collect();
    let middle = steps.len() / 2;
    let (_, usual, _) = steps.select_nth_unstable_by(middle, f64::total_cmp);
    let count = ((hours / *usual).round() as usize)
        .saturating_add(1)
        .clamp(2, finest);
    // The first and the last reading lie in the middle of their blocks if each
    // block is one reading, and else at the edge.
    let step_hours = if count < finest {
        hours / (count - 1) as f64
    } else {
        hours / count as f64
    };
    let begin = if count < finest {
        first - step_hours / 2.0
    } else {
        first
    };
    let mut lowest = vec![f64::NAN; count];
    let mut quartile = vec![f64::NAN; count];
    let mut values: Vec<f64> = Vec::new();
    let mut from = 0;
    for block in 0..count {
        let end = begin + step_hours * (block + 1) as f64;
        let length = points[from..].partition_point(|point| point.0 < end);
        let to = if block + 1 == count {
            points.len()
        } else {
            from + length
        };
        values.clear();
        values.extend(points[from..to].iter().map(|point| point.1));
        lowest[block] = floor_of(&mut values, Floor::Lowest);
        quartile[block] = floor_of(&mut values, Floor::Quartile);
        from = to;
    }
    Some(Micro {
        lowest,
        quartile,
        first_hour: begin + step_hours / 2.0,
        step_hours,
    })
}

impl Micro {
    fn len(&self) -> usize {
        self.lowest.len()
    }

    fn joined(&self, of: &[f64], count: usize, floor: Floor) -> Blocks {
        let at = |block: usize| block * of.len() / count;
        let mut values: Vec<f64> = Vec::new();
        let floors = (0..count)
            .map(|block| {
                values.clear();
                let members = &of[at(block)..at(block + 1)];
                values.extend(members.iter().copied().filter(|v| v.is_finite()));
                floor_of(&mut values, floor)
            })
            .collect();
        let step_hours = self.step_hours * of.len() as f64 / count as f64;
        Blocks {
            values: floors,
            first_hour: self.first_hour + (step_hours - self.step_hours) / 2.0,
            step_hours,
        }
    }
}

/// The floor of values, which are reordered; NaN if there is none.
fn floor_of(values: &mut [f64], floor: Floor) -> f64 {
    let place = match floor {
        Floor::Lowest => usize::from(values.len() >= 12),
        Floor::Quartile => values.len() / 4,
        Floor::Middle => values.len() / 2,
    };
    if values.is_empty() {
        return f64::NAN;
    }
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

/// Readings far from their neighbours say nothing about a slope: what lies
/// more than five deviations from the middle of five is drawn in.
fn clip(values: &mut [f64]) {
    let middles: Vec<f64> = (0..values.len())
        .map(|at| {
            let near = &values[at.saturating_sub(2)..(at + 3).min(values.len())];
            let mut near: Vec<f64> = near.iter().copied().filter(|v| v.is_finite()).collect();
            near.sort_by(f64::total_cmp);
            near.get(near.len() / 2).copied().unwrap_or(f64::NAN)
        })
        .collect();
    let mut away: Vec<f64> = values
        .iter()
        .zip(&middles)
        .map(|(value, middle)| (value - middle).abs())
        .filter(|distance| distance.is_finite() && *distance > 0.0)
        .collect();
    if away.len() < 8 {
        return;
    }
    away.sort_by(f64::total_cmp);
    let reach = 5.0 * 1.4826 * away[away.len() / 2];
    for (value, middle) in values.iter_mut().zip(middles) {
        if value.is_finite() {
            *value = value.clamp(middle - reach, middle + reach);
        }
    }
}

/// How uncertain a line through the floors is, up to a factor that all counts
/// of blocks share: residual variance, widened by first-order correlation,
/// over the number of floors.
fn slope_error(blocks: &Blocks) -> f64 {
    let points: Vec<(f64, f64)> = blocks.known().collect();
    let count = points.len() as f64;
    if points.len() < LEAST {
        return f64::INFINITY;
    }
    let mean = |pick: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let across = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>();
    let along = points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    let slope = across / along;
    let residuals: Vec<f64> = points.iter().map(|p| p.1 - y - slope * (p.0 - x)).collect();
    let power: f64 = residuals.iter().map(|r| r * r).sum();
    if power <= 0.0 {
        return 0.0;
    }
    let next: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let raw = next / power;
    // The bias of an estimated correlation, with a line taken out
    // (Marriott & Pope 1954, Kendall 1954).
    let kept = (raw + (2.0 + 4.0 * raw.max(0.0)) / count).clamp(0.0, 0.98);
    power / count / count * (1.0 + kept) / (1.0 - kept)
}
