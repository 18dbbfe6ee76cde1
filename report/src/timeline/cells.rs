//! One cell as a number: digits in groups, either decimal mark, a unit behind.
//!
//! A cell alone often has two readings: `1,234` is a thousand or one and a
//! bit. Here it is read by its mark as a decimal one, and its form says what is
//! in doubt; the column, which has all cells, decides (`numbers`).

use super::CellUnit;
use super::units::{Hint, scale};
use crate::length_of_time::length_of_time;

/// A number as a cell has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) value: f64,
    pub(super) mark: Mark,
    pub(super) unit: Option<CellUnit>,
}

/// What the marks between the digits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// None, or none that means anything: `1234`, `1 234`, `1'234`.
    None,
    /// A point that is decimal for certain: `12.5`, `0.125`, `1,234.5`.
    Point,
    /// A comma that is decimal for certain: `12,5`, `1.234,5`.
    Comma,
    /// Points that make groups for certain: `1.234.567`.
    PointGroups,
    /// Commas that make groups for certain: `1,234,567`.
    CommaGroups,
    /// `1.234`, read as a decimal point.
    PointOrGroup,
    /// `1,234`, read as a decimal comma.
    CommaOrGroup,
}

/// Reads a cell that is no plain number.
pub(super) fn read(cell: &str, hint: Hint) -> Option<Reading> {
    if cell.len() > 80 {
        return None;
    }
    let cell = cell.trim_matches(is_space);
    if cell.contains(':') {
        return span(cell).map(seconds);
    }
    let (number, rest) = numeral(cell)?;
    let rest = rest.trim_start_matches(is_space);
    let end = rest
        .find(|c: char| !c.is_alphabetic() && c != '%')
        .unwrap_or(rest.len());
    let (word, tail) = rest.split_at(end);
    if !word.is_empty() && tail.starts_with(|c: char| c.is_ascii_digit()) {
        // `1h30m`
        let time = length_of_time(cell).ok()?;
        return Some(seconds(time.as_secs_f64()));
    }
    if !ends(tail.trim_matches(is_space)) {
        return None;
    }
    let (factor, unit) = scale(word, hint)?;
    Some(Reading {
        value: number.value * factor,
        mark: number.mark,
        unit,
    })
    .filter(|reading| reading.value.is_finite())
}

fn seconds(value: f64) -> Reading {
    Reading {
        value,
        mark: Mark::None,
        unit: Some(CellUnit::Seconds),
    }
}

/// Whether what follows a number and its unit leaves it what it is: nothing,
/// what it is a part of (`/ 15.5GiB`), per what (`/s`), or a remark in brackets.
fn ends(tail: &str) -> bool {
    if tail.is_empty() || tail.starts_with('(') && tail.ends_with(')') {
        return true;
    }
    let Some(whole) = tail.strip_prefix('/') else {
        return false;
    };
    let whole = whole.trim_matches(is_space);
    matches!(whole, "s" | "sec" | "min" | "h")
        || numeral(whole).is_some_and(|(_, rest)| {
            rest.trim_matches(is_space)
                .chars()
                .all(|c| c.is_alphabetic() || c == '%')
        })
}

/// `00:10:03`, `10:03.5`, `1-02:03:04` as seconds. Two parts are minutes and
/// seconds, as `ps` and stop-watches write them.
pub(super) fn span(text: &str) -> Option<f64> {
    // `1-02:03:04` of ps, `1 days 02:03:04` and `1 day, 2:03:04` of Python.
    let days = |days: &str| days.trim().parse::<u32>().ok();
    let (days, clock) = if let Some((before, clock)) = text.split_once("day") {
        (days(before)?, clock.trim_start_matches(['s', ',', ' ']))
    } else if let Some((before, clock)) = text.split_once('-') {
        (days(before)?, clock)
    } else {
        (0, text)
    };
    let mut seconds = 0.0;
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let value = if last {
            let part = part.replace(',', ".");
            let whole = part.split('.').next().unwrap_or_default();
            if !digits(whole) || whole.len() > 2 {
                return None;
            }
            part.parse::<f64>().ok()?
        } else {
            if !digits(part) || part.len() > 6 {
                return None;
            }
            part.parse::<f64>().ok()?
        };
        if index > 0 && value >= 60.0 {
            return None;
        }
        seconds = seconds * 60.0 + value;
    }
    Some(f64::from(days) * 86400.0 + seconds)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

struct Number {
    value: f64,
    mark: Mark,
}

/// The number that a text begins with, and what follows it.
fn numeral(text: &str) -> Option<(Number, &str)> {
    let (negative, mut rest) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut digits = String::with_capacity(24);
    // The length of each run of digits, and the mark before it.
    let mut runs: Vec<(char, usize)> = Vec::new();
    let mut mark = ' ';
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if end == 0 && !runs.is_empty() {
            break;
        }
        digits.push_str(&rest[..end]);
        runs.push((mark, end));
        rest = &rest[end..];
        let mut next = rest.chars();
        let Some(c) = next.next().filter(|c| separates(*c)) else {
            break;
        };
        let after = next.as_str();
        let run = after.bytes().take_while(u8::is_ascii_digit).count();
        // `120 702` is one number, `12 5` is none.
        let group = !matches!(c, '.' | ',');
        if run == 0 || group && run != 3 {
            break;
        }
        mark = if matches!(c, '.' | ',') { c } else { ' ' };
        rest = after;
    }
    let (mark, decimals) = meaning(&runs, digits.starts_with('0'))?;
    if digits.is_empty() || digits.len() > 40 {
        return None;
    }
    digits.insert(digits.len() - decimals, '.');
    if let Some(power) = rest.strip_prefix(['e', 'E']) {
        let signed = power.strip_prefix(['+', '-']).unwrap_or(power);
        let length = signed.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=3).contains(&length) {
            let end = power.len() - signed.len() + length;
            digits.push('e');
            digits.push_str(&power[..end]);
            rest = &power[end..];
        }
    }
    let value: f64 = digits.parse().ok()?;
    let value = if negative { -value } else { value };
    Some((Number { value, mark }, rest))
}

fn separates(c: char) -> bool {
    matches!(c, '.' | ',' | '\'' | '\u{2019}' | '_') || is_space(c) && c != '\t'
}

/// What the marks between runs of digits mean, and how many digits are
/// decimals.
fn meaning(runs: &[(char, usize)], zero: bool) -> Option<(Mark, usize)> {
    let (first, marked) = runs.split_first()?;
    let first = first.1;
    let Some(&(last_mark, last_run)) = marked.last() else {
        return Some((Mark::None, 0));
    };
    let grouped = |runs: &[(char, usize)]| {
        (1..=3).contains(&first) && runs.iter().all(|(_, length)| *length == 3)
    };
    let other = |mark: char| marked.iter().filter(|(m, _)| *m != mark).count();
    if last_mark == ' ' {
        // Groups to the end, all of one kind.
        return (other(' ') == 0 && grouped(marked)).then_some((Mark::None, 0));
    }
    let before = &marked[..marked.len() - 1];
    let (decimal, groups, either) = if last_mark == '.' {
        (Mark::Point, Mark::PointGroups, Mark::PointOrGroup)
    } else {
        (Mark::Comma, Mark::CommaGroups, Mark::CommaOrGroup)
    };
    if before.is_empty() {
        let may_group = (1..=3).contains(&first) && last_run == 3 && !zero;
        return Some((if may_group { either } else { decimal }, last_run));
    }
    if other(last_mark) == 0 {
        // `12,34,567` as in India, `1,234,567` as elsewhere.
        let by_two = (1..=2).contains(&first)
            && last_run == 3
            && before.iter().all(|(_, length)| *length == 2);
        return (grouped(marked) || by_two).then_some((groups, 0));
    }
    let one_kind = before.iter().all(|(mark, _)| *mark == before[0].0);
    (one_kind && before[0].0 != last_mark && grouped(before)).then_some((decimal, last_run))
}

/// How a plain number's point is to be seen, by its bytes.
pub(super) fn mark_of(plain: &[u8]) -> Mark {
    let Some(point) = plain.iter().position(|b| *b == b'.') else {
        return Mark::None;
    };
    let whole = plain[..point].strip_prefix(b"-").unwrap_or(&plain[..point]);
    let may_group = plain.len() - point == 4
        && (1..=3).contains(&whole.len())
        && whole[0] != b'0'
        && plain[point + 1..].iter().all(u8::is_ascii_digit);
    if may_group {
        Mark::PointOrGroup
    } else {
        Mark::Point
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(cell: &str, hint: Hint) -> Option<(f64, Mark, Option<CellUnit>)> {
        read(cell, hint).map(|r| (r.value, r.mark, r.unit))
    }

    #[test]
    fn digits_come_in_groups_and_with_either_mark() {
        for (cell, number, mark) in [
            ("1234", 1234.0, Mark::None),
            ("1 234 567", 1_234_567.0, Mark::None),
            ("1\u{a0}234\u{a0}567,5", 1_234_567.5, Mark::Comma),
            ("1'234'567", 1_234_567.0, Mark::None),
            ("1\u{2019}234.25", 1234.25, Mark::Point),
            ("1_234", 1234.0, Mark::None),
            ("1,234,567", 1_234_567.0, Mark::CommaGroups),
            ("12,34,567", 1_234_567.0, Mark::CommaGroups),
            ("1.234.567", 1_234_567.0, Mark::PointGroups),
            ("1.234.567,5", 1_234_567.5, Mark::Comma),
            ("1,234,567.5", 1_234_567.5, Mark::Point),
            ("120,7", 120.7, Mark::Comma),
            ("-0,5", -0.5, Mark::Comma),
            ("0,125", 0.125, Mark::Comma),
            ("\u{2212}3,25", -3.25, Mark::Comma),
            ("1,234", 1.234, Mark::CommaOrGroup),
            ("1234,567", 1234.567, Mark::Comma),
            ("1,5E+03", 1500.0, Mark::Comma),
        ] {
            assert_eq!(
                value(cell, Hint::Other),
                Some((number, mark, None)),
                "{cell}"
            );
        }
        for cell in [
            "",
            "abc",
            "1.2.3",
            "127.0.0.1",
            "12 5",
            "1,23,4",
            "--5",
            "0x1f",
            ",",
        ] {
            assert_eq!(value(cell, Hint::Other), None, "{cell}");
        }
    }

    #[test]
    fn units_are_those_of_the_column() {
        const MIB: f64 = 1_048_576.0;
        let (bytes, percent, seconds) = (
            Some(CellUnit::Bytes),
            Some(CellUnit::Percent),
            Some(CellUnit::Seconds),
        );
        for (cell, hint, number, unit) in [
            ("120.6MiB / 15.5GiB", Hint::Other, 120.6 * MIB, bytes),
            ("512 MB", Hint::Other, 512.0 * MIB, bytes),
            ("512,5 Mo", Hint::Other, 512.5 * MIB, bytes),
            ("0B", Hint::Other, 0.0, bytes),
            ("120Mi", Hint::Other, 120.0 * MIB, bytes),
            ("512m", Hint::Memory, 512.0 * MIB, bytes),
            ("1.2kB / 0B", Hint::Other, 1.2 * 1024.0, bytes),
            ("100 MiB (0.5%)", Hint::Other, 100.0 * MIB, bytes),
            ("1.20%", Hint::Other, 1.2, percent),
            ("1.5k", Hint::Other, 1500.0, None),
            ("250m", Hint::Cpu, 0.25, None),
            ("12/100", Hint::Other, 12.0, None),
            ("3d", Hint::Other, 259_200.0, seconds),
            ("1h30m", Hint::Other, 5400.0, seconds),
            ("00:10:03", Hint::Other, 603.0, seconds),
            ("1-02:03:04", Hint::Other, 93_784.0, seconds),
            ("10:03.5", Hint::Other, 603.5, seconds),
            ("0 days 00:10:03", Hint::Other, 603.0, seconds),
            ("1 day, 2:03:04", Hint::Other, 93_784.0, seconds),
        ] {
            let read = value(cell, hint).map(|(number, _, unit)| (number, unit));
            assert_eq!(read, Some((number, unit)), "{cell}");
        }
        for cell in [
            "5m",
            "12 threads",
            "01/05/2026",
            "3 / x",
            "10:99",
            "1:2:3:4",
        ] {
            assert_eq!(value(cell, Hint::Other), None, "{cell}");
        }
    }
}
