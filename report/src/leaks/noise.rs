//! How sure a coefficient is when neighbouring readings resemble each other.
//!
//! A series is a sum of columns (a constant, time, a step …) and of noise. The
//! noise is an autoregression of first order, from white noise to a random
//! walk, seen through white noise on top: the state-space form of an ARMA(1,1)
//! (Harvey 1989, "Forecasting, structural time series models and the Kalman
//! filter"). Missing blocks are only predicted, never invented.
//!
//! Nobody knows the noise's correlation, and an estimate from few readings is
//! too low, which is why tests that plug one in call noise a leak. So no single
//! value is plugged in: each noise of a grid gets the weight of its restricted
//! likelihood (Patterson & Thompson 1971, "Recovery of inter-block information
//! when block sizes are unequal"), and the coefficient is judged by the mixture
//! of all of them. Where a random walk is as likely as white noise, the mixture
//! says so with a wide interval.

use crate::normal::{bisect, student_upper_tail};

/// Noise, relative to its innovations, which have variance 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// How much of the state is kept from one block to the next.
    pub kept: f64,
    /// The variance of the white noise on top.
    pub white: f64,
}

impl Noise {
    /// The weight before anything is seen. A slow wandering under much white
    /// noise looks like white noise, and the grid has many of them; unweighted,
    /// they made intervals under white noise a third too wide.
    fn before(self) -> f64 {
        1.0 / (1.0 + self.white.ln_1p())
    }
}

/// How much is kept, with the variances of white noise looked at. In place of
/// a random walk stands one that forgets a part in two thousand, so that its
/// variance is finite; over some hundreds of blocks nothing distinguishes them.
const FINE: &[(f64, &[f64])] = &[
    (-0.3, &[0.0]),
    (-0.15, &[0.0]),
    (0.0, &[0.0]),
    (0.15, &[0.0]),
    (0.3, &[0.0]),
    (0.45, &[0.0]),
    (0.6, &[0.0, 2.0]),
    (0.72, &[0.0, 2.0]),
    (0.82, &[0.0, 1.0, 6.0]),
    (0.89, &[0.0, 1.0, 8.0]),
    (0.94, &[0.0, 1.0, 5.0, 25.0]),
    (0.97, &[0.0, 1.0, 8.0, 64.0]),
    (0.99, &[0.0, 1.0, 8.0, 64.0, 512.0]),
    (0.9995, &[0.0, 1.0, 8.0, 64.0, 512.0]),
];

/// A thinner grid, for choosing between shapes.
const COARSE: &[(f64, &[f64])] = &[
    (0.0, &[0.0]),
    (0.3, &[0.0]),
    (0.6, &[0.0]),
    (0.82, &[0.0, 4.0]),
    (0.94, &[0.0, 4.0, 25.0]),
    (0.9995, &[0.0, 4.0, 64.0]),
];

fn grid(points: &'static [(f64, &'static [f64])]) -> impl Iterator<Item = Noise> {
    points.iter().flat_map(|(kept, whites)| {
        whites.iter().map(|white| Noise {
            kept: *kept,
            white: *white,
        })
    })
}

/// Columns fitted to values under one noise.
struct Fit {
    coefficients: Vec<f64>,
    /// The inverse of X'V⁻¹X, to be multiplied by the variance.
    inverse: Vec<Vec<f64>>,
    variance: f64,
    freedom: f64,
    log_likelihood: f64,
    restricted: f64,
}

/// The largest log likelihood of the values under these columns and any noise.
pub(super) fn log_likelihood(values: &[f64], columns: &[Vec<f64>]) -> f64 {
    grid(COARSE)
        .filter_map(|noise| fit(values, columns, noise))
        .map(|fit| fit.log_likelihood)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// What is known of the coefficient of one column: a mixture of Student's t.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    weight: f64,
    centre: f64,
    error: f64,
    freedom: f64,
}

/// The coefficient of the column at `of`; `None` if the columns do not determine it.
pub(super) fn posterior(values: &[f64], columns: &[Vec<f64>], of: usize) -> Option<Posterior> {
    let fits: Vec<(Noise, Fit)> = grid(FINE)
        .filter_map(|noise| Some((noise, fit(values, columns, noise)?)))
        .collect();
    let best = fits
        .iter()
        .map(|(_, fit)| fit.restricted)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut parts: Vec<Part> = fits
        .iter()
        .map(|(noise, fit)| Part {
            weight: (fit.restricted - best).exp() * noise.before(),
            centre: fit.coefficients[of],
            error: (fit.variance * fit.inverse[of][of]).sqrt(),
            freedom: fit.freedom,
        })
        .filter(|part| part.weight > 1e-6)
        .collect();
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    for part in &mut parts {
        part.weight /= total;
    }
    (!parts.is_empty() && parts.iter().all(|part| part.error.is_finite()))
        .then_some(Posterior { parts })
}

impl Posterior {
    /// The mean of the mixture.
    pub(super) fn mean(&self) -> f64 {
        self.parts.iter().map(|p| p.weight * p.centre).sum()
    }

    /// The deviation of the mixture.
    pub(super) fn error(&self) -> f64 {
        let mean = self.mean();
        self.parts
            .iter()
            .map(|p| p.weight * (p.error * p.error + (p.centre - mean).powi(2)))
            .sum::<f64>()
            .sqrt()
    }

    /// The probability that the coefficient is above `value`.
    pub(super) fn above(&self, value: f64) -> f64 {
        1.0 - self.below(value)
    }

    /// The probability that the coefficient is below `value`.
    pub(super) fn below(&self, value: f64) -> f64 {
        self.parts
            .iter()
            .map(|p| {
                let below = if p.error > 0.0 {
                    student_upper_tail((p.centre - value) / p.error, p.freedom)
                } else {
                    f64::from(u8::from(p.centre <= value))
                };
                p.weight * below
            })
            .sum()
    }

    /// Where the coefficient lies, with `tail` left on either side.
    pub(super) fn interval(&self, tail: f64) -> [f64; 2] {
        let (mean, reach) = (self.mean(), 60.0 * self.error());
        let (low, high) = (mean - reach, mean + reach);
        [
            bisect(low, high, |value| self.below(value) < tail),
            bisect(low, high, |value| self.above(value) > tail),
        ]
    }
}

/// The coefficients of the columns under white noise, for the values less the
/// first of them.
pub(super) fn coefficients(values: &[f64], columns: &[Vec<f64>]) -> Option<Vec<f64>> {
    let white = Noise {
        kept: 0.0,
        white: 0.0,
    };
    Some(fit(values, columns, white)?.coefficients)
}

/// The values as their columns give them under white noise.
pub(super) fn least_squares(values: &[f64], columns: &[Vec<f64>]) -> Option<Vec<f64>> {
    let base = values.iter().copied().find(|value| value.is_finite())?;
    let coefficients = coefficients(values, columns)?;
    let value = |at: usize| -> f64 {
        let parts = coefficients
            .iter()
            .zip(columns)
            .map(|(c, column)| c * column[at]);
        base + parts.sum::<f64>()
    };
    Some((0..values.len()).map(value).collect())
}

/// Generalised least squares by the Kalman filter's innovations: the filter
/// that whitens the values whitens the columns too.
fn fit(values: &[f64], columns: &[Vec<f64>], noise: Noise) -> Option<Fit> {
    let width = columns.len();
    // Counted from the first, so that a high level costs no digits.
    let base = values.iter().copied().find(|value| value.is_finite())?;
    let mut states = vec![0.0; width + 1];
    let mut innovations = vec![0.0; width + 1];
    let mut products = vec![vec![0.0; width]; width];
    let mut with_values = vec![0.0; width];
    let (mut power, mut log_scale, mut count) = (0.0, 0.0, 0usize);
    let mut spread = 1.0 / (1.0 - noise.kept * noise.kept);
    for (at, value) in values.iter().enumerate() {
        if value.is_finite() {
            let scale = spread + noise.white;
            let gain = spread / scale;
            for (index, state) in states.iter_mut().enumerate() {
                let seen = if index < width {
                    columns[index][at]
                } else {
                    *value - base
                };
                let innovation = seen - *state;
                innovations[index] = innovation;
                *state = noise.kept * (*state + gain * innovation);
            }
            let residual = innovations[width];
            for row in 0..width {
                let weighted = innovations[row] / scale;
                for column in 0..=row {
                    products[row][column] += weighted * innovations[column];
                }
                with_values[row] += weighted * residual;
            }
            power += residual * residual / scale;
            log_scale += scale.ln();
            count += 1;
            spread *= 1.0 - gain;
        } else {
            for state in &mut states {
                *state *= noise.kept;
            }
        }
        spread = noise.kept * noise.kept * spread + 1.0;
    }
    if count < width + 2 {
        return None;
    }
    let (inverse, log_determinant) = invert(products)?;
    let coefficients: Vec<f64> = inverse
        .iter()
        .map(|row| row.iter().zip(&with_values).map(|(a, b)| a * b).sum())
        .collect();
    let explained: f64 = coefficients
        .iter()
        .zip(&with_values)
        .map(|(a, b)| a * b)
        .sum();
    // Rounding must not make a perfect fit infinitely likely.
    let left = (power - explained).max(power * 1e-12).max(1e-300);
    let freedom = (count - width) as f64;
    let variance = left / freedom;
    Some(Fit {
        coefficients,
        inverse,
        variance,
        freedom,
        log_likelihood: -0.5 * (count as f64 * (left / count as f64).ln() + log_scale),
        restricted: -0.5 * (freedom * variance.ln() + log_scale + log_determinant),
    })
}

/// The inverse and the logarithm of the determinant of a positive definite
/// matrix of which the lower half is given; `None` if it is singular.
fn invert(mut lower: Vec<Vec<f64>>) -> Option<(Vec<Vec<f64>>, f64)> {
    let size = lower.len();
    let mut log_determinant = 0.0;
    for row in 0..size {
        for column in 0..=row {
            let inner: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
            let left = lower[row][column] - inner;
            if row == column {
                // All but nothing is left of a column that others make up.
                if left.is_nan() || left <= 1e-10 * lower[row][row].abs() || left <= 1e-300 {
                    return None;
                }
                lower[row][row] = left.sqrt();
                log_determinant += left.ln();
            } else {
                lower[row][column] = left / lower[column][column];
            }
        }
    }
    // The inverse is symmetric, so its columns may stand as rows.
    let solve = |unit: usize| {
        let mut solved = vec![0.0; size];
        for row in 0..size {
            let inner: f64 = (0..row).map(|k| lower[row][k] * solved[k]).sum();
            solved[row] = (f64::from(u8::from(row == unit)) - inner) / lower[row][row];
        }
        for row in (0..size).rev() {
            let inner: f64 = (row + 1..size).map(|k| lower[k][row] * solved[k]).sum();
            solved[row] = (solved[row] - inner) / lower[row][row];
        }
        solved
    };
    let inverse = (0..size).map(solve).collect();
    Some((inverse, log_determinant))
}
