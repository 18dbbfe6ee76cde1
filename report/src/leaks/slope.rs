//! A slope that outliers cannot bend, and how certain it is.
//!
//! The estimate is the median of the slopes between all pairs of points
//! (Theil 1950, Sen 1968). Its interval is Sen's: the ranks of those slopes
//! that Kendall's statistic allows. Kendall's variance holds for independent
//! points; neighbouring floors are not, so it is widened by the correlation
//! that is left between them once the slope is taken out.

use super::floors::Point;

/// The normal quantile of a two-sided 99 % interval. Wide, because many series
/// are judged at once.
const Z_99: f64 = 2.576;

/// A slope and where the true one lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub per_hour: f64,
    pub low: f64,
    pub high: f64,
}

/// The slope through points in the order of time; `None` with fewer than four,
/// or if all are of one moment.
pub(super) fn theil_sen(points: &[Point]) -> Option<Slope> {
    if points.len() < 4 {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (index, earlier) in points.iter().enumerate() {
        for later in &points[index + 1..] {
            let hours = later.0 - earlier.0;
            if hours > 0.0 {
                slopes.push((later.1 - earlier.1) / hours);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    let per_hour = median(&slopes)?;
    let n = points.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation(points, per_hour);
    let reach = Z_99 * variance.sqrt();
    let pairs = slopes.len() as f64;
    let rank = |position: f64| {
        let index = position.clamp(0.0, pairs - 1.0) as usize;
        slopes[index]
    };
    Some(Slope {
        per_hour,
        low: rank(((pairs - reach) / 2.0).floor()),
        high: rank(((pairs + reach) / 2.0).ceil()),
    })
}

/// The middle of sorted values.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// By how much first-order correlation widens a variance: (1+ρ)/(1−ρ).
fn inflation(points: &[Point], slope: f64) -> f64 {
    let residuals: Vec<f64> = points.iter().map(|p| p.1 - slope * p.0).collect();
    let mean = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let centred: Vec<f64> = residuals.iter().map(|r| r - mean).collect();
    let power: f64 = centred.iter().map(|r| r * r).sum();
    if power <= f64::EPSILON * mean.abs().max(1.0) {
        return 1.0;
    }
    let next: f64 = centred.windows(2).map(|w| w[0] * w[1]).sum();
    let rho = (next / power).clamp(0.0, 0.8);
    (1.0 + rho) / (1.0 - rho)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize, slope: f64) -> Vec<Point> {
        (0..n)
            .map(|i| (i as f64, 10.0 + slope * i as f64))
            .collect()
    }

    #[test]
    fn a_line_has_its_own_slope_whatever_outliers_do() {
        let mut points = line(30, 2.0);
        points[3].1 = 1000.0;
        points[17].1 = -1000.0;
        let slope = theil_sen(&points).unwrap();
        assert!((slope.per_hour - 2.0).abs() < 1e-9);
        assert!(slope.low <= 2.0 && 2.0 <= slope.high);
    }

    /// The definition itself, without sharing a line with what it checks.
    fn median_of_pairwise_slopes(points: &[Point]) -> f64 {
        let mut slopes: Vec<f64> = (0..points.len())
            .flat_map(|i| (0..points.len()).map(move |j| (i, j)))
            .filter(|(i, j)| points[*i].0 < points[*j].0)
            .map(|(i, j)| (points[j].1 - points[i].1) / (points[j].0 - points[i].0))
            .collect();
        slopes.sort_by(f64::total_cmp);
        let n = slopes.len();
        (slopes[(n - 1) / 2] + slopes[n / 2]) / 2.0
    }

    #[test]
    fn the_estimate_is_its_definition_and_the_interval_holds_the_truth() {
        let mut state = 42u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut held = 0;
        for round in 0..500 {
            let n = 8 + round % 40;
            let truth = 4.0 * uniform() - 2.0;
            let points: Vec<Point> = (0..n)
                .map(|i| (i as f64, truth * i as f64 + 20.0 * (uniform() - 0.5)))
                .collect();
            let slope = theil_sen(&points).unwrap();
            let oracle = median_of_pairwise_slopes(&points);
            assert!((slope.per_hour - oracle).abs() < 1e-9);
            held += usize::from((slope.low..=slope.high).contains(&truth));
        }
        assert!(
            held >= 485,
            "a 99 % interval held the truth {held} times of 500"
        );
    }

    #[test]
    fn flat_is_zero_and_too_few_is_nothing() {
        let slope = theil_sen(&line(20, 0.0)).unwrap();
        assert_eq!((slope.per_hour, slope.low, slope.high), (0.0, 0.0, 0.0));
        assert_eq!(theil_sen(&line(3, 1.0)), None);
        assert_eq!(theil_sen(&[(1.0, 2.0); 10]), None);
    }

    #[test]
    fn correlated_wandering_is_less_certain_than_white_noise() {
        let white: Vec<Point> = (0..40)
            .map(|i| (i as f64, (i * 7919 % 13) as f64))
            .collect();
        let wandering: Vec<Point> = (0..40)
            .map(|i| (i as f64, 6.0 + 6.0 * (i as f64 / 6.0).sin()))
            .collect();
        assert!(inflation(&white, 0.0) < inflation(&wandering, 0.0));
    }
}
