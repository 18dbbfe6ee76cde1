//! Lengths of time as people type them: `500ms`, `30s`, `2m`, `1h30m`, `3d`.

use std::time::Duration;

/// Reads `500ms`, `30s`, `2m`, `1h30m`, `3d` or a plain number of seconds.
///
/// # Errors
///
/// What it takes, as the end of a sentence that begins with what was given.
///
/// ```
/// # use std::time::Duration;
/// use soakscope_report::length_of_time;
/// assert_eq!(length_of_time("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(length_of_time("soon").is_err());
/// ```
pub fn length_of_time(text: &str) -> Result<Duration, String> {
    seconds(text.trim())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it takes a length of time such as 500ms, 30s, 2m, 1h30m or 3d".to_owned())
}

fn seconds(mut rest: &str) -> Option<f64> {
    let mut seconds = 0.0;
    loop {
        let end_of_number = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = rest.split_at(end_of_number.unwrap_or(rest.len()));
        let end_of_unit = unit.find(|c: char| c.is_ascii_digit());
        let (unit, more) = unit.split_at(end_of_unit.unwrap_or(unit.len()));
        let number: f64 = number.parse().ok()?;
        seconds += number
            * match unit.trim() {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        if more.is_empty() {
            return Some(seconds);
        }
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, ms) in [
            ("60s", 60_000),
            ("90", 90_000),
            ("0", 0),
            ("0.25", 250),
            ("250ms", 250),
            ("1 h", 3_600_000),
            ("2m30s", 150_000),
            ("0.5h", 1_800_000),
            (" 3d ", 259_200_000),
        ] {
            assert_eq!(
                length_of_time(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_remedy() {
        for text in [
            "",
            "s",
            "-5s",
            "5 parsecs",
            "1e400s",
            "..s",
            "5s soon",
            "NaN",
        ] {
            assert!(
                length_of_time(text).is_err_and(|takes| takes.contains("30s")),
                "{text}"
            );
        }
    }
}
