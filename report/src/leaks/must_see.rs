//! The leak that a run must have been able to show.

use std::str::FromStr;

use crate::number::readable;

/// A leak of memory, by the hour, that a run has to be long and quiet enough to
/// show. A run that is not does not pass.
///
/// ```
/// use soakscope_report::MustSee;
/// let must_see: MustSee = "10MB/h".parse()?;
/// assert_eq!(must_see.mb_per_hour(), 10.0);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MustSee {
    mb_per_hour: f64,
}

impl MustSee {
    /// MB of 1024² bytes an hour.
    #[must_use]
    pub fn mb_per_hour(self) -> f64 {
        self.mb_per_hour
    }
}

impl FromStr for MustSee {
    type Err = String;

    /// Reads `10MB/h`, `1.5 GiB/day`, `200 KB/min`. KB, MB and GB are powers of
    /// 1024 bytes, as everywhere here.
    fn from_str(text: &str) -> Result<Self, String> {
        let takes = || "it takes an amount of memory by time, e.g. 10MB/h or 500KB/min".to_owned();
        let (amount, time) = text.trim().split_once('/').ok_or_else(takes)?;
        let amount = amount.trim();
        let unit_at = amount
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(takes)?;
        let (number, unit) = amount.split_at(unit_at);
        let number: f64 = number.trim().parse().map_err(|_| takes())?;
        let mb = match unit.trim().to_ascii_lowercase().as_str() {
            "b" => 1.0 / (1 << 20) as f64,
            "k" | "kb" | "kib" => 1.0 / 1024.0,
            "m" | "mb" | "mib" => 1.0,
            "g" | "gb" | "gib" => 1024.0,
            _ => return Err(takes()),
        };
        let an_hour = match time.trim().to_ascii_lowercase().as_str() {
            "s" | "sec" | "second" => 3600.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 1.0,
            "d" | "day" => 1.0 / 24.0,
            _ => return Err(takes()),
        };
        let mb_per_hour = number * mb * an_hour;
        if !mb_per_hour.is_finite() || mb_per_hour <= 0.0 {
            return Err(takes());
        }
        Ok(MustSee { mb_per_hour })
    }
}

/// A rate of memory for people.
pub(super) fn rate(mb_per_hour: f64) -> String {
    format!("{}/h", amount(mb_per_hour))
}

/// An amount of memory for people.
pub(super) fn amount(mb: f64) -> String {
    let size = mb.abs();
    if size >= 1024.0 {
        format!("{} GB", readable(mb / 1024.0))
    } else if size >= 0.1 || size == 0.0 {
        format!("{} MB", readable(mb))
    } else if size >= 1.0 / 1024.0 {
        format!("{} KB", readable(mb * 1024.0))
    } else {
        format!("{} bytes", readable(mb * 1024.0 * 1024.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_in_any_unit() {
        for (text, mb) in [
            ("10MB/h", 10.0),
            (" 1.5 GiB / day ", 64.0),
            ("1KB/s", 3.515_625),
            ("512 kb/min", 30.0),
            ("1048576 B/h", 1.0),
        ] {
            let read: MustSee = text.parse().unwrap();
            assert!((read.mb_per_hour() - mb).abs() < 1e-9, "{text}: {read:?}");
        }
        for text in [
            "",
            "10",
            "10MB",
            "MB/h",
            "10MB/week",
            "-1MB/h",
            "0MB/h",
            "1e999MB/h",
            "10XB/h",
        ] {
            let error = text.parse::<MustSee>().unwrap_err();
            assert!(error.contains("10MB/h"), "{text}: {error}");
        }
    }

    #[test]
    fn memory_has_the_unit_of_its_size() {
        assert_eq!(rate(1638.4), "1.6 GB/h");
        assert_eq!(amount(75.0), "75 MB");
        assert_eq!(amount(16.0 / 1024.0), "16 KB");
        assert_eq!(amount(3.0 / 1024.0 / 1024.0), "3 bytes");
    }
}
