//! How a number is written: the one place, for CSV, text, Markdown and SVG.

/// Writes `value` with at most `decimals` decimals and no trailing zeros.
///
/// A value that is not finite is a reading that is missing, and missing is
/// written as nothing at all, never as zero.
///
/// ```
/// use soakscope_report::number;
/// assert_eq!(number(12.50, 3), "12.5");
/// assert_eq!(number(-0.0001, 2), "0");
/// assert_eq!(number(f64::NAN, 2), "");
/// ```
#[must_use]
pub fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
    if text == "-0" {
        text.remove(0);
    }
    text
}

/// The decimals a number has in a file: milliseconds stay apart in a week of
/// minutes, small numbers keep six digits, and a timeline stays small.
pub(crate) fn file_decimals(value: f64) -> usize {
    let magnitude = value.abs().log10().floor();
    if !magnitude.is_finite() {
        return 0;
    }
    if magnitude < 0.0 {
        (5.0 - magnitude).min(15.0) as usize
    } else {
        (8.0 - magnitude).clamp(0.0, 6.0) as usize
    }
}

/// Writes a number for people: three or so significant digits, by its size.
pub(crate) fn readable(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = if magnitude >= 100.0 {
        0
    } else if magnitude >= 10.0 {
        1
    } else if magnitude >= 0.1 {
        2
    } else {
        4
    };
    number(value, decimals)
}

/// Writes a value with its 95 % interval, `13.3 ± 0.4`: as many digits as the
/// interval leaves sure, which has one significant digit, or two where it
/// begins with one or two (so that rounding never makes it much larger).
/// A value that is exact, or of which no interval is known, stands alone.
///
/// ```
/// use soakscope_report::plus_minus;
/// assert_eq!(plus_minus(13.274, Some(0.4189)), "13.3 ± 0.4");
/// assert_eq!(plus_minus(13.274, Some(0.1189)), "13.27 ± 0.12");
/// assert_eq!(plus_minus(13.274, Some(0.0)), "13.3");
/// assert_eq!(plus_minus(13.274, None), "13.3");
/// ```
#[must_use]
pub fn plus_minus(value: f64, within: Option<f64>) -> String {
    match within.filter(|within| is_interval(*within, value)) {
        Some(within) => {
            let decimals = interval_decimals(within);
            format!("{value:.decimals$} ± {within:.decimals$}")
        }
        None => readable(value),
    }
}

/// A share of 1 in percent with its interval, `20.3% ± 1.1`.
#[must_use]
pub fn percent(share: f64, within: Option<f64>) -> String {
    let (percent, within) = (100.0 * share, within.map(|within| 100.0 * within));
    match within.filter(|within| is_interval(*within, percent)) {
        Some(within) => {
            // A column of them is easier to read with the same few digits.
            let decimals = interval_decimals(within).clamp(1, 2);
            let within = within.max(0.01);
            format!("{percent:.decimals$}% ± {within:.decimals$}")
        }
        None => format!("{percent:.1}%"),
    }
}

/// Whether there is an interval to speak of: what is a millionth of the value
/// would only lengthen it.
fn is_interval(within: f64, value: f64) -> bool {
    within.is_finite() && value.is_finite() && within > 1e-6 * value.abs()
}

/// Standard errors in a 95 % interval, on either side.
pub(crate) const WITHIN_95: f64 = 1.96;

/// Decimals of an interval, and of what it is the interval of.
fn interval_decimals(within: f64) -> usize {
    let magnitude = within.log10().floor();
    let first = within / 10_f64.powf(magnitude);
    let digits = if first < 2.95 { 2.0 } else { 1.0 };
    (digits - 1.0 - magnitude).clamp(0.0, 15.0) as usize
}

/// Writes a length of time for people: seconds, minutes or hours by its size.
pub(crate) fn duration(hours: f64) -> String {
    let seconds = hours * 3600.0;
    if seconds < 120.0 {
        format!("{} s", number(seconds, 0))
    } else if seconds < 7200.0 {
        format!("{} min", number(seconds / 60.0, 1))
    } else {
        format!("{} h", number(hours, 1))
    }
}

/// [`readable`], with `-` where there is no value.
pub(crate) fn or_dash(value: Option<f64>) -> String {
    within_or_dash(value, None)
}

/// [`plus_minus`], with `-` where there is no value.
pub(crate) fn within_or_dash(value: Option<f64>, within: Option<f64>) -> String {
    match value.map(|value| plus_minus(value, within)) {
        Some(text) if !text.is_empty() => text,
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_zeros() {
        assert_eq!(number(1200.0, 3), "1200");
        assert_eq!(number(100.0, 0), "100");
        assert_eq!(number(-5.250, 3), "-5.25");
    }

    #[test]
    fn files_keep_seconds_apart_in_three_days_and_small_numbers_small() {
        let a = 4320.0;
        let b = a + 1.0 / 60.0;
        let round = |v: f64| number(v, file_decimals(v)).parse::<f64>().unwrap();
        assert!((round(b) - round(a) - 1.0 / 60.0).abs() < 1e-4);
        assert_eq!(round(1.234_567e-9), 1.234_57e-9);
        assert_eq!(number(0.0, file_decimals(0.0)), "0");
        assert_eq!(number(1.0 / 3.0, file_decimals(1.0 / 3.0)), "0.333333");
    }

    #[test]
    fn durations_have_the_unit_of_their_size() {
        assert_eq!(duration(0.01), "36 s");
        assert_eq!(duration(0.75), "45 min");
        assert_eq!(duration(71.96), "72 h");
    }

    #[test]
    fn a_value_has_the_digits_that_its_interval_leaves_sure() {
        for (value, within, text) in [
            (13.3, 0.42, "13.3 ± 0.4"),
            (6.3127, 0.096, "6.31 ± 0.10"),
            (0.16, 0.0023, "0.1600 ± 0.0023"),
            (0.005, 0.0071, "0.005 ± 0.007"),
            (1_234.5, 27.0, "1234 ± 27"),
            (99_123.0, 310.0, "99123 ± 310"),
            (-2.5, 0.3, "-2.5 ± 0.3"),
            (2.5, 9.96, "2 ± 10"),
            (2.5, 0.3e-20, "2.5"),
            (0.0, 3e-5, "0.00000 ± 0.00003"),
            (f64::NAN, 0.3, ""),
            (2.5, f64::INFINITY, "2.5"),
            (2.5, -1.0, "2.5"),
        ] {
            assert_eq!(plus_minus(value, Some(within)), text);
        }
        assert_eq!(within_or_dash(Some(13.3), Some(0.42)), "13.3 ± 0.4");
        for (value, within, text) in [
            (0.203, Some(0.0107), "20.3% ± 1.1"),
            (0.203, Some(0.0003), "20.30% ± 0.03"),
            (0.203, Some(0.000_01), "20.30% ± 0.01"),
            (0.5, Some(0.31), "50.0% ± 31.0"),
            (1.0, Some(0.0), "100.0%"),
            (1.0, None, "100.0%"),
        ] {
            assert_eq!(percent(value, within), text);
        }
        assert_eq!(within_or_dash(None, Some(0.42)), "-");
    }

    #[test]
    fn missing_is_a_dash_for_people() {
        assert_eq!(or_dash(None), "-");
        assert_eq!(or_dash(Some(f64::NAN)), "-");
        assert_eq!(or_dash(Some(0.0)), "0");
    }
}
