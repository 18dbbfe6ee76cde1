//! Moments on one scale, from texts that each leave something open: times of
//! day past midnight, dates without a year past New Year, days and months in
//! either order.

use super::date_parts::{Date, Order};
use super::dates::Stamp;

const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// What is known after the texts so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    /// Which of day and month comes first, once a date has shown it.
    order: Option<Order>,
    /// Dates that could be read either way, so far.
    open: usize,
    /// Dates that are possible only in the order that others exclude.
    contrary: usize,
    /// Earlier moments are to be turned from day-first to month-first.
    turns: bool,
    /// Days since the first, of times without a date.
    day: f64,
    /// The time of day before, in seconds.
    before: Option<f64>,
    /// Whether an hour was seen that a clock of twelve hours does not have.
    past_twelve: bool,
    /// Years since the first, of dates without one.
    year: i64,
    /// Whether the year of dates without one has a 29 February.
    leap: bool,
    day_before: Option<i64>,
    /// Whether some have a zone, and some none.
    zoned: bool,
    local: bool,
}

impl Calendar {
    /// One whose dates have this order.
    pub(super) fn with(order: Order) -> Calendar {
        Calendar {
            order: Some(order),
            ..Calendar::default()
        }
    }

    /// Seconds since 1970, or since a midnight where there are no dates.
    pub(super) fn seconds(&mut self, stamp: Stamp) -> Option<f64> {
        let time = stamp.time.unwrap_or(0.0);
        match stamp.zone {
            Some(_) => self.zoned = true,
            None => self.local = true,
        }
        let seconds = match stamp.date {
            Some(date) => self.days(date)? as f64 * DAY + time,
            None => self.day_of(time, stamp.half) + time,
        };
        Some(seconds - stamp.zone.unwrap_or(0.0))
    }

    /// Whether the moments before are to be turned; asked after each.
    pub(super) fn turns(&mut self) -> bool {
        std::mem::take(&mut self.turns)
    }

    /// Whether times are local ones, which are set when summer ends.
    pub(super) fn is_local(&self) -> bool {
        self.local && !self.zoned
    }

    /// Whether there were dates that can be read in either order to the end.
    pub(super) fn is_open(&self) -> bool {
        self.order.is_none() && self.open > 0
    }

    fn days(&mut self, date: Date) -> Option<i64> {
        let (mut month, mut day) = (date.month, date.day);
        match (date.order, self.order) {
            (Order::Said, _) => {}
            (Order::Open, Some(Order::MonthFirst)) => (month, day) = (day, month),
            (Order::Open, _) => self.open += 1,
            (order, None) => {
                self.order = Some(order);
                self.turns = order == Order::MonthFirst && self.open > 0;
            }
            // In the file's order there is no such date.
            (order, Some(known)) if order != known => {
                self.contrary += 1;
                return None;
            }
            _ => {}
        }
        let Some(year) = date.year else {
            return Some(self.without_year(month, day));
        };
        Some(days(year, month, day))
    }

    fn without_year(&mut self, month: u8, day: u8) -> i64 {
        self.leap |= (month, day) == (2, 29);
        // 2001 is none of 366 days.
        let mut of_year = days(2001, month, day) - days(2001, 1, 1);
        if (month, day) == (2, 29) {
            of_year = 59;
        } else if self.leap && month > 2 {
            of_year += 1;
        }
        if let Some(before) = self.day_before
            && of_year < before - 180
        {
            self.year += 1;
            self.leap = false;
        }
        self.day_before = Some(of_year);
        days(2001, 1, 1) + self.year * 365 + of_year
    }

    /// Seconds of the days before a time of day without a date. It is past
    /// midnight where it is much earlier than the one before.
    fn day_of(&mut self, time: f64, half: bool) -> f64 {
        self.past_twelve |= half || !(HOUR..13.0 * HOUR).contains(&time);
        let Some(before) = self.before.replace(time) else {
            return 0.0;
        };
        let back = before - time;
        if back > 12.0 * HOUR {
            self.day += DAY;
        } else if self.day > 0.0 && before < HOUR && time > 23.0 * HOUR {
            // A row from before midnight that comes late.
            self.before = Some(before);
            return self.day - DAY;
        } else if back >= 11.0 * HOUR && !self.past_twelve {
            // A clock of twelve hours that does not say which half.
            self.day += DAY / 2.0;
        }
        self.day
    }
}

/// A day-first moment read month-first, and the other way round.
pub(super) fn turned(seconds: f64) -> f64 {
    let day = (seconds / DAY).floor();
    let (year, month, of_month) = civil(day as i64);
    if of_month > 12 {
        return seconds;
    }
    seconds + (days(year, of_month, month) as f64 - day) * DAY
}

/// Days since 1970 of a date.
fn days(year: i64, month: u8, day: u8) -> i64 {
    // Howard Hinnant's days_from_civil: years begin in March, so that the
    // leap day is the last.
    let (month, day) = (i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::dates::parse;

    /// Hours from the first to each other.
    fn hours(texts: &[&str]) -> Vec<f64> {
        let mut calendar = Calendar::default();
        let mut all: Vec<f64> = Vec::new();
        for text in texts {
            let stamp = parse(text).unwrap_or_else(|| panic!("{text:?} is no time"));
            all.push(calendar.seconds(stamp).expect("a moment"));
            if calendar.turns() {
                for before in &mut all {
                    *before = turned(*before);
                }
            }
        }
        all.iter().map(|s| (s - all[0]) / HOUR).collect()
    }

    #[test]
    fn forms_of_one_moment() {
        for text in [
            "2026-01-05T11:00:00Z",
            "2026-01-05 11:00:00",
            "2026-01-05 11:00",
            "2026-01-05 11:00:00.000",
            "2026-01-05 11:00:00,000",
            "2026-01-05T12:00:00+01:00",
            "2026-01-05 06:00:00 -0500",
            "2026/01/05 11:00:00",
            "05.01.2026 11:00",
            "5.1.2026 11:00:00",
            "05.01.26 11:00",
            "05.01.2026, 11:00:00 Uhr",
            "20260105110000",
            "20260105T110000Z",
            "20260105 11:00:00",
            "Mon Jan  5 11:00:00 UTC 2026",
            "Mon Jan  5 12:00:00 CET 2026",
            "Mon Jan  5 11:00:00 2026",
            "Mon Jan  5 11:00:00 AM UTC 2026",
            "Mon, 05 Jan 2026 11:00:00 +0000",
            "05/Jan/2026:11:00:00 +0000",
            "5 January 2026 11:00",
            "Jan 5, 2026 11:00 AM",
            "5. Januar 2026 11:00",
            "Mo 5. Jan 11:00:00 UTC 2026",
            "lun. 05 janv. 2026 11:00:00 UTC",
            "[2026-01-05 11:00:00]",
            "2026-01-05 11:00:00 AM",
            "26-01-05 11:00:00",
            "2026-01-05 11:00:00.000000000 +0000 UTC m=+0.000012",
            "Mon Jan 05 2026 11:00:00 GMT+0000 (Coordinated Universal Time)",
            "Monday, January 5, 2026 11:00:00 AM",
        ] {
            assert_eq!(hours(&["2026-01-05T10:00:00Z", text])[1], 1.0, "{text}");
        }
        for text in [
            "",
            "12",
            "10.5",
            "1.2.3.4",
            "hello",
            "1767600000",
            "12:99",
            "99:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day_go_past_midnight() {
        let day = hours(&["22:00", "23:59:00", "00:01", "12:00", "23:00", "01:00:00.5"]);
        let expected = [0.0, 1.0 + 59.0 / 60.0, 2.0 + 1.0 / 60.0, 14.0, 25.0, 27.0];
        for (a, b) in day.iter().zip(expected) {
            assert!((a - b).abs() < 0.001, "{day:?}");
        }
        assert_eq!(
            hours(&["11:00 PM", "12:00 AM", "1:00 AM", "12:00 pm", "1:00 p.m."]),
            [0.0, 1.0, 2.0, 13.0, 14.0]
        );
        // A clock of twelve hours that does not say so.
        assert_eq!(
            hours(&["11:00", "12:00", "01:00", "06:00", "12:00", "01:00"]),
            [0.0, 1.0, 2.0, 7.0, 13.0, 14.0]
        );
        // A row from before midnight that comes late.
        assert_eq!(
            hours(&["23:30", "00:30", "23:30", "00:30"]),
            [0.0, 1.0, 0.0, 1.0]
        );
    }

    #[test]
    fn the_year_turns_though_it_is_not_given() {
        assert_eq!(
            hours(&["Dec 31 23:00:00", "Jan  1 01:00:00", "Jan 01 02:00:00"]),
            [0.0, 2.0, 3.0]
        );
        assert_eq!(
            hours(&["Feb 28 00:00", "Feb 29 00:00", "Mar 1 00:00"]),
            [0.0, 24.0, 48.0]
        );
        assert_eq!(hours(&["Feb 28 00:00", "Mar 1 00:00"]), [0.0, 24.0]);
    }

    #[test]
    fn a_later_date_shows_which_part_is_the_day() {
        assert_eq!(
            hours(&["01/12/2026 00:00", "01/13/2026 00:00"]),
            [0.0, 24.0]
        );
        assert_eq!(
            hours(&["12/01/2026 00:00", "13/01/2026 00:00"]),
            [0.0, 24.0]
        );
    }

    #[test]
    fn civil_and_days_are_each_other() {
        for day in (-200_000..200_000).step_by(37) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(civil(0), (1970, 1, 1));
    }
}
