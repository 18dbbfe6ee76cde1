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
    match value.map(readable) {
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
    fn missing_is_a_dash_for_people() {
        assert_eq!(or_dash(None), "-");
        assert_eq!(or_dash(Some(f64::NAN)), "-");
        assert_eq!(or_dash(Some(0.0)), "0");
    }
}
