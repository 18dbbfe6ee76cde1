//! A first look at a series, where there are thousands.
//!
//! Fitting every shape under every noise takes some milliseconds a series. Of
//! thousands most stand still, and what stands still is no leak: the rank
//! correlation of its blocks with time (Kendall 1938) says so at once. The bar
//! is so low that nothing passes below it which the full test, corrected for
//! that many series, could call a leak.

use super::window::Point;

/// With more series than this, each is looked at first.
pub(super) const MANY: usize = 300;

/// The rule of those that are not looked at further.
pub(super) const RULE: &str = "no-growth";

/// Blocks that a series is cut into.
const BLOCKS: usize = 40;
/// Standard deviations of no trend, of which fewer is none.
const BAR: f64 = 1.0;

/// Whether a series grows neither as a whole nor in its second half.
pub(super) fn stands_still(points: &[Point]) -> bool {
    let half = points.len() / 2;
    trend(points) < BAR && trend(&points[half..]) < BAR
}

/// Kendall's S over the means of blocks, in its standard deviations.
fn trend(points: &[Point]) -> f64 {
    let length = points.len().div_ceil(BLOCKS).max(1);
    let means: Vec<f64> = points
        .chunks(length)
        .map(|block| block.iter().map(|point| point.1).sum::<f64>() / block.len() as f64)
        .collect();
    let mut score = 0.0;
    for (index, early) in means.iter().enumerate() {
        for late in &means[index + 1..] {
            score += f64::from(i8::from(late > early) - i8::from(late < early));
        }
    }
    let n = means.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    if variance > 0.0 {
        score / variance.sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(value: impl Fn(usize) -> f64) -> Vec<Point> {
        (0..900)
            .map(|row| (row as f64 / 3_600.0, value(row)))
            .collect()
    }

    #[test]
    fn what_grows_at_last_is_looked_at() {
        let noise = |row: usize| (row * 7_919 % 97) as f64 / 10.0;
        assert!(stands_still(&points(|_| 7.0)));
        assert!(stands_still(&points(|row| 100.0 - row as f64 + noise(row))));
        assert!(stands_still(&points(|row| (row % 60) as f64)));
        assert!(!stands_still(&points(|row| row as f64 / 20.0 + noise(row))));
        // A warm-up that falls, then a leak.
        let after_a_fall = |row: usize| match row {
            0..300 => 300.0 - row as f64,
            _ => row as f64 / 20.0 + noise(row),
        };
        assert!(!stands_still(&points(after_a_fall)));
        assert!(!stands_still(&points(
            |row| (row % 60) as f64 + row as f64 / 10.0
        )));
    }
}
