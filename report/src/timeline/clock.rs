//! What a time column means: which names are times, in which unit, and since
//! when.

use super::calendar::Calendar;
use super::cells;
use super::dates;
use super::units::{Hint, words};
use crate::limits::HOURS;

/// How the cells of the time column are to be read.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    kind: Kind,
    pub(super) calendar: Calendar,
    /// Which units numbers since 1970 were in, a bit for each power of 1,000.
    resolutions: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Time since the start, in a unit of so many seconds.
    Elapsed { seconds: f64 },
    /// Time since the start in words: `00:10:03`, `1h30m`.
    Span,
    /// Time since 1970, in a unit of so many seconds where it is said.
    Epoch { seconds: Option<f64> },
    /// Days since 1900, as spreadsheets count.
    Days,
    /// A date, a time of day, or both.
    Date,
}

/// What a column's name says about its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Seconds(f64),
    /// A time, but of a unit only the values can show.
    Unsaid,
}

impl Clock {
    fn new(kind: Kind) -> Clock {
        Clock {
            kind,
            calendar: Calendar::default(),
            resolutions: 0,
        }
    }

    /// Whether a column of this name holds times.
    pub(super) fn knows(name: &str) -> bool {
        unit(name).is_some()
    }

    /// Whether a column of this name is the time wherever it stands, and not
    /// how long something takes.
    pub(super) fn is_named(name: &str) -> bool {
        let name = words(name);
        name.first().is_some_and(|word| word == "elapsed")
            || name.last().is_none_or(|word| word != "uptime")
                && unit_of(&name) == Some(Unit::Unsaid)
    }

    /// The unit of elapsed time that a name says.
    pub(super) fn elapsed_seconds(name: &str) -> Option<f64> {
        match unit(name)? {
            Unit::Seconds(seconds) => Some(seconds),
            Unit::Unsaid => Some(1.0),
        }
    }

    /// The clock of a column, by its name and its first cells that are not
    /// empty. One odd cell among them does not decide.
    pub(super) fn of<'a>(name: &str, cells: impl Iterator<Item = &'a str>) -> Option<Clock> {
        let unit = unit(name);
        let (mut all, mut numbers, mut large, mut compact) = (0, 0, 0, 0);
        let (mut moments, mut dated, mut spans) = (0, 0, 0);
        let factor = match unit {
            Some(Unit::Seconds(seconds)) => seconds,
            _ => 1.0,
        };
        let names = words(name);
        let says = |words: &[&str]| names.iter().any(|word| words.contains(&&word[..]));
        let since_1970 = says(&["timestamp", "epoch", "unix", "unixtime"]);
        let days = says(&["date", "datum", "day", "fecha", "data", "datetime"]);
        let mut serial = 0;
        for cell in cells {
            all += 1;
            let digits = cell.bytes().all(|b| b.is_ascii_digit());
            let long = matches!(cell.len(), 12 | 14 | 17) || cell.len() == 8 && days;
            if digits && long && dates::parse(cell).is_some() {
                compact += 1;
            }
            if let Some(value) = number(cell) {
                numbers += 1;
                // 1e8 seconds is 1973, and three years is longer than any soak.
                let value = value.abs();
                // From 2000 to 2100.
                serial += usize::from(days && (36_526.0..73_050.0).contains(&value));
                large += usize::from(value * factor > 1e8 || since_1970 && value > 1e8);
            } else if let Some(stamp) = dates::parse(cell) {
                moments += 1;
                dated += usize::from(stamp.date.is_some());
                spans += usize::from(cells::span(cell).is_some());
            } else if cells::read(cell, Hint::Time).is_some() {
                spans += 1;
            }
        }
        if all == 0 {
            return unit.map(|_| Clock::new(Kind::Elapsed { seconds: factor }));
        }
        let most = |count: usize| count * 2 > all;
        let kind = if most(compact) && unit != Some(Unit::Seconds(1e-3)) {
            unit.map(|_| Kind::Date)?
        } else if most(serial) && unit == Some(Unit::Unsaid) {
            Kind::Days
        } else if most(numbers) {
            let seconds = match unit? {
                Unit::Seconds(seconds) => Some(seconds),
                Unit::Unsaid => None,
            };
            if most(large) {
                Kind::Epoch { seconds }
            } else {
                Kind::Elapsed { seconds: factor }
            }
        } else if most(spans) && dated == 0 && says(&["elapsed", "uptime", "etime", "since"])
            || unit.is_some() && most(spans) && moments == 0
        {
            Kind::Span
        } else if moments == all || unit.is_some() && most(moments) {
            Kind::Date
        } else {
            return None;
        };
        Some(Clock::new(kind))
    }

    /// One cell as hours; since the start or since 1970, as the clock says.
    pub(super) fn hours(&mut self, cell: &str) -> Option<f64> {
        let seconds = match self.kind {
            Kind::Elapsed { seconds } => match cell.parse::<f64>() {
                Ok(value) => value * seconds,
                Err(_) => {
                    let reading = cells::read(cell, Hint::Time)?;
                    let factor = if reading.unit.is_some() { 1.0 } else { seconds };
                    reading.value * factor
                }
            },
            Kind::Span => match number(cell) {
                Some(value) => value,
                None => cells::read(cell, Hint::Time)?.value,
            },
            Kind::Days => number(cell)? * 86_400.0,
            Kind::Epoch { seconds } => match number(cell) {
                Some(value) => self.epoch(value, seconds),
                None => self.calendar.seconds(dates::parse(cell)?)?,
            },
            Kind::Date => match dates::parse(cell) {
                Some(stamp) => self.calendar.seconds(stamp)?,
                // Times that count on past 24 hours, and a moment in numbers.
                None => match cells::span(cell) {
                    Some(seconds) => seconds,
                    None => {
                        let value = number(cell).filter(|value| *value > 1e8)?;
                        self.epoch(value, None)
                    }
                },
            },
        };
        Some(seconds / 3600.0).filter(|hours| hours.abs() <= HOURS)
    }

    /// Seconds since 1970 of a number that counts from there. Of which unit, its
    /// size says, even where a name says otherwise.
    fn epoch(&mut self, value: f64, said: Option<f64>) -> f64 {
        let power = match value.abs() {
            size if size > 1e17 => 3,
            size if size > 1e14 => 2,
            size if size > 1e11 => 1,
            _ => 0,
        };
        if let Some(seconds) = said
            && (1e8..4.2e9).contains(&(value.abs() * seconds))
        {
            return value * seconds;
        }
        // Near 1970 every unit is possible, and none matters.
        if value.abs() > 1e8 {
            self.resolutions |= 1 << power;
        }
        value / 1000_f64.powi(power)
    }

    /// Whether hours must be counted from the first row.
    pub(super) fn is_absolute(&self) -> bool {
        matches!(self.kind, Kind::Epoch { .. } | Kind::Days | Kind::Date)
    }

    /// Whether the cells are words.
    pub(super) fn is_words(&self) -> bool {
        matches!(self.kind, Kind::Date | Kind::Span)
    }

    /// Whether the cells are dates or times of day.
    pub(super) fn is_of_dates(&self) -> bool {
        self.kind == Kind::Date
    }

    /// Hours in one of the column's numbers, where they count from the start.
    pub(super) fn elapsed_unit(&self) -> Option<f64> {
        match self.kind {
            Kind::Elapsed { seconds } => Some(seconds / 3600.0),
            _ => None,
        }
    }

    /// Whether numbers since 1970 came in several units.
    pub(super) fn is_mixed(&self) -> bool {
        self.resolutions.count_ones() > 1
    }
}

/// A cell's number, with either decimal mark.
fn number(cell: &str) -> Option<f64> {
    if let Ok(value) = cell.parse::<f64>() {
        return Some(value).filter(|value| value.is_finite());
    }
    cells::read(cell, Hint::Other)
        .filter(|reading| reading.unit.is_none())
        .map(|reading| reading.value)
}

fn unit(name: &str) -> Option<Unit> {
    unit_of(&words(name))
}

/// "Elapsed (min)", "elapsed_min" and "elapsedMin" are the same words.
fn unit_of(words: &[String]) -> Option<Unit> {
    let (last, stem) = words.split_last()?;
    let by_unit = match &last[..] {
        "ns" | "nanos" | "nanoseconds" => Some(1e-9),
        "us" | "micros" | "microseconds" => Some(1e-6),
        "ms" | "millis" | "milliseconds" | "msec" => Some(1e-3),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3600.0),
        "d" | "day" | "days" => Some(86400.0),
        _ => None,
    };
    let is_time = || {
        stem.iter().any(|word| {
            matches!(
                &word[..],
                "elapsed"
                    | "time"
                    | "timestamp"
                    | "uptime"
                    | "since"
                    | "epoch"
                    | "unix"
                    | "ts"
                    | "zeit"
                    | "laufzeit"
            )
        })
    };
    match by_unit {
        // A unit alone ("seconds"), or a time with its unit ("uptime_s"); but
        // not "latency_ms".
        Some(seconds) if stem.is_empty() || is_time() => Some(Unit::Seconds(seconds)),
        Some(_) => None,
        None => matches!(
            &words.join("_")[..],
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
                | "system_time"
                | "time_stamp"
                | "zeit"
                | "laufzeit"
                | "datum"
        )
        .then_some(Unit::Unsaid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, cell: &str) -> Clock {
        Clock::of(name, [cell].into_iter()).unwrap()
    }

    #[test]
    fn names_carry_units() {
        for (name, cell, hours) in [
            ("elapsed_min", "30", 0.5),
            ("elapsed_min", "30,0", 0.5),
            ("elapsed_s", "1800", 0.5),
            ("Elapsed (h)", "0.5", 0.5),
            ("elapsedMin", "30", 0.5),
            ("seconds", "1800", 0.5),
            ("minutes", "30", 0.5),
            ("uptime_ms", "1800000", 0.5),
            ("time", "1800", 0.5),
            ("elapsed", "00:30:00", 0.5),
            ("elapsed", "30:00", 0.5),
            ("uptime", "1-00:30:00", 24.5),
            ("elapsed", "30m", 0.5),
            ("time", "1800s", 0.5),
        ] {
            let mut clock = of(name, cell);
            assert!(!clock.is_absolute(), "{name}");
            assert!((clock.hours(cell).unwrap() - hours).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn values_tell_seconds_from_millis_since_1970() {
        for (name, cell) in [
            ("timestamp", "1700000000"),
            ("timestamp", "1700000000000"),
            ("timestamp", "1700000000000000"),
            ("timestamp_ms", "1700000000000"),
            ("timestamp_ms", "1700000000"),
            ("time_s", "1700000000000"),
            ("timestamp", "1700000000,000"),
        ] {
            let mut clock = of(name, cell);
            assert!(clock.is_absolute());
            let hours = clock.hours(cell).unwrap();
            assert!(
                (hours * 3600.0 - 1.7e9).abs() < 1.0,
                "{name} {cell}: {hours}"
            );
        }
        // Both in one file.
        let mut clock = of("timestamp", "1700000000");
        clock.hours("1700000000");
        assert!(!clock.is_mixed());
        let hours = clock.hours("1700003600000").unwrap();
        assert!((hours * 3600.0 - 1_700_003_600.0).abs() < 1e-3 && clock.is_mixed());
    }

    #[test]
    fn spreadsheets_count_days() {
        let mut clock = of("date", "46027.5");
        let hours = clock.hours("46027.75").unwrap() - clock.hours("46027.5").unwrap();
        assert!(clock.is_absolute() && (hours - 6.0).abs() < 1e-6);
    }

    #[test]
    fn one_odd_cell_does_not_decide() {
        let cells = ["12", "1767600060", "1767600120", "1767600180"];
        let clock = Clock::of("timestamp", cells.into_iter()).unwrap();
        assert!(clock.is_absolute());
    }

    #[test]
    fn dates_are_known_by_their_cells() {
        for (name, cell) in [
            ("wann", "2026-01-05 10:00:00"),
            ("(PDH-CSV 4.0) (GMT)(0)", "01/05/2026 10:00:00.123"),
            ("time", "10:00:03"),
            ("timestamp", "20260105100000"),
        ] {
            assert!(of(name, cell).is_of_dates(), "{name}");
        }
        assert!(Clock::of("host", ["web-1"].into_iter()).is_none());
        assert!(Clock::of("rss", ["1767600000"].into_iter()).is_none());
    }

    #[test]
    fn other_quantities_are_not_times() {
        for name in ["rss_mb", "latency_ms", "cpu_s", "requests_per_s", ""] {
            assert!(!Clock::knows(name), "{name}");
        }
    }
}
