//! The two distributions that judging needs: the normal one and Student's t.

/// The probability that a standard normal variable exceeds `z`.
///
/// By the continued fraction of Mills' ratio in the tail and its series near
/// zero (Abramowitz & Stegun 1964, 26.2.14 and 26.2.10).
pub(crate) fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z > 3.0 {
        let mills = (1..=40).rev().fold(z, |tail, k| z + f64::from(k) / tail);
        return density / mills;
    }
    let (mut term, mut sum, mut k) = (z, z, 1.0);
    while term > 1e-16 * sum {
        k += 2.0;
        term *= z * z / k;
        sum += term;
    }
    0.5 - density * sum
}

/// The probability that Student's t with `freedom` degrees exceeds `t`.
///
/// By Wallace's transformation to a normal variable (Wallace 1959, "Bounds on
/// normal approximations to Student's and the chi-square distributions"),
/// right to a few parts in a thousand of the probability from 5 degrees on.
pub(crate) fn student_upper_tail(t: f64, freedom: f64) -> f64 {
    let shrink = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
    let z = shrink * (freedom * (t * t / freedom).ln_1p()).sqrt();
    upper_tail(if t < 0.0 { -z } else { z })
}

/// Standard errors in the 95 % interval of a mean, on either side, where the
/// error is had from this many values.
pub(crate) fn errors_within_95(values: u64) -> f64 {
    match values {
        0..=2 => 12.71,
        3 => 4.30,
        4 => 3.18,
        5 => 2.78,
        // Above all that is asked for, the two are the same.
        1_000.. => 1.96,
        _ => bisect(0.0, 20.0, |t| {
            student_upper_tail(t, values as f64 - 1.0) > 0.025
        }),
    }
}

/// The point that a standard normal variable exceeds with probability `tail`.
pub(crate) fn quantile(tail: f64) -> f64 {
    bisect(-40.0, 40.0, |z| upper_tail(z) > tail)
}

/// Where `above` turns from true to false between `low` and `high`.
pub(crate) fn bisect(mut low: f64, mut high: f64, above: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if above(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        for (z, tail) in [
            (0.0, 0.5),
            (1.0, 0.158_655_254),
            (1.959_963_985, 0.025),
            (3.090_232_306, 0.001),
            (6.0, 9.865_876e-10),
        ] {
            assert!((upper_tail(z) / tail - 1.0).abs() < 1e-6, "{z}");
            assert!((upper_tail(-z) - (1.0 - tail)).abs() < 1e-8, "{z}");
        }
        assert!((quantile(0.025) - 1.959_963_985).abs() < 1e-6);
    }

    #[test]
    fn an_error_of_few_values_is_wider() {
        for (values, errors) in [(2, 12.71), (6, 2.571), (11, 2.228), (31, 2.042)] {
            assert!((errors_within_95(values) / errors - 1.0).abs() < 0.01);
        }
        assert!((errors_within_95(999) - errors_within_95(1_000)).abs() < 0.01);
    }

    #[test]
    fn students_tail_is_near_that_of_the_tables() {
        for (t, freedom, tail) in [
            (2.571, 5.0, 0.025),
            (2.228, 10.0, 0.025),
            (2.750, 30.0, 0.005),
            (-1.812, 10.0, 0.95),
        ] {
            let found = student_upper_tail(t, freedom);
            assert!((found / tail - 1.0).abs() < 0.02, "{t}: {found}");
        }
    }
}
