//! Columns of other people's scripts: which are judged, in which unit, in how
//! many lives, and what is said of the rest.

#![allow(clippy::unwrap_used)]

use soakscope_report::{
    LeakOptions, LeakReport, Role, SeriesOutcome, Timeline, Verdict, judge_timeline, leaks_text,
};

/// Repeatable noise between -1 and 1.
fn ripple(row: usize) -> f64 {
    ((row * 7_919 + 13) % 101) as f64 / 50.0 - 1.0
}

fn parse(header: &str, rows: usize, row: impl Fn(usize) -> String) -> Timeline {
    let mut csv = format!("elapsed_min,{header}\n");
    for number in 0..rows {
        csv.push_str(&format!("{number},{}\n", row(number)));
    }
    Timeline::parse(csv.as_bytes()).unwrap()
}

fn judge(header: &str, rows: usize, row: impl Fn(usize) -> String) -> LeakReport {
    judge_timeline(&parse(header, rows, row), &LeakOptions::default())
}

fn role(report: &LeakReport, name: &str) -> Role {
    let column = report.columns.iter().find(|column| column.name == name);
    column.unwrap().role
}

#[test]
fn running_counters_beside_flat_memory_are_no_leak_and_are_listed() {
    for name in [
        "gc_count",
        "rx_bytes",
        "utime",
        "row",
        "total_rows",
        "success",
    ] {
        let report = judge(&format!("rss_mb,{name}"), 120, |row| {
            format!("{:.1},{}", 104.0 + ripple(row), 1_000 + 640 * row + row % 3)
        });
        assert_eq!(report.verdict, Verdict::Pass, "{name}: {report:#?}");
        assert_eq!(role(&report, name), Role::Counter, "{name}");
        assert!(leaks_text(&report).contains(&format!("counter: {name}")));
    }
}

#[test]
fn what_only_begins_like_something_else_is_judged() {
    for name in [
        "pids",
        "net_connections",
        "disk_cache_mb",
        "errors_kept_mb",
        "loaded_modules",
        "virtual_users",
        "time_series",
    ] {
        let report = judge(&format!("rss_mb,{name}"), 480, |row| {
            format!("{:.1},{}", 100.0 + ripple(row) / 2.0, 50 + 2 * row)
        });
        assert_eq!(report.verdict, Verdict::Fail, "{name}: {report:#?}");
    }
}

#[test]
fn a_name_that_says_nothing_is_never_a_pass_where_it_only_rises() {
    let report = judge("rss_mb,widgets", 480, |row| {
        format!("{:.1},{}", 100.0 + ripple(row) / 2.0, 50 + 2 * row)
    });
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let widgets = &report.series[1];
    assert_eq!(widgets.rule, "role");
    assert!(
        widgets.explanation.contains("--judge 'widgets'"),
        "{widgets:?}"
    );
    // One that goes up and down on its way is no running counter.
    let report = judge("widgets", 480, |row| {
        format!("{:.0}", 50.0 + 2.0 * row as f64 + 9.0 * ripple(row))
    });
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn units_are_in_names_however_they_are_spelt() {
    // A tenth of a megabyte in ten hours.
    for name in ["RSS (KB)", "rssKB", "rss_kb", "rss[KiB]", "mem.kb"] {
        let report = judge(name, 600, |row| {
            format!("{:.0}", 512_000.0 + row as f64 / 6.0 + ripple(row))
        });
        assert_eq!(report.verdict, Verdict::Pass, "{name}: {report:#?}");
        assert_eq!(report.columns[0].unit.as_deref(), Some("KB"), "{name}");
    }
}

#[test]
fn a_unit_that_nobody_says_is_found_or_asked_for() {
    // Fifty megabytes that become a hundred and fifty, in kilobytes.
    for (from, step) in [(51_430.0, 170.3), (516_612.0, 1_701.1)] {
        let report = judge("rss", 600, |row| {
            format!("{:.0}", from + step * row as f64 + 60.0 * ripple(row))
        });
        assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
        assert_eq!(report.columns[0].unit.as_deref(), Some("KB"));
        assert!(leaks_text(&report).contains("likeliest KB"));
    }
    // A tenth of a megabyte, or a hundred: who can say?
    let slow = |row: usize| format!("{:.0}", 512_001.0 + row as f64 / 6.0 + ripple(row));
    let report = judge("rss", 600, slow);
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report:#?}");
    assert_eq!(report.series[0].rule, "unit");
    assert!(report.series[0].explanation.contains("--judge 'rss:KB'"));
    let timeline = parse("rss", 600, slow);
    let mut options = LeakOptions::default();
    let asked = ["rss:KB".to_owned()];
    options.ask(&timeline, &asked, &[]).unwrap();
    assert_eq!(judge_timeline(&timeline, &options).verdict, Verdict::Pass);
    // Flat memory is flat in every unit.
    let report = judge("rss", 600, |row| {
        format!("{:.0}", 51_430.0 + 60.0 * ripple(row))
    });
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
}

#[test]
fn virtual_memory_is_not_judged_and_that_is_said() {
    let report = judge("rss_kb,vsz_kb", 600, |row| {
        format!(
            "{:.0},{}",
            51_500.0 + 60.0 * ripple(row),
            2_000_000 + 1_706 * row
        )
    });
    assert_eq!(report.verdict, Verdict::Pass);
    assert_eq!(role(&report, "vsz_kb"), Role::Virtual);
    assert!(leaks_text(&report).contains("virtual: vsz_kb"));
}

#[test]
fn memory_that_could_not_be_read_never_passes() {
    for (name, cell) in [
        ("mem_usage", "<many>"),
        ("connections", "<few>"),
        ("rss_mb", ""),
    ] {
        let header = format!("threads,{name}");
        let report = judge(&header, 300, |row| format!("{},{cell}", 12 + row % 2));
        assert_eq!(report.verdict, Verdict::Inconclusive, "{name}");
        let unread = report
            .series
            .iter()
            .find(|series| series.name == name)
            .unwrap();
        assert_eq!(
            (unread.verdict, &*unread.rule),
            (SeriesOutcome::Inconclusive, "unread")
        );
        assert!(unread.explanation.contains("--skip"), "{unread:?}");
    }
    // Words that are nothing held are words.
    let report = judge("rss_mb,status", 300, |row| {
        format!("{:.1},fine", 100.0 + ripple(row))
    });
    assert_eq!(report.verdict, Verdict::Pass);
    // Readings that end half way say nothing of the rest.
    let report = judge("threads,rss_mb", 300, |row| {
        let read = if row < 150 { "100.5" } else { "" };
        format!("12,{read}")
    });
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report:#?}");
}

/// A process that grows for two hours, is killed and begins again, six times.
fn killed(row: usize) -> f64 {
    60.0 + 1.12 * (row % 120) as f64 + ripple(row)
}

#[test]
fn each_life_is_judged_by_its_own_name() {
    let by_pid = |row: usize| format!("{},{:.1}", 4_100 + row / 120 * 37, killed(row));
    let by_uptime = |row: usize| format!("{},{:.1}", row % 120 * 60, killed(row));
    for (header, row) in [
        ("pid,rss_mb", &by_pid as &dyn Fn(usize) -> String),
        ("uptime_s,rss_mb", &by_uptime),
    ] {
        let report = judge(header, 720, row);
        assert_eq!(report.verdict, Verdict::Fail, "{header}: {report:#?}");
        assert_eq!(report.lives.len(), 6);
        assert_eq!(report.series[1].name, "rss_mb [life 2 of 6]");
        assert!((report.series[1].judged_from_min.unwrap() - 120.0).abs() < 60.0);
        assert!(leaks_text(&report).contains("6 lives in one file: a new one begins at 2 h"));
    }
    // Restarts of a service that is healthy are no leak.
    let report = judge("pid,rss_mb", 720, |row| {
        format!("{},{:.1}", 4_100 + row / 120, 60.0 + ripple(row))
    });
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
}

#[test]
fn lives_too_short_to_be_judged_are_judged_together() {
    // Every quarter of an hour it is killed, and every time it had grown.
    let short = |growth: f64| {
        judge("pid,rss_mb", 450, move |row| {
            let grown = growth * (row % 15) as f64;
            format!("{},{:.1}", 4_100 + row / 15, 60.0 + grown + ripple(row))
        })
    };
    let report = short(9.0);
    assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
    assert_eq!(report.series[0].name, "rss_mb [30 lives]");
    assert_eq!(report.series[0].rule, "lives");
    assert_eq!(short(0.0).verdict, Verdict::Inconclusive);
    // A long life after short ones that rose and were killed.
    let report = judge("pid,rss_mb", 300, |row| match row {
        0..60 => format!("{},{:.1}", row / 15, 60.0 + 9.0 * (row % 15) as f64),
        _ => format!("4,{:.1}", 60.0 + ripple(row)),
    });
    assert_ne!(report.verdict, Verdict::Fail, "{report:#?}");
}

#[test]
fn of_processes_that_take_turns_the_one_that_leaks_is_named() {
    let report = judge("container,rss_mb", 600, |row| {
        let leak = if row % 2 == 0 { 0.2 * row as f64 } else { 0.0 };
        let name = ["api", "db"][row % 2];
        format!(
            "{name},{:.1}",
            100.0 + 50.0 * (row % 2) as f64 + leak + ripple(row)
        )
    });
    let found: Vec<(&str, SeriesOutcome)> = report
        .series
        .iter()
        .map(|series| (series.name.as_str(), series.verdict))
        .collect();
    let expected = [
        ("rss_mb [api]", SeriesOutcome::Leak),
        ("rss_mb [db]", SeriesOutcome::Clean),
    ];
    assert_eq!(found, expected);
}
