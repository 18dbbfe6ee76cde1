//! How long a soak takes: as it is asked for, and as a clock shows it.

use std::time::Duration;

/// Reads a length of time for the command line; none at all is none.
///
/// # Errors
///
/// What it takes, when the text is no positive length of time.
pub fn parse(text: &str) -> Result<Duration, String> {
    let length = soakscope_report::length_of_time(text)?;
    if length.is_zero() {
        return Err("it takes more than no time".to_owned());
    }
    Ok(length)
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
    fn no_time_is_refused() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        for text in ["0s", "soon"] {
            assert!(
                parse(text).is_err_and(|says| says.contains("takes")),
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
