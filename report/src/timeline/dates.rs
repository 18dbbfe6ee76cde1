//! Dates and times of day as people, locales and tools write them, one text at
//! a time. What a text leaves open (the year, whether the day comes first, on
//! which day a time of day is) is for `calendar`, which sees them all.

use super::date_names::{month, weekday, zone};

/// What a text says about a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Stamp {
    pub(super) date: Option<Date>,
    /// Seconds since midnight.
    pub(super) time: Option<f64>,
    /// Seconds east of Greenwich, where a zone is given.
    pub(super) zone: Option<f64>,
    /// Whether AM or PM is given.
    pub(super) half: bool,
}

/// A date, as far as it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Date {
    pub(super) year: Option<i64>,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) order: Order,
}

/// Which of day and month comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It does not matter: a form that is read in one way only.
    Said,
    DayFirst,
    MonthFirst,
    /// Both are possible; given as if the day came first.
    Open,
}

/// Reads a date, a time of day, or both. A plain number is none of them, but
/// for one such as 20260105100000.
pub(super) fn parse(text: &str) -> Option<Stamp> {
    if text.len() > 80 || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut reader = Reader::default();
    reader.read(text.as_bytes())?;
    reader.finish()
}

/// A number of a date, and the mark before it.
#[derive(Debug, Clone, Copy)]
struct Part {
    value: i64,
    digits: usize,
    mark: u8,
}

#[derive(Debug, Default)]
struct Reader {
    parts: Vec<Part>,
    month: Option<u8>,
    weekday: bool,
    compact: Option<Date>,
    time: Option<f64>,
    half: Option<bool>,
    zone: Option<f64>,
}

impl Reader {
    fn read(&mut self, text: &[u8]) -> Option<()> {
        let mut at = 0;
        let mut mark = b' ';
        while at < text.len() {
            let c = text[at];
            match c {
                b'0'..=b'9' => {
                    at = self.number(text, at, mark)?;
                    mark = b' ';
                }
                b'+' | b'-' if self.time.is_some() && self.has_date() => {
                    at = self.offset(text, at)?;
                }
                b'-' | b'/' | b'.' => {
                    mark = c;
                    at += 1;
                }
                b' ' | b'\t' | b',' | b';' | b':' | b'[' | b']' | b'(' | b')' | b'"' | b'\'' => {
                    at += 1;
                }
                0xc2 if text.get(at + 1) == Some(&0xa0) => at += 2,
                0xe2 if text.get(at + 1) == Some(&0x80) && text.get(at + 2) == Some(&0xaf) => {
                    at += 3;
                }
                _ => at = self.word(text, at)?,
            }
        }
        Some(())
    }

    fn dated(&self) -> bool {
        self.compact.is_some() || !self.parts.is_empty()
    }

    /// Whether the date is there as a whole, so that what follows is a zone.
    fn has_date(&self) -> bool {
        self.compact.is_some()
            || self.parts.len() == 3
            || self.month.is_some() && !self.parts.is_empty()
    }

    fn number(&mut self, text: &[u8], at: usize, mark: u8) -> Option<usize> {
        let length = run(&text[at..]);
        let end = at + length;
        let value: i64 = std::str::from_utf8(&text[at..end]).ok()?.parse().ok()?;
        if length <= 2 && text.get(end) == Some(&b':') && self.time.is_none() {
            return self.clock(text, at);
        }
        if length >= 8 {
            if self.dated() {
                return None;
            }
            let digits = &text[at..end];
            self.compact = Some(compact(digits)?);
            if length > 8 {
                self.time = Some(compact_time(&digits[8..])?);
            }
            return Some(end);
        }
        if self.compact.is_some() && self.time.is_none() && matches!(length, 4 | 6) {
            let mut seconds = compact_time(&text[at..end])?;
            let mut end = end;
            if length == 6 && matches!(text.get(end), Some(b'.' | b',')) {
                let (fraction, after) = fraction(text, end + 1)?;
                seconds += fraction;
                end = after;
            }
            self.time = Some(seconds);
            return Some(end);
        }
        if self.parts.len() == 3 || length > 4 || self.compact.is_some() {
            return None;
        }
        self.parts.push(Part {
            value,
            digits: length,
            mark,
        });
        Some(end)
    }

    /// `10:00`, `10:00:03`, `10:00:03.5`, `10:00:03,500`.
    fn clock(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let (hour, mut at) = two(text, at)?;
        let (minute, after) = two(text, at + 1)?;
        at = after;
        let mut seconds = hour * 3600.0 + minute * 60.0;
        if text.get(at) == Some(&b':') {
            let (second, after) = two(text, at + 1)?;
            at = after;
            seconds += second;
            // A leap second is 60.
            if second > 60.0 {
                return None;
            }
            // `10:00:00:500` is in logs, too.
            if matches!(text.get(at), Some(b'.' | b',' | b':'))
                && text.get(at + 1).is_some_and(u8::is_ascii_digit)
            {
                let (fraction, after) = fraction(text, at + 1)?;
                at = after;
                seconds += fraction;
            }
        }
        if hour > 24.0 || minute > 59.0 || text.get(at).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        self.time = Some(seconds);
        Some(at)
    }

    /// `+02:00`, `-0500`, `+01`.
    fn offset(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let sign = if text[at] == b'-' { -1.0 } else { 1.0 };
        let length = run(&text[at + 1..]);
        let digits = &text[at + 1..at + 1 + length];
        let (hours, minutes, end) = match length {
            1 | 2 if text.get(at + 1 + length) == Some(&b':') => {
                let (hours, after) = two(text, at + 1)?;
                let (minutes, after) = two(text, after + 1)?;
                (hours, minutes, after)
            }
            1 | 2 => (value(digits)?, 0.0, at + 1 + length),
            4 => (value(&digits[..2])?, value(&digits[2..])?, at + 5),
            _ => return None,
        };
        if hours > 18.0 || minutes > 59.0 {
            return None;
        }
        self.zone = Some(sign * (hours * 3600.0 + minutes * 60.0));
        Some(end)
    }

    fn word(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let rest = std::str::from_utf8(&text[at..]).ok()?;
        let end = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let word = rest[..end].to_lowercase();
        let after = at + end;
        let dotted = |after: usize| after + usize::from(text.get(after) == Some(&b'.'));
        match &word[..] {
            // `2026-01-05T10:00:00Z`, and in France `10h00`.
            "t" if self.dated() && self.time.is_none() => return Some(after),
            "z" | "utc" | "gmt" => self.zone = Some(0.0),
            "am" | "pm" => self.set_half(word == "pm")?,
            "a" | "p" => {
                // `a.m.`
                let m = dotted(after);
                if text.get(m) != Some(&b'm') {
                    return None;
                }
                self.set_half(word == "p")?;
                return Some(dotted(m + 1));
            }
            "uhr" if self.time.is_some() => {}
            "de" | "den" | "at" | "um" => {}
            _ => {
                if let Some(hours) = zone(&word).filter(|_| self.time.is_some()) {
                    self.zone = Some(hours * 3600.0);
                } else if let Some(month) = month(&word).filter(|_| self.month.is_none()) {
                    self.month = Some(month);
                } else if weekday(&word) && !self.weekday {
                    self.weekday = true;
                } else {
                    return None;
                }
                return Some(dotted(after));
            }
        }
        (end > 0).then_some(after)
    }

    fn set_half(&mut self, after_noon: bool) -> Option<()> {
        self.time?;
        self.half = Some(after_noon);
        Some(())
    }

    fn finish(self) -> Option<Stamp> {
        let mut time = self.time;
        if let (Some(after_noon), Some(seconds)) = (self.half, time.as_mut()) {
            if *seconds >= 13.0 * 3600.0 {
                return None;
            }
            let from_noon = *seconds >= 12.0 * 3600.0;
            *seconds += match (after_noon, from_noon) {
                (true, false) => 12.0 * 3600.0,
                (false, true) => -12.0 * 3600.0,
                _ => 0.0,
            };
        }
        let date = match (self.compact, self.month, &self.parts[..]) {
            (Some(date), None, []) => Some(date),
            (None, None, []) => None,
            (None, Some(month), parts) => Some(worded(month, parts)?),
            (None, None, parts) => Some(numeric(parts, time.is_some())?),
            _ => return None,
        };
        (date.is_some() || time.is_some()).then_some(Stamp {
            date,
            time,
            zone: self.zone,
            half: self.half.is_some(),
        })
    }
}

fn run(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn value(digits: &[u8]) -> Option<f64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// One or two digits, and where they end.
fn two(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let length = run(text.get(at..)?);
    (1..=2)
        .contains(&length)
        .then(|| value(&text[at..at + length]))
        .flatten()
        .map(|value| (value, at + length))
}

/// Digits after a decimal mark, and where they end.
fn fraction(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let length = run(text.get(at..)?);
    let number = value(&text[at..at + length.min(15)])?;
    Some((number / 10_f64.powi(length.min(15) as i32), at + length))
}

/// `20260105`.
fn compact(digits: &[u8]) -> Option<Date> {
    let part = |range: std::ops::Range<usize>| value(&digits[range]).map(|v| v as i64);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if !(1970..2200).contains(&year) {
        return None;
    }
    date(Some(year), month, day, Order::Said)
}

/// `1000`, `100003`, `100003500`.
fn compact_time(digits: &[u8]) -> Option<f64> {
    if !matches!(digits.len(), 4 | 6 | 9 | 12) {
        return None;
    }
    let (hour, minute) = (value(&digits[..2])?, value(&digits[2..4])?);
    let second = if digits.len() > 4 {
        value(&digits[4..6])?
    } else {
        0.0
    };
    let fraction = if digits.len() > 6 {
        fraction(digits, 6)?.0
    } else {
        0.0
    };
    (hour < 24.0 && minute < 60.0 && second <= 60.0)
        .then_some(hour * 3600.0 + minute * 60.0 + second + fraction)
}

fn date(year: Option<i64>, month: i64, day: i64, order: Order) -> Option<Date> {
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && year.is_none_or(|year| (1..10_000).contains(&year));
    valid.then_some(Date {
        year,
        month: month as u8,
        day: day as u8,
        order,
    })
}

/// A date with its month in words: `5 Jan 2026`, `Jan 5`, `2026 Jan 05`.
fn worded(month: u8, parts: &[Part]) -> Option<Date> {
    let is_year = |part: &Part| part.digits == 4 || part.value > 31;
    let (day, year) = match parts {
        [day] => (day, None),
        [year, day] if is_year(year) && !is_year(day) => (day, Some(year)),
        // `05-Jan-26`; two digits after a space are something else.
        [day, year] if year.digits == 4 && (1970..2200).contains(&year.value) => (day, Some(year)),
        [day, year] if year.digits == 2 && year.mark != b' ' => (day, Some(year)),
        _ => return None,
    };
    date(
        year.map(full_year),
        i64::from(month),
        day.value,
        Order::Said,
    )
}

fn full_year(part: &Part) -> i64 {
    match part.value {
        short @ 0..70 if part.digits <= 2 => 2000 + short,
        short @ 70..100 if part.digits <= 2 => 1900 + short,
        year => year,
    }
}

/// A date in numbers alone.
fn numeric(parts: &[Part], timed: bool) -> Option<Date> {
    if parts.iter().skip(1).any(|part| part.mark == b' ') {
        return None;
    }
    match parts {
        [year, month, day] if year.digits == 4 => {
            date(Some(year.value), month.value, day.value, Order::Said)
        }
        // `26-01-05`.
        [year, month, day] if day.digits == 2 && day.mark == b'-' && year.value >= 20 => {
            date(Some(full_year(year)), month.value, day.value, Order::Said)
        }
        [a, b, year] if year.digits == 4 || year.digits == 2 => {
            either(*a, *b, Some(full_year(year)))
        }
        // `05.01. 10:00`; alone it is more likely a number.
        [a, b] if timed => either(*a, *b, None),
        _ => None,
    }
}

/// Two numbers of which one is the day and one the month.
fn either(a: Part, b: Part, year: Option<i64>) -> Option<Date> {
    if a.digits > 2 || b.digits > 2 {
        return None;
    }
    if b.mark == b'.' {
        // Where dates have points, the day is first.
        return date(year, b.value, a.value, Order::Said);
    }
    match (a.value <= 12, b.value <= 12) {
        (true, true) => date(year, b.value, a.value, Order::Open),
        (false, true) => date(year, b.value, a.value, Order::DayFirst),
        (true, false) => date(year, a.value, b.value, Order::MonthFirst),
        (false, false) => None,
    }
}
