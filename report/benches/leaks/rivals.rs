//! What is done in the field, on the same series: each a function that says
//! whether it would call the series a leak.

use crate::kinds::Series;

pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) calls: fn(&[f64]) -> bool,
}

pub(crate) const RIVALS: &[Rival] = &[
    Rival {
        name: "OLS slope, p < 0.01",
        calls: ols,
    },
    Rival {
        name: "> 10 % and > 20 MB",
        calls: growth,
    },
    Rival {
        name: "Mann-Kendall, p < 0.01",
        calls: |values| mann_kendall(values, false),
    },
    Rival {
        name: "Hamed-Rao, p < 0.01",
        calls: |values| mann_kendall(values, true),
    },
    Rival {
        name: "last/first quarter > 1.05",
        calls: quarters,
    },
];

/// One-sided 1 %.
const Z: f64 = 2.326;

/// At most two hundred means, so that tests of all pairs end in time.
pub(crate) fn thinned(series: &Series) -> Vec<f64> {
    let known: Vec<f64> = series
        .values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    let count = known.len().min(200);
    (0..count)
        .map(|part| mean(&known[part * known.len() / count..(part + 1) * known.len() / count]))
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn ols(values: &[f64]) -> bool {
    let count = values.len() as f64;
    let (x_mean, y_mean) = ((count - 1.0) / 2.0, mean(values));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (at as f64 - x_mean, value - y_mean);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let slope = xy / xx;
    let error = ((yy - slope * xy) / (count - 2.0) / xx).sqrt();
    slope > Z * error
}

fn growth(values: &[f64]) -> bool {
    let part = (values.len() / 10).max(1);
    let (first, last) = (mean(&values[..part]), mean(&values[values.len() - part..]));
    last - first > 20.0 && last > 1.1 * first
}

fn quarters(values: &[f64]) -> bool {
    let part = values.len() / 4;
    mean(&values[values.len() - part..]) > 1.05 * mean(&values[..part])
}

/// Mann 1945, Kendall 1948; the correction for autocorrelated ranks after
/// Hamed & Rao 1998, with the significant lags only.
fn mann_kendall(values: &[f64], corrected: bool) -> bool {
    let count = values.len();
    let n = count as f64;
    let (mut score, mut slopes) = (0.0, Vec::with_capacity(count * count / 2));
    for i in 0..count {
        for j in i + 1..count {
            let rise = values[j] - values[i];
            score += if rise > 0.0 {
                1.0
            } else if rise < 0.0 {
                -1.0
            } else {
                0.0
            };
            slopes.push(rise / (j - i) as f64);
        }
    }
    let mut variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    if corrected {
        let middle = slopes.len() / 2;
        let (_, slope, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
        let rest: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(at, value)| value - *slope * at as f64)
            .collect();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| rest[*a].total_cmp(&rest[*b]));
        let mut ranks = vec![0.0; count];
        for (rank, at) in order.into_iter().enumerate() {
            ranks[at] = rank as f64 - (n - 1.0) / 2.0;
        }
        let power: f64 = ranks.iter().map(|r| r * r).sum();
        let mut widening = 0.0;
        for lag in 1..count - 2 {
            let products: f64 = ranks.iter().zip(&ranks[lag..]).map(|(a, b)| a * b).sum();
            let correlation = products / power;
            if correlation.abs() > 1.96 / n.sqrt() {
                let left = (count - lag) as f64;
                widening += left * (left - 1.0) * (left - 2.0) * correlation;
            }
        }
        variance *= (1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * widening).max(0.05);
    }
    (score - 1.0) > Z * variance.sqrt()
}
