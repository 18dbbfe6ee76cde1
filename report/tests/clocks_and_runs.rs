//! Clocks that leap, rows astray, and runs that follow each other in one file:
//! the hours are those that passed, and what was repaired is named.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use soakscope_report::{CellUnit, Timeline};

const START: i64 = 1_767_600_000;

fn parse(text: &str) -> Timeline {
    Timeline::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Rows at these times, with the row's number as the reading.
fn rows(header: &str, times: impl Iterator<Item = String>) -> String {
    let mut text = format!("{header}\n");
    for (row, time) in times.enumerate() {
        writeln!(text, "{time},{row}").unwrap();
    }
    text
}

fn stamps(header: &str, seconds: impl Iterator<Item = i64>, format: &str) -> String {
    let date = |second| {
        let moment = jiff::Timestamp::from_second(second).unwrap();
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let zone = if format.ends_with('B') {
            zone
        } else {
            jiff::tz::TimeZone::UTC
        };
        let format = format.trim_end_matches('B');
        moment.to_zoned(zone).strftime(format).to_string()
    };
    rows(header, seconds.map(date))
}

/// Each row is a tick after the one before, in the file's order.
fn check_ticks(what: &str, timeline: &Timeline, rows: usize, tick_s: f64) {
    assert_eq!(timeline.len(), rows, "{what}: {:?}", timeline.losses());
    for (row, hours) in timeline.elapsed_hours().iter().enumerate() {
        let truth = row as f64 * tick_s / 3600.0;
        assert!(
            (hours - truth).abs() < 1e-6,
            "{what}: row {row} at {hours} h, not {truth}"
        );
    }
    let values = timeline.series("rss_mb").unwrap();
    assert!(values.is_sorted(), "{what}: {values:?}");
}

fn names(timeline: &Timeline, word: &str) -> bool {
    timeline.losses().iter().any(|loss| loss.contains(word))
}

#[test]
fn a_clock_that_is_set_costs_its_leap_and_nothing_else() {
    const DAY: i64 = 86_400;
    for (leap, word) in [
        (30 * DAY, "forward by 30.0 days at row 151"),
        (365 * DAY, "forward"),
        (-3600, "back by 1.0 h at row 151"),
        (-1800, "back by 30.0 min"),
        (-DAY, "back by 24.0 h at row 151"),
        (-400 * DAY, "back"),
    ] {
        for tick in [1, 60] {
            let seconds = (0..300).map(|row| START + row * tick + if row < 150 { 0 } else { leap });
            let format = if leap == -3600 {
                "%Y-%m-%d %H:%M:%SZ"
            } else {
                "%s"
            };
            let timeline = parse(&stamps("timestamp,rss_mb", seconds, format));
            let what = format!("{leap} s, tick {tick}");
            check_ticks(&what, &timeline, 300, tick as f64);
            assert!(names(&timeline, word), "{what}: {:?}", timeline.losses());
            assert_eq!(timeline.runs().len(), 1, "{what}");
        }
    }
}

#[test]
fn rows_of_another_time_are_left_out_and_counted() {
    for astray in [
        vec![0],
        vec![120],
        vec![199],
        vec![0, 77, 130],
        vec![50, 51, 52],
    ] {
        for odd in [0, 12, START + 400 * 86_400] {
            let seconds = (0..200).map(|row| {
                if astray.contains(&row) {
                    odd
                } else {
                    START + row as i64 * 60
                }
            });
            let timeline = parse(&stamps("timestamp,rss_mb", seconds, "%s"));
            assert_eq!(timeline.len(), 200 - astray.len(), "{astray:?}");
            assert!(
                (timeline.span_hours() - 199.0 / 60.0).abs() < 0.1,
                "{astray:?} {odd}"
            );
            assert!(names(&timeline, &format!("left out: {}", astray.len())));
        }
    }
}

#[test]
fn a_clock_that_starts_in_1970_is_set_once() {
    let seconds = (0..200).map(|row| if row < 100 { row } else { START + row });
    let timeline = parse(&stamps("timestamp,rss_mb", seconds, "%s"));
    check_ticks("epoch", &timeline, 200, 1.0);
    assert!(names(&timeline, "forward"));
}

#[test]
fn summer_begins_and_ends_in_local_time() {
    // Berlin, 29 March and 25 October 2026, 1:00 UTC.
    for (turn, word) in [
        (1_774_746_000, "forward by 1 h"),
        (1_792_890_000, "summer ends"),
    ] {
        for tick in [10, 60, 900] {
            let seconds = (-60..60).map(|row| turn + row * tick);
            for format in ["%Y-%m-%d %H:%M:%SB", "%d.%m.%Y %H:%M:%SB", "%H:%M:%SB"] {
                let timeline = parse(&stamps("time,rss_mb", seconds.clone(), format));
                let what = format!("{turn} {tick} {format}");
                if word == "summer ends" && tick == 10 {
                    // Ten minutes of a clock that goes back by an hour.
                    continue;
                }
                check_ticks(&what, &timeline, 120, tick as f64);
                assert!(names(&timeline, word), "{what}: {:?}", timeline.losses());
            }
            // With a zone there is nothing to repair.
            let zoned = parse(&stamps("time,rss_mb", seconds, "%Y-%m-%d %H:%M:%S %ZB"));
            check_ticks("zoned", &zoned, 120, tick as f64);
            assert!(zoned.losses().is_empty(), "{:?}", zoned.losses());
        }
    }
}

#[test]
fn gaps_late_rows_and_reversed_files_are_none_of_it() {
    let gap = (0..200).map(|row| START + row * 60 + if row < 100 { 0 } else { 7200 });
    let timeline = parse(&stamps("timestamp,rss_mb", gap, "%s"));
    assert!((timeline.span_hours() - 199.0 / 60.0 - 2.0).abs() < 1e-6);
    assert!(timeline.losses().is_empty(), "{:?}", timeline.losses());
    let late = (0..200).map(|row| START + if row == 90 { 70 * 60 + 1 } else { row * 60 });
    let timeline = parse(&stamps("timestamp,rss_mb", late, "%s"));
    assert_eq!(
        timeline.losses(),
        ["timeline: rows out of order, sorted by time: 1"]
    );
    assert_eq!(timeline.series("rss_mb").unwrap()[71], 90.0);
    let reversed = (0..200).rev().map(|row| START + row * 60);
    let timeline = parse(&stamps("timestamp,rss_mb", reversed, "%s"));
    assert_eq!(timeline.series("rss_mb").unwrap()[0], 199.0);
    assert!(names(&timeline, "out of order"));
    // Two pieces of one run, the later first.
    let pieces = (100..200).chain(0..100).map(|row| START + row * 60);
    let timeline = parse(&stamps("timestamp,rss_mb", pieces, "%s"));
    assert_eq!(timeline.series("rss_mb").unwrap()[0], 100.0);
    assert!((timeline.span_hours() - 199.0 / 60.0).abs() < 1e-6);
}

#[test]
fn runs_that_follow_each_other_are_apart() {
    let elapsed = |rows: std::ops::Range<i64>| rows.map(|row| row.to_string());
    let all = elapsed(0..100).chain(elapsed(0..80)).chain(elapsed(2..50));
    let timeline = parse(&rows("elapsed_min,rss_mb", all));
    check_ticks("three runs", &timeline, 228, 60.0);
    assert_eq!(timeline.runs(), [0..100, 100..180, 180..228]);
    assert!(names(&timeline, "time begins again at row 101"));
    // With the header again, of other columns in another order.
    let mut text = rows("elapsed_min,rss_mb", elapsed(0..50));
    text.push_str("elapsed_min,fds,rss_mb\n");
    for row in 0..50 {
        writeln!(text, "{row},7,{}", 50 + row).unwrap();
    }
    let timeline = parse(&text);
    check_ticks("another header", &timeline, 100, 60.0);
    assert_eq!(timeline.runs(), [0..50, 50..100]);
    let fds = timeline.series("fds").unwrap();
    assert!(fds[..50].iter().all(|v| v.is_nan()) && fds[50..].iter().all(|v| *v == 7.0));
    assert_eq!(timeline.untimed_rows(), 0);
    // One day after the other: the time between is kept.
    let mut text = stamps(
        "timestamp,rss_mb",
        (0..50).map(|row| START + row * 60),
        "%s",
    );
    text.push_str(&stamps(
        "timestamp,rss_mb",
        (0..50).map(|row| START + 50_000 + row * 60),
        "%s",
    ));
    let timeline = parse(&text);
    assert_eq!(timeline.runs(), [0..50, 50..100]);
    assert!((timeline.elapsed_hours()[50] - 50_000.0 / 3600.0).abs() < 1e-6);
}

#[test]
fn seconds_and_milliseconds_in_one_file() {
    let times = (0..100).map(|row| match row % 3 {
        0 => format!("{}", START + row),
        1 => format!("{}", (START + row) * 1000),
        _ => format!("{}.000", START + row),
    });
    let timeline = parse(&rows("timestamp,rss_mb", times));
    check_ticks("mixed", &timeline, 100, 1.0);
    assert!(names(&timeline, "each is read by its size"));
}

#[test]
fn a_date_and_a_time_of_day_in_two_columns() {
    for header in ["date,time,rss_mb", "Datum,Uhrzeit,rss_mb"] {
        for format in [
            "%Y-%m-%d,%H:%M:%S",
            "%d.%m.%Y,%H:%M:%S",
            "%m/%d/%Y,%I:%M:%S %p",
        ] {
            let seconds = (0..100).map(|row| 1_767_225_600 - 1800 + row * 60);
            let timeline = parse(&stamps(header, seconds, format));
            check_ticks(format, &timeline, 100, 60.0);
        }
    }
}

#[test]
fn milliseconds_after_a_comma_do_not_shift_the_cells() {
    let seconds = (0..100).map(|row| START + row);
    let timeline = parse(&stamps("time,rss_mb", seconds, "%Y-%m-%d %H:%M:%S,000"));
    check_ticks("log4j", &timeline, 100, 1.0);
}

/// A column of these cells.
fn column(name: &str, delimiter: char, cells: &[&str]) -> Timeline {
    let mut text = format!("elapsed_s{delimiter}{name}\n");
    for (row, cell) in cells.iter().enumerate() {
        let quote = if cell.contains(delimiter) { "\"" } else { "" };
        writeln!(text, "{row}{delimiter}{quote}{cell}{quote}").unwrap();
    }
    parse(&text)
}

#[test]
fn what_a_mark_means_is_decided_by_all_cells() {
    for (delimiter, cells, values) in [
        // Another cell of the column decides.
        (';', ["1,234", "1,5", "2,000"], [1.234, 1.5, 2.0]),
        (
            ';',
            ["1.234", "1.234.567", "999"],
            [1234.0, 1_234_567.0, 999.0],
        ),
        (
            ',',
            ["1,234", "1,234,567", "999"],
            [1234.0, 1_234_567.0, 999.0],
        ),
        (',', ["120.702", "120.5", "7"], [120.702, 120.5, 7.0]),
        // Nothing below a thousand has the mark.
        ('\t', ["998", "999", "1,002"], [998.0, 999.0, 1002.0]),
        // The delimiter does, and it is said.
        (
            ';',
            ["120,702", "120,703", "120,704"],
            [120.702, 120.703, 120.704],
        ),
    ] {
        let timeline = column("rss_mb", delimiter, &cells);
        assert_eq!(
            timeline.series("rss_mb").unwrap(),
            values,
            "{cells:?} {delimiter:?}"
        );
        let said = names(&timeline, "the comma in \"rss_mb\"");
        let decided = cells[0] != "120,702" && cells[0] != "998";
        assert_eq!(said, !decided, "{cells:?}: {:?}", timeline.losses());
    }
    // The unit in the name does: whole kilobytes, parts of a megabyte.
    for (name, delimiter, cell, value) in [
        ("rss_kb", ';', "120.702", Some(120_702.0)),
        ("rss_mb", ';', "120.702", Some(120.702)),
        ("rss_kb", '\t', "120,702", Some(120_702.0)),
        ("rss_kb", '\t', "120.702", Some(120_702.0)),
        ("rss_kb", ',', "120.702", None),
        ("rss_mb", '\t', "120,702", Some(120.702)),
        ("rss_kb", ',', "120,702", Some(120_702.0)),
        // Nothing decides: no scale is guessed.
        ("rss", '\t', "120,702", None),
        ("rss", ';', "120.702", None),
        ("rss_kb", ';', "120,702", None),
        ("rss_mb", ',', "120,702", None),
    ] {
        let timeline = column(name, delimiter, &[cell; 3]);
        let read = timeline.readings(name).map(|values| values[2]);
        assert_eq!(
            read,
            value,
            "{name} {delimiter:?} {cell}: {:?}",
            timeline.losses()
        );
        assert_eq!(
            timeline.facts(name).unreadable,
            if value.is_some() { 0 } else { 3 }
        );
        let why = if value.is_some() {
            "as "
        } else {
            "nothing in the file decides"
        };
        assert!(names(&timeline, why), "{:?}", timeline.losses());
    }
}

#[test]
fn units_that_come_late_are_put_on_one_scale_or_not_read() {
    let cells = |late: &str| -> Vec<String> {
        (0..150)
            .map(|row| {
                if row < 100 {
                    format!("{}.5", 100 + row % 3)
                } else {
                    late.to_owned()
                }
            })
            .collect()
    };
    let read = |name: &str, late: &str| {
        let cells = cells(late);
        column(
            name,
            ',',
            &cells.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let timeline = read("rss_mb", "110 MB");
    assert_eq!(timeline.series("rss_mb").unwrap()[149], 110.0);
    assert!(names(&timeline, "read as MB as its name says"));
    let timeline = read("rss", "110 MB");
    assert_eq!(timeline.series("rss").unwrap()[0], 100.5 * 1_048_576.0);
    assert_eq!(timeline.facts("rss").unit, Some(CellUnit::Bytes));
    let timeline = read("rss_mb", "512 MB");
    let facts = timeline.facts("rss_mb");
    assert_eq!(
        (facts.cells, facts.readings, facts.unreadable),
        (150, 100, 50)
    );
    assert!(names(&timeline, "do not continue each other"));
    // Words for long, then numbers, and the other way round.
    let words: Vec<String> = (0..200)
        .map(|row| {
            if row < 80 {
                "starting".to_owned()
            } else {
                format!("{row}")
            }
        })
        .collect();
    let timeline = column(
        "rss_mb",
        ',',
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let facts = timeline.facts("rss_mb");
    assert_eq!((facts.readings, facts.unreadable), (120, 80));
    assert_eq!(facts.example.as_deref(), Some("starting"));
    assert_eq!(timeline.series("rss_mb").unwrap()[199], 199.0);
    let timeline = column("state", ',', &["up", "down", "up"]);
    assert_eq!(timeline.facts("state").unreadable, 3);
    assert!(timeline.text("state").is_some() && timeline.losses().is_empty());
}
