//! Files that were cut, torn, mixed up or written by somebody else.

#![allow(clippy::unwrap_used)]

mod support;

use soakscope_report::{
    Cell, LeakOptions, Run, RunInfo, Timeline, TimelineWriter, judge, judge_timeline, summary_text,
    timeline_svg,
};

/// A file like the agent's, with quotes, gaps and both kinds of words.
fn file() -> String {
    let columns: Vec<String> = ["elapsed_min", "rss_mb", "time", "phase", "open_fds"]
        .iter()
        .map(|&name| name.to_owned())
        .collect();
    let writer = TimelineWriter::new(&columns);
    let mut csv = writer.header();
    for row in 0..25 {
        csv.push_str(
            &writer.row(&[
                Cell::Number(f64::from(row) / 60.0),
                if row == 7 {
                    Cell::Empty
                } else {
                    Cell::Number(100.25 + f64::from(row))
                },
                Cell::Text(format!("2026-01-15T10:00:{row:02}Z")),
                Cell::Text(
                    if row < 10 {
                        "warmup"
                    } else {
                        "steady, \"as agreed\""
                    }
                    .into(),
                ),
                Cell::Number(512.0 + f64::from(row)),
            ]),
        );
    }
    csv
}

#[test]
fn cut_at_any_byte_it_loses_at_most_the_last_row_and_invents_nothing() {
    let csv = file();
    let whole = Timeline::parse(csv.as_bytes()).unwrap();
    let header = csv.find('\n').unwrap() + 1;
    for end in 0..csv.len() {
        let parsed = Timeline::parse(&csv.as_bytes()[..end]);
        if end < header {
            // Nothing but a part of the header: an error or no rows.
            assert!(
                parsed.is_err() || parsed.unwrap().is_empty(),
                "cut at {end}"
            );
            continue;
        }
        let cut = parsed.unwrap_or_else(|error| panic!("cut at {end}: {error}"));
        let full_rows = csv[..end].matches('\n').count() - 1;
        assert!(
            (full_rows..=full_rows + 1).contains(&cut.len()),
            "cut at {end}"
        );
        let in_a_row = !csv[..end].ends_with('\n');
        assert_eq!(cut.truncated_rows(), usize::from(in_a_row), "cut at {end}");
        for name in ["elapsed_min", "rss_mb", "open_fds"] {
            let (whole, cut) = (whole.series(name).unwrap(), cut.series(name).unwrap());
            for (row, value) in cut.iter().enumerate() {
                assert!(
                    value.is_nan() || *value == whole[row],
                    "cut at {end}: {name} row {row} is {value}, was {}",
                    whole[row]
                );
            }
        }
    }
}

#[test]
fn noise_in_place_of_any_byte_never_stops_judge_and_renderers() {
    let csv = file();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..3_000 {
        let mut torn = csv.clone().into_bytes();
        for _ in 0..1 + random() % 8 {
            let at = (random() % torn.len() as u64) as usize;
            torn[at] = random() as u8;
        }
        let Ok(timeline) = Timeline::parse(&torn) else {
            continue;
        };
        let rows = timeline.len();
        for name in timeline.columns() {
            assert!(
                timeline
                    .series(name)
                    .is_none_or(|values| values.len() == rows)
            );
            assert!(timeline.text(name).is_none_or(|words| words.len() == rows));
        }
        assert!(timeline.elapsed_hours().is_sorted());
        if round % 10 == 0 {
            let run = Run::new(RunInfo::default(), timeline);
            let verdict = judge(&run);
            let _ = (summary_text(&run, &verdict), timeline_svg(&run));
        }
    }
}

#[test]
fn pure_noise_never_panics() {
    let mut state = 1u64;
    for length in 0..3_000usize {
        let noise: Vec<u8> = (0..length % 300)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                b"0123456789.,-e\n\"\r#;\tnaelps_\x00\xff"[(state >> 33) as usize % 29]
            })
            .collect();
        let _ = Timeline::parse(&noise);
        let mut with_header = b"elapsed_s,rss_mb\n".to_vec();
        with_header.extend(noise);
        let _ = Timeline::parse(&with_header);
    }
}

#[test]
fn what_the_writer_writes_the_reader_reads() {
    let timeline = Timeline::parse(file().as_bytes()).unwrap();
    let mut built = Timeline::new(timeline.columns());
    for row in 0..timeline.len() {
        let cells: Vec<Cell> = timeline
            .columns()
            .iter()
            .map(|name| match (timeline.series(name), timeline.text(name)) {
                (Some(values), _) => Cell::Number(values[row]),
                (None, words) => Cell::Text(words.unwrap().get(row).unwrap_or_default().to_owned()),
            })
            .collect();
        built.push(&cells);
    }
    // What is built in memory and what is read from the file judge alike.
    let options = LeakOptions::default();
    assert_eq!(
        judge_timeline(&built, &options),
        judge_timeline(&timeline, &options)
    );
    assert_eq!(built.phases(), timeline.phases());
    assert_eq!(
        built.text("time").unwrap().get(24),
        Some("2026-01-15T10:00:24Z")
    );
}

#[test]
fn every_kind_of_time_gives_the_same_verdict() {
    let options = LeakOptions::default();
    let verdict = |header: &str, time: &dyn Fn(u32) -> String| {
        let mut csv = format!("{header},rss_mb\n");
        for second in 0..120 {
            csv.push_str(&format!("{},{}\n", time(second), 100 + second));
        }
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        let series = judge_timeline(&timeline, &options).series.remove(0);
        let slope = series.slope_per_hour.unwrap();
        assert!((slope - 3600.0).abs() < 40.0, "{header}: {slope}");
        series.verdict.name()
    };
    for (header, time) in [
        (
            "elapsed_s",
            &(|s: u32| s.to_string()) as &dyn Fn(u32) -> String,
        ),
        ("elapsed_min", &|s| (f64::from(s) / 60.0).to_string()),
        ("elapsed_h", &|s| (f64::from(s) / 3600.0).to_string()),
        ("elapsed_ms", &|s| (s * 1000).to_string()),
        ("seconds", &|s| s.to_string()),
        ("minutes", &|s| (f64::from(s) / 60.0).to_string()),
        ("timestamp", &|s| (1_768_471_200 + u64::from(s)).to_string()),
        ("timestamp", &|s| {
            (1_768_471_200_000 + u64::from(s) * 1000).to_string()
        }),
        ("time", &|s| {
            format!("2026-01-15T10:{:02}:{:02}Z", s / 60, s % 60)
        }),
        ("time", &|s| {
            format!("2026-01-15 10:{:02}:{:02}", s / 60, s % 60)
        }),
        ("datetime", &|s| {
            format!("2026-01-15T12:{:02}:{:02}.5+02:00", s / 60, s % 60)
        }),
    ] {
        assert_eq!(verdict(header, time), "leak", "{header}");
    }
}

/// A script that writes Latin-1 loses its odd characters, not its file.
#[test]
fn an_odd_byte_costs_itself() {
    let csv = b"elapsed_s,rss_mb,phase,gr\xf6\xdfe_mb\n0,1,w\xe4rm,3\n1,2,st\xff,x\xff\n";
    let timeline = Timeline::parse(csv).unwrap();
    assert_eq!(timeline.columns()[3], "gr\u{fffd}\u{fffd}e_mb");
    let phases = timeline.text("phase").unwrap();
    assert_eq!(
        (phases.get(0), phases.get(1)),
        (Some("w\u{fffd}rm"), Some("st\u{fffd}"))
    );
    assert_eq!(timeline.series("rss_mb").unwrap(), [1.0, 2.0]);
}

/// Two columns of one name are two series.
#[test]
fn a_second_column_of_a_name_has_its_own() {
    let csv = "elapsed_s,rss_mb,rss_mb,,rss_mb\n0,1,2,3,4\n1,5,6,7,8\n";
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let expected = [
        "elapsed_s",
        "rss_mb",
        "rss_mb (2)",
        "column_4",
        "rss_mb (3)",
    ];
    assert_eq!(timeline.columns(), expected);
    assert_eq!(timeline.series("rss_mb (2)").unwrap(), [2.0, 6.0]);
}
