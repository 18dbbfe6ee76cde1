//! What a time column means: which names are times, in which unit, and since
//! when.

use crate::limits::HOURS;

/// How the cells of the time column are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Clock {
    /// Time since the start, in a unit of so many seconds.
    Elapsed { seconds: f64 },
    /// Time since 1970, in a unit of so many seconds.
    Epoch { seconds: f64 },
    /// A date and time in words, RFC 3339 or close to it.
    Date,
}

/// What a column's name says about its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Seconds(f64),
    /// A time, but of a unit only the values can tell.
    Unsaid,
}

impl Clock {
    /// Whether a column of this name holds times.
    pub(super) fn knows(name: &str) -> bool {
        unit(name).is_some()
    }

    /// The clock of a column, by its name and its first cell that is not empty.
    pub(super) fn of(name: &str, first: Option<&str>) -> Option<Clock> {
        let unit = unit(name)?;
        let Some(first) = first else {
            return Some(Clock::Elapsed {
                seconds: match unit {
                    Unit::Seconds(seconds) => seconds,
                    Unit::Unsaid => 1.0,
                },
            });
        };
        let Ok(value) = first.parse::<f64>() else {
            return date_seconds(first).map(|_| Clock::Date);
        };
        Some(match unit {
            // 1e8 seconds is 1973, and three years is longer than any soak.
            Unit::Unsaid if value.abs() > 1e17 => Clock::Epoch { seconds: 1e-9 },
            Unit::Unsaid if value.abs() > 1e14 => Clock::Epoch { seconds: 1e-6 },
            Unit::Unsaid if value.abs() > 1e11 => Clock::Epoch { seconds: 1e-3 },
            Unit::Unsaid if value.abs() > 1e8 => Clock::Epoch { seconds: 1.0 },
            Unit::Unsaid => Clock::Elapsed { seconds: 1.0 },
            Unit::Seconds(seconds) if value.abs() * seconds > 1e8 => Clock::Epoch { seconds },
            Unit::Seconds(seconds) => Clock::Elapsed { seconds },
        })
    }

    /// One cell as hours; since the start or since 1970, as the clock says.
    pub(super) fn hours(self, cell: &str) -> Option<f64> {
        let seconds = match self {
            Clock::Elapsed { seconds } | Clock::Epoch { seconds } => {
                cell.parse::<f64>().ok().filter(|v| v.is_finite())? * seconds
            }
            Clock::Date => date_seconds(cell)?,
        };
        Some(seconds / 3600.0).filter(|hours| hours.abs() <= HOURS)
    }

    /// Whether hours must be counted from the first row.
    pub(super) fn is_absolute(self) -> bool {
        !matches!(self, Clock::Elapsed { .. })
    }
}

fn unit(name: &str) -> Option<Unit> {
    let name = name.trim().to_ascii_lowercase();
    // "Elapsed (min)" and "elapsed_min" are the same name.
    let word = name
        .trim_end_matches([')', ']'])
        .rsplit(['_', ' ', '(', '[', '-', '.'])
        .next()
        .unwrap_or_default();
    let by_unit = match word {
        "ns" | "nanos" | "nanoseconds" => Some(1e-9),
        "us" | "micros" | "microseconds" => Some(1e-6),
        "ms" | "millis" | "milliseconds" | "msec" => Some(1e-3),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3600.0),
        "d" | "day" | "days" => Some(86400.0),
        _ => None,
    };
    let stem = &name[..name.len() - word.len().min(name.len())];
    let is_time = |stem: &str| {
        stem.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| {
                matches!(
                    word,
                    "elapsed" | "time" | "timestamp" | "uptime" | "since" | "epoch" | "unix" | "ts"
                )
            })
    };
    match by_unit {
        // A unit alone ("seconds"), or a time with its unit ("uptime_s"); but
        // not "latency_ms".
        Some(seconds) if word.len() == name.len() || is_time(stem) => Some(Unit::Seconds(seconds)),
        Some(_) => None,
        None => matches!(
            name.as_str(),
            "t" | "ts"
                | "time"
                | "timestamp"
                | "datetime"
                | "date"
                | "epoch"
                | "unix"
                | "unixtime"
                | "unix_time"
                | "unix_timestamp"
                | "date_time"
                | "elapsed"
                | "elapsed_time"
                | "uptime"
                | "@timestamp"
        )
        .then_some(Unit::Unsaid),
    }
}

/// Seconds since 1970 of a date in words. Without a zone it is taken as UTC:
/// only differences matter here.
fn date_seconds(text: &str) -> Option<f64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_nanosecond() as f64 / 1e9);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    let instant = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(instant.as_nanosecond() as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_units() {
        for (name, cell, hours) in [
            ("elapsed_min", "30", 0.5),
            ("elapsed_s", "1800", 0.5),
            ("Elapsed (h)", "0.5", 0.5),
            ("seconds", "1800", 0.5),
            ("minutes", "30", 0.5),
            ("uptime_ms", "1800000", 0.5),
            ("time", "1800", 0.5),
        ] {
            let clock = Clock::of(name, Some(cell)).unwrap();
            assert!(!clock.is_absolute(), "{name}");
            assert!((clock.hours(cell).unwrap() - hours).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn values_tell_seconds_from_millis_since_1970() {
        assert_eq!(
            Clock::of("timestamp", Some("1700000000")),
            Some(Clock::Epoch { seconds: 1.0 })
        );
        assert_eq!(
            Clock::of("timestamp", Some("1700000000000")),
            Some(Clock::Epoch { seconds: 1e-3 })
        );
    }

    #[test]
    fn dates_are_read_with_and_without_a_zone() {
        let clock = Clock::of("time", Some("2026-01-02T03:04:05Z")).unwrap();
        let a = clock.hours("2026-01-02T03:04:05Z").unwrap();
        let b = clock.hours("2026-01-02 03:34:05").unwrap();
        let c = clock.hours("2026-01-02T05:04:05+01:00").unwrap();
        assert!((b - a - 0.5).abs() < 1e-6);
        assert!((c - a - 1.0).abs() < 1e-6);
    }

    #[test]
    fn other_quantities_are_not_times() {
        for name in ["rss_mb", "latency_ms", "cpu_s", "requests_per_s", ""] {
            assert!(!Clock::knows(name), "{name}");
        }
    }
}
