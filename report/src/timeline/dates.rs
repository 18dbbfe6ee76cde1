//! Dates and times of day as people, locales and tools write them, one text at
//! a time. What a text leaves open (the year, whether the day comes first, on
//! which day a time of day is) is for `calendar`, which sees them all.

use super::date_names::{month, weekday, zone};
use super::date_parts::{
    Date, Part, compact, compact_time, fraction, numeric, run, two, value, worded,
};

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

/// Reads a date, a time of day, or both. A plain number is none of them, but
/// for one such as 20260105100000.
pub(super) fn parse(text: &str) -> Option<Stamp> {
    // Go prints its monotonic clock behind the date.
    let text = text.split(" m=").next().unwrap_or(text);
    if text.len() > 80 || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut reader = Reader::default();
    reader.read(text.as_bytes())?;
    reader.finish()
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
                // The zone's name in full, as browsers print it.
                b'(' if self.time.is_some() && self.has_date() => return Some(()),
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
            "de" | "den" | "at" | "um" | "à" => {}
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
