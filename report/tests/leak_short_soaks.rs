//! Soaks of one to twenty minutes, as services under a first load behave.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use random::Random;
use soakscope_report::{
    Cell, LeakOptions, LeakReport, SeriesOutcome, Timeline, Verdict, judge_timeline,
};

/// A soak of a reading a second: live heap and what is resident around it.
struct Soak {
    seconds: usize,
    /// Megabytes that fill caches, and within how many seconds.
    warm_up: (f64, f64),
    /// Megabytes a minute that are allocated and never freed.
    leak: f64,
    /// Megabytes a minute that are freed and stay resident.
    kept: f64,
}

impl Soak {
    fn judged(&self, seed: u64) -> LeakReport {
        let mut random = Random::new(seed);
        let names = [
            "elapsed_s",
            "rss_mb",
            "heap_live_mb",
            "open_fds",
            "requests_per_s",
        ];
        let mut timeline = Timeline::new(&names.map(str::to_owned));
        let (mut buffers, mut resident) = (0.0, 0.0);
        for second in 0..self.seconds {
            let time = second as f64;
            let (rise, within) = self.warm_up;
            // Requests in flight hold buffers; they come and go.
            buffers = 0.8 * buffers + 0.5 * random.normal();
            let heap = 30.0
                + rise * (1.0 - (-time / within).exp())
                + self.leak * time / 60.0
                + buffers
                + 0.3 * random.normal();
            // Pages are given back late: what is resident follows from above.
            resident = f64::max(heap * 1.15 + 12.0, 0.98 * resident);
            timeline.push(&[
                Cell::Number(time),
                Cell::Number(resident + self.kept * time / 60.0),
                Cell::Number(heap),
                Cell::Number((40.0 + 2.0 * random.normal()).round()),
                Cell::Number(200.0 + 10.0 * random.normal()),
            ]);
        }
        judge_timeline(&timeline, &LeakOptions::default())
    }
}

fn outcome(report: &LeakReport, name: &str) -> SeriesOutcome {
    let series = report.series.iter().find(|series| series.name == name);
    series.unwrap().verdict
}

#[test]
fn two_minutes_with_ten_megabytes_a_minute_leak_in_rss_and_live_heap() {
    let soak = Soak {
        seconds: 120,
        warm_up: (20.0, 4.0),
        leak: 10.0,
        kept: 0.0,
    };
    let mut missed = 0;
    for seed in 0..15 {
        let report = soak.judged(seed);
        let leaks = |name| outcome(&report, name) == SeriesOutcome::Leak;
        missed += u32::from(!leaks("rss_mb") || !leaks("heap_live_mb"));
        assert_eq!(outcome(&report, "open_fds"), SeriesOutcome::Clean);
    }
    // Buffers that come and go hide some.
    assert!(missed <= 3, "{missed} of 15");
}

#[test]
fn a_healthy_minute_is_no_leak_however_it_warms_up() {
    for seed in 0..40 {
        let report = Soak {
            seconds: 60,
            warm_up: (
                [0.0, 10.0, 60.0][seed as usize % 3],
                [2.0, 8.0, 20.0, 40.0][seed as usize % 4],
            ),
            leak: 0.0,
            kept: 0.0,
        }
        .judged(100 + seed);
        assert_ne!(report.verdict, Verdict::Fail, "{seed}: {report:#?}");
    }
}

#[test]
fn ten_to_twenty_minutes_tell_a_warm_up_from_a_leak_after_one() {
    for seed in 0..8 {
        let mut soak = Soak {
            seconds: [600, 1200][seed as usize % 2],
            warm_up: (80.0, [10.0, 40.0, 70.0][seed as usize % 3]),
            leak: 0.0,
            kept: 0.0,
        };
        let healthy = soak.judged(200 + seed);
        assert_ne!(healthy.verdict, Verdict::Fail, "{seed}: {healthy:#?}");
        soak.leak = 3.0;
        let leaking = soak.judged(300 + seed);
        for name in ["rss_mb", "heap_live_mb"] {
            assert_eq!(
                outcome(&leaking, name),
                SeriesOutcome::Leak,
                "{seed}: {leaking:#?}"
            );
        }
    }
}

#[test]
fn what_stays_resident_under_a_flat_heap_is_retention() {
    for seed in 0..8 {
        let report = Soak {
            seconds: 600,
            warm_up: (10.0, 5.0),
            leak: 0.0,
            kept: 5.0,
        }
        .judged(400 + seed);
        assert_eq!(
            outcome(&report, "rss_mb"),
            SeriesOutcome::Retention,
            "{seed}: {report:#?}"
        );
        assert_eq!(outcome(&report, "heap_live_mb"), SeriesOutcome::Clean);
        assert_eq!(report.verdict, Verdict::Pass);
    }
}
