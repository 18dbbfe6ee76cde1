//! Three days of seconds with forty columns: a second to read, and no more
//! than twice the room of their numbers.
//!
//! `cargo test --release -p soakscope-report --test three_days -- --ignored --nocapture`

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use soakscope_report::{LeakOptions, judge_timeline, read_timeline};

const ROWS: usize = 259_200;
const COLUMNS: usize = 40;

/// The most memory this process ever held, in bytes.
fn peak_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes * 1024
}

#[test]
#[ignore = "a measurement: run it with --release"]
fn reading_is_fast_and_lean() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("timeline.csv");
    write(&path);
    let before = peak_bytes();
    let start = Instant::now();
    let timeline = read_timeline(&path).unwrap();
    let read = start.elapsed();
    let held = peak_bytes() - before;
    let start = Instant::now();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    let judged = start.elapsed();
    let numbers = ROWS * COLUMNS * 8;
    println!(
        "{ROWS} rows x {COLUMNS} columns, {} MB of text: read in {read:.2?} with {:.2} times \
         the numbers' own {} MB; {} series judged in {judged:.2?}",
        fs::metadata(&path).unwrap().len() >> 20,
        held as f64 / numbers as f64,
        numbers >> 20,
        report.series.len()
    );
    assert_eq!(timeline.len(), ROWS);
    assert!(held <= 2 * numbers, "{held} bytes");
    assert!(read.as_secs_f64() <= 1.0, "{read:?}");
}

/// Written in pieces, so that the text is not what the peak is made of.
fn write(path: &std::path::Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    let mut text = String::from("elapsed_min,rss_mb,time,phase");
    for column in 4..COLUMNS {
        write!(text, ",series_{column}").unwrap();
    }
    for row in 0..ROWS {
        let seconds = row % 86_400;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            text,
            "\n{:.6},{:.2},2026-01-{:02}T{hour:02}:{minute:02}:{second:02}Z,steady",
            row as f64 / 60.0,
            200.0 + (row % 97) as f64 / 10.0,
            15 + row / 86_400
        )
        .unwrap();
        for column in 4..COLUMNS {
            write!(text, ",{:.3}", (row * column % 9973) as f64 / 7.0).unwrap();
        }
        if text.len() > 1 << 20 {
            file.write_all(text.as_bytes()).unwrap();
            text.clear();
        }
    }
    text.push('\n');
    file.write_all(text.as_bytes()).unwrap();
}
