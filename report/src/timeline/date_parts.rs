//! The parts of a date: which of its numbers is the year, the month, the day.

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

/// A number of a date, and the mark before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) value: i64,
    pub(super) digits: usize,
    pub(super) mark: u8,
}

pub(super) fn run(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

pub(super) fn value(digits: &[u8]) -> Option<f64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// One or two digits, and where they end.
pub(super) fn two(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let length = run(text.get(at..)?);
    (1..=2)
        .contains(&length)
        .then(|| value(&text[at..at + length]))
        .flatten()
        .map(|value| (value, at + length))
}

/// Digits after a decimal mark, and where they end.
pub(super) fn fraction(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let length = run(text.get(at..)?);
    let number = value(&text[at..at + length.min(15)])?;
    Some((number / 10_f64.powi(length.min(15) as i32), at + length))
}

/// `20260105`.
pub(super) fn compact(digits: &[u8]) -> Option<Date> {
    let part = |range: std::ops::Range<usize>| value(&digits[range]).map(|v| v as i64);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if !(1970..2200).contains(&year) {
        return None;
    }
    date(Some(year), month, day, Order::Said)
}

/// `1000`, `100003`, `100003500`.
pub(super) fn compact_time(digits: &[u8]) -> Option<f64> {
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

pub(super) fn date(year: Option<i64>, month: i64, day: i64, order: Order) -> Option<Date> {
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
pub(super) fn worded(month: u8, parts: &[Part]) -> Option<Date> {
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

pub(super) fn full_year(part: &Part) -> i64 {
    match part.value {
        short @ 0..70 if part.digits <= 2 => 2000 + short,
        short @ 70..100 if part.digits <= 2 => 1900 + short,
        year => year,
    }
}

/// A date in numbers alone.
pub(super) fn numeric(parts: &[Part], timed: bool) -> Option<Date> {
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
pub(super) fn either(a: Part, b: Part, year: Option<i64>) -> Option<Date> {
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
