//! Series whose truth is known, and what is said about them.

#![allow(clippy::unwrap_used)]

mod load;
#[path = "../support/noise.rs"]
mod noise;
mod rows;

use noise::Noise;
use soakscope_report::{
    LeakOptions, LeakReport, SeriesOutcome, SeriesVerdict, Timeline, Verdict, judge_timeline,
};

/// Judges one series of one sample a second, with a phase for each second.
fn judge_with_phase(
    name: &str,
    seconds: usize,
    value: impl Fn(f64) -> f64,
    phase: impl Fn(usize) -> &'static str,
) -> LeakReport {
    let mut csv = format!("elapsed_s,{name},phase\n");
    for second in 0..seconds {
        let value = value(second as f64);
        csv.push_str(&format!("{second},{value},{}\n", phase(second)));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    judge_timeline(&timeline, &LeakOptions::default())
}

fn judge(name: &str, seconds: usize, value: impl Fn(f64) -> f64) -> SeriesVerdict {
    let report = judge_with_phase(name, seconds, value, |_| "");
    report.series.into_iter().next().unwrap()
}

/// The same with noise, for many seeds; none may be called a leak.
fn never_a_leak(seconds: usize, deviation: f64, value: impl Fn(f64) -> f64) {
    for seed in 1..=25 {
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let drawn: Vec<f64> = (0..seconds).map(|_| deviation * noise.normal()).collect();
        let verdict = judge("rss_mb", seconds, |s| value(s) + drawn[s as usize]);
        assert_ne!(
            verdict.verdict,
            SeriesOutcome::Leak,
            "seed {seed}: {verdict:#?}"
        );
    }
}

#[test]
fn steady_growth_is_a_leak_at_half_a_megabyte_a_second_and_at_one() {
    for rate in [0.5, 1.0] {
        for seed in 1..=25 {
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let drawn: Vec<f64> = (0..120).map(|_| noise.normal()).collect();
            let verdict = judge("rss_mb", 120, |s| 80.0 + rate * s + drawn[s as usize]);
            assert_eq!(
                verdict.verdict,
                SeriesOutcome::Leak,
                "seed {seed}: {verdict:#?}"
            );
            let slope = verdict.slope_per_hour.unwrap();
            assert!((slope / 3600.0 - rate).abs() < 0.2 * rate, "{verdict:#?}");
            let [low, high] = verdict.slope_interval.unwrap();
            assert!(low < slope && slope < high);
        }
    }
}

#[test]
fn a_leak_under_the_warm_up_of_its_service_is_found() {
    let verdict = judge("rss_mb", 180, |s| {
        80.0 + 0.5 * s + 60.0 * (1.0 - (-s / 15.0).exp())
    });
    assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
}

#[test]
fn leaked_connections_and_descriptors_are_leaks_too() {
    for name in ["connections", "open_fds", "db_pool_in_use"] {
        let verdict = judge(name, 120, |s| 12.0 + (s / 2.0).floor());
        assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
    }
}

#[test]
fn a_slow_leak_over_a_day_is_found() {
    // A sample a minute, half a megabyte an hour: the kind that short runs and
    // "ten percent and twenty megabytes" let pass.
    let mut noise = Noise(7);
    let mut csv = String::from("elapsed_min,rss_mb\n");
    for minute in 0..1440 {
        let value = 300.0 + 0.5 * f64::from(minute) / 60.0 + 0.5 * noise.normal();
        csv.push_str(&format!("{minute},{value}\n"));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
}

#[test]
fn a_constant_series_is_clean_and_says_what_it_could_have_seen() {
    let verdict = judge("rss_mb", 60, |_| 100.0);
    assert_eq!(verdict.verdict, SeriesOutcome::Clean);
    assert_eq!(verdict.slope_per_hour, Some(0.0));
    assert!(verdict.detectable_per_hour.unwrap() > 0.0);
    assert!(verdict.explanation.contains("could not have been seen"));
}

#[test]
fn noise_is_not_a_leak() {
    never_a_leak(60, 2.0, |_| 100.0);
    never_a_leak(600, 10.0, |_| 100.0);
}

#[test]
fn wandering_noise_is_rarely_called_a_leak() {
    // Neighbouring seconds resemble each other (AR(1), ρ = 0.9), which fools a
    // test that takes them as independent two times out of three.
    for (seconds, deviation) in [(120, 15.0), (600, 15.0)] {
        let runs = 100;
        let mut called = 0;
        for seed in 1..=runs {
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let mut level = 0.0;
            let drawn: Vec<f64> = (0..seconds)
                .map(|_| {
                    level = 0.9 * level + 0.19_f64.sqrt() * noise.normal();
                    200.0 + deviation * level
                })
                .collect();
            let verdict = judge("rss_mb", seconds, |s| drawn[s as usize]);
            called += u64::from(verdict.verdict == SeriesOutcome::Leak);
        }
        let share = called as f64 / runs as f64;
        println!("{seconds} s: {called} of {runs} called a leak");
        assert!(share <= 0.01, "{seconds} s: {called} of {runs}");
    }
}

#[test]
fn a_warm_up_plateau_is_not_a_leak() {
    for tau in [5.0, 15.0, 30.0, 40.0] {
        never_a_leak(120, 0.3, |s| 50.0 + 80.0 * (1.0 - (-s / tau).exp()));
    }
}

#[test]
fn a_spike_that_goes_is_not_a_leak() {
    for start in [20.0, 50.0, 80.0, 100.0] {
        never_a_leak(120, 0.5, |s| {
            100.0
                + if s >= start && s < start + 15.0 {
                    60.0
                } else {
                    0.0
                }
        });
        // One that rises and falls slowly.
        never_a_leak(120, 0.5, |s| {
            100.0 + 60.0 * (1.0 - (s - start).abs() / 15.0).max(0.0)
        });
    }
}

#[test]
fn a_spike_that_stays_is_no_leak_and_passes_once_its_double_would_have_been_seen() {
    for at in [30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 115.0] {
        never_a_leak(120, 0.5, |s| 100.0 + if s >= at { 60.0 } else { 0.0 });
        never_a_leak(120, 0.5, |s| {
            100.0 + 60.0 * ((s - at) / 10.0).clamp(0.0, 1.0)
        });
    }
    let stepped = |at| judge("rss_mb", 120, |s| 100.0 + if s >= at { 60.0 } else { 0.0 });
    let early = stepped(45.0);
    assert_eq!(early.verdict, SeriesOutcome::Step, "{early:#?}");
    // A table that is filling doubled after 70 s, and would again after 140: in a
    // run of 167 s that would have been seen.
    let late = stepped(70.0);
    assert_eq!(late.verdict, SeriesOutcome::Inconclusive, "{late:#?}");
    assert_eq!(late.rule, "doubling");
    let seconds = late.next_look_hours.unwrap() * 3600.0;
    assert!((160.0..172.0).contains(&seconds), "{late:#?}");
    // However late it is, so long is longer than it ran.
    for at in [53.0, 57.0, 60.0, 100.0] {
        let late = stepped(at);
        assert_eq!(late.rule, "doubling", "{late:#?}");
        assert!(late.next_look_hours.unwrap() * 3600.0 > 120.0, "{late:#?}");
    }
}

#[test]
fn a_saw_tooth_is_not_a_leak() {
    for period in [5.0, 7.0, 10.0, 13.0, 20.0, 30.0, 37.0, 45.0] {
        never_a_leak(120, 0.3, |s| 100.0 + 40.0 * (s % period) / period);
    }
}

#[test]
fn a_leak_under_a_saw_tooth_is_a_leak() {
    let verdict = judge("rss_mb", 240, |s| 100.0 + 0.5 * s + 40.0 * (s % 7.0) / 7.0);
    assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
}

#[test]
fn named_phases_of_unsteady_load_are_left_out() {
    let level = |s: f64| match s as usize {
        0..=59 => 50.0 + s,
        60..=139 => 110.0,
        140..=159 => 110.0 + 5.0 * (s - 140.0),
        160..=219 => 110.0,
        _ => 110.0 + 2.0 * (s - 220.0),
    };
    let phase = |s: usize| match s {
        0..=59 => "warmup",
        140..=159 => "spike",
        220.. => "cooldown",
        _ => "steady",
    };
    let report = judge_with_phase("rss_mb", 240, level, phase);
    let series = &report.series[0];
    assert_eq!(series.verdict, SeriesOutcome::Clean, "{series:#?}");
    assert_eq!(series.quarters, [Some(110.0); 4]);
    // 80 steady seconds before the spike and 60 after it.
    assert_eq!(series.samples, 140);
}

#[test]
fn too_little_is_inconclusive_and_says_how_much_more() {
    let report = judge_with_phase("rss_mb", 12, |s| 100.0 + s, |_| "");
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let series = &report.series[0];
    assert_eq!(series.verdict, SeriesOutcome::Inconclusive);
    assert!(
        series.explanation.contains("run for at least"),
        "{}",
        series.explanation
    );
    // Doing as it says must suffice.
    let more: f64 = series
        .explanation
        .split("at least ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let longer = judge("rss_mb", 12 + more.ceil() as usize + 1, |_| 100.0);
    assert_eq!(longer.verdict, SeriesOutcome::Clean, "{longer:#?}");
}

#[test]
fn nothing_to_judge_is_inconclusive() {
    for csv in [
        "elapsed_s,cpu_percent\n0,1\n1,2\n",
        "elapsed_s,rss_mb\n",
        "elapsed_s,rss_mb\n0,\n1,\n",
    ] {
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        let report = judge_timeline(&timeline, &LeakOptions::default());
        assert_eq!(report.verdict, Verdict::Inconclusive, "{csv}");
    }
}

#[test]
fn memory_kept_by_the_allocator_is_retention() {
    let mut csv = String::from("elapsed_s,rss_mb,heap_live_mb\n");
    for second in 0..120 {
        csv.push_str(&format!(
            "{second},{},40\n",
            100.0 + 0.5 * f64::from(second)
        ));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    assert_eq!(report.series[0].verdict, SeriesOutcome::Retention);
    assert_eq!(report.verdict, Verdict::Pass);
}

#[test]
fn what_follows_a_growing_load_is_not_called_a_leak() {
    let mut csv = String::from("elapsed_s,rss_mb,requests_per_s\n");
    for second in 0..120 {
        let load = 100.0 + 5.0 * f64::from(second);
        csv.push_str(&format!("{second},{},{load}\n", 50.0 + load / 10.0));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    assert_eq!(report.series[0].verdict, SeriesOutcome::LoadCorrelated);
}

#[test]
fn missing_samples_do_not_bend_the_verdict() {
    let verdict = judge("rss_mb", 240, |s| {
        if (s as usize).is_multiple_of(3) {
            f64::NAN
        } else {
            100.0 + 0.5 * s
        }
    });
    assert_eq!(verdict.verdict, SeriesOutcome::Leak);
    assert_eq!(verdict.samples, 160);
}

#[test]
fn the_document_is_written_in_snake_and_kebab_case() {
    let report = judge_with_phase("rss_mb", 120, |_| 1.0, |_| "");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["series"][0]["verdict"], "clean");
    assert!(json["series"][0]["slope_per_hour"].is_number());
    let name = serde_json::to_value(SeriesOutcome::LoadCorrelated).unwrap();
    assert_eq!(name, SeriesOutcome::LoadCorrelated.name());
}

#[test]
fn sockets_left_in_close_wait_are_a_leak_on_their_own_rule() {
    let stuck = judge("tcp_close_wait", 240, |s| (s / 40.0).floor());
    assert_eq!(stuck.verdict, SeriesOutcome::Leak, "{stuck:#?}");
    assert_eq!(stuck.rule, "close-wait");
    let passing = judge(
        "tcp_close_wait",
        240,
        |s| if s % 9.0 < 3.0 { 4.0 } else { 0.0 },
    );
    assert_ne!(passing.verdict, SeriesOutcome::Leak, "{passing:#?}");
}

#[test]
fn a_leak_is_told_per_request_and_by_the_time_to_its_limit() {
    let mut csv = String::from("elapsed_s,rss_mb,requests_per_s\n");
    let mut noise = Noise(11);
    for second in 0..600 {
        let value = 100.0 + 0.1 * f64::from(second) + noise.normal();
        csv.push_str(&format!("{second},{value},{}\n", 50.0 + noise.normal()));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let mut options = LeakOptions::default();
    options.limits.insert("memory_mb".to_owned(), 512.0);
    let report = judge_timeline(&timeline, &options);
    let series = &report.series[0];
    assert_eq!(series.verdict, SeriesOutcome::Leak, "{series:#?}");
    let per_request = series.slope_per_request.unwrap();
    assert!((per_request / 0.002 - 1.0).abs() < 0.1, "{per_request}");
    // 160 of 512 MB are used, and 360 MB are added an hour.
    let limit = series.time_to_limit.unwrap();
    assert!((limit.hours - 352.0 / 360.0).abs() < 0.1, "{limit:?}");
    assert!(limit.earliest_hours < limit.hours && limit.hours < limit.latest_hours.unwrap());
}
