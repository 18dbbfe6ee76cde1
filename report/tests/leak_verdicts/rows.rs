//! Rows of several processes, of several things, and of one that has gone.

use crate::judge;
use soakscope_report::{LeakOptions, LeakReport, Timeline, Verdict, judge_timeline};

pub(crate) fn judge_csv(csv: &str) -> LeakReport {
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    judge_timeline(&timeline, &LeakOptions::default())
}

#[test]
fn what_fell_first_and_grows_for_certain_since_does_not_pass() {
    for (fall, growth) in [(0.09, 90.0), (0.25, 45.0), (0.5, 60.0)] {
        let verdict = judge("rss_mb", 900, |s| {
            let x = s / 900.0;
            let shaky = (s * 7919.0 % 101.0) / 100.0;
            let level = if x < fall {
                400.0
            } else {
                115.0 + growth * (x - fall)
            };
            level + shaky
        });
        assert_ne!(verdict.verdict.verdict(), Verdict::Pass, "{verdict:#?}");
    }
}

#[test]
fn a_process_that_has_gone_does_not_hide_what_it_leaked() {
    for gone in ["0", "-1", "0.0"] {
        let mut csv = String::from("elapsed_s,rss_mb\n");
        for second in 0..600 {
            if second < 480 {
                csv += &format!("{second},{}\n", 100.0 + f64::from(second) / 10.0);
            } else {
                csv += &format!("{second},{gone}\n");
            }
        }
        assert_eq!(judge_csv(&csv).verdict, Verdict::Fail, "{gone}");
    }
}

#[test]
fn several_things_at_one_time_do_not_pass_as_one() {
    let mut csv = String::from("timestamp,region,rss_mb\n");
    let mut plain = String::from("elapsed_s,rss_mb\n");
    for minute in 0..120 {
        for (place, level) in [100.0, 150.0, 200.0].into_iter().enumerate() {
            let leak = if place == 2 { f64::from(minute) } else { 0.0 };
            let time = 1_767_600_000 + 60 * minute;
            csv += &format!("{time},r{place},{}\n", level + leak);
            plain += &format!("{},{}\n", 60 * minute, level + leak);
        }
    }
    for csv in [csv, plain] {
        let report = judge_csv(&csv);
        assert_ne!(report.verdict, Verdict::Pass, "{report:#?}");
    }
}

#[test]
fn processes_that_take_turns_are_judged_each() {
    let table = |leak: f64| {
        let mut csv = String::from("timestamp,pid,rss_kb\n");
        for minute in 0..240 {
            for pid in [4_241, 4_242, 4_243] {
                let kb = 110_504.0
                    + if pid == 4_242 {
                        leak * f64::from(minute)
                    } else {
                        0.0
                    };
                let kb = kb + f64::from((minute * 31 + pid) % 7) * 4.0;
                csv += &format!("{},{pid},{kb}\n", 1_767_600_000 + 60 * minute);
            }
        }
        csv
    };
    assert_eq!(judge_csv(&table(500.0)).verdict, Verdict::Fail);
    let healthy = judge_csv(&table(0.0));
    assert_eq!(healthy.verdict, Verdict::Pass, "{healthy:#?}");
}

#[test]
fn a_leak_that_began_late_in_a_short_run_does_not_pass() {
    for (seconds, growth) in [(60, 60.0), (120, 40.0), (300, 40.0)] {
        let verdict = judge("rss_mb", seconds, |s| {
            let x = s / seconds as f64;
            120.0 + growth * (x - 0.6).max(0.0) / 0.4 + (s * 31.0 % 7.0) / 10.0
        });
        assert_ne!(verdict.verdict.verdict(), Verdict::Pass, "{verdict:#?}");
    }
}
