//! Lengths of time as people type them: `60s`, `2m`, `1h30m`, `3d`.

use std::time::Duration;

/// Reads `60s`, `2m`, `1h30m`, `3d` or a plain number of seconds.
///
/// # Errors
///
/// A message for the command line when the text is no positive length of time.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(shop::span_of_time::parse("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(shop::span_of_time::parse("soon").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("'{text}' is no length of time; write it like 60s, 2m, 1h30m or 3d");
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |n| digits + n);
        seconds += number
            * match &rest[digits..unit] {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(bad()),
            };
        rest = &rest[unit..];
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(length) if !length.is_zero() => Ok(length),
        _ => Err(bad()),
    }
}

/// Writes a length of time as a clock does: `0:42`, `12:05`, `3:00:00`.
pub fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("2m30s"), Ok(Duration::from_secs(150)));
        assert_eq!(parse("0.5h"), Ok(Duration::from_secs(1800)));
        assert_eq!(parse("3d"), Ok(Duration::from_secs(259_200)));
    }

    #[test]
    fn nonsense_is_refused_with_a_remedy() {
        for text in ["", "s", "-5s", "0s", "5 parsecs", "1e400s", "..s"] {
            assert!(
                parse(text).is_err_and(|message| message.contains("60s")),
                "{text}"
            );
        }
    }

    #[test]
    fn the_clock_shows_hours_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(42)), "0:42");
        assert_eq!(clock(Duration::from_secs(725)), "12:05");
        assert_eq!(clock(Duration::from_secs(10_800)), "3:00:00");
    }
}
