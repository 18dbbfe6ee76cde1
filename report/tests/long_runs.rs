//! What a long run takes while it is read, judged and sealed: a part of its
//! numbers, not a multiple.

#![allow(clippy::unwrap_used)]

#[path = "support/long_run.rs"]
mod long_run;
#[path = "support/peak.rs"]
mod peak;

#[global_allocator]
static COUNTED: peak::Counted = peak::Counted;

use soakscope_report::{LeakOptions, RunDir, judge_timeline, seal};

/// Hours of a row a second, and the `f64`s of their 52 columns.
const HOURS: u64 = 6;
const NUMBERS: i64 = HOURS as i64 * 3_600 * 52 * 8;

const MB: f64 = 1_048_576.0;

#[test]
fn a_long_run_is_read_and_sealed_in_little_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("run");
    long_run::write(&path, HOURS);
    let dir = RunDir::open(&path).unwrap();
    let read = peak::peak(|| drop(dir.timeline().unwrap()));
    let timeline = dir.timeline().unwrap();
    let judged = peak::peak(|| drop(judge_timeline(&timeline, &LeakOptions::default())));
    drop(timeline);
    let sealed = peak::peak(|| drop(seal(&dir).unwrap()));
    let shares = [read, judged, sealed].map(|bytes| bytes as f64 / MB);
    println!(
        "read {:.1}, judged {:.1}, sealed {:.1} MB; the numbers are {:.1}",
        shares[0],
        shares[1],
        shares[2],
        NUMBERS as f64 / MB
    );
    assert!(read <= NUMBERS / 2, "{shares:?} MB");
    assert!(judged <= NUMBERS / 2, "{shares:?} MB");
    assert!(sealed <= 56 << 20, "{shares:?} MB");
}
