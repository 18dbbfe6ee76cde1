//! A random truth as tools print it, read back: the hours and the numbers are
//! those of the truth, or the error names the way to a table that can be read.

#![allow(clippy::unwrap_used)]

mod truth;

use std::fmt::Write as _;
use std::io::Write as _;

use soakscope_report::Timeline;
use truth::tools::TOOLS;
use truth::{Draw, Truth, parse};

#[test]
fn tables_of_tools() {
    let mut draw = Draw(7);
    for (name, tool) in TOOLS {
        for round in 0..6 {
            let truth = Truth::draw(&mut draw);
            let (text, column, unit) = tool(&truth);
            let what = format!("{name}, round {round}");
            // These round to a megabyte and to a tenth of a gigabyte.
            let within = match name {
                "kubectl" => 0.03,
                "top" => 0.06,
                _ => 0.001,
            };
            truth.check(&what, &parse(&what, &text), column, unit, within);
            // A pipe gives little at a time, and gzip is unpacked.
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            let packed = packed.finish().unwrap();
            let timeline = Timeline::read(Dribble(&packed), 0).unwrap();
            truth.check(&what, &timeline, column, unit, within);
        }
    }
}

/// A pipe that gives seven bytes at a time.
struct Dribble<'a>(&'a [u8]);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(7);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn tables_without_a_time_name_the_way_to_one() {
    for (text, remedy) in [
        (
            "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT     MEM %     NET I/O   BLOCK I/O   PIDS\n\
             abcdef123456   svc       1.20%     120.6MiB / 15.5GiB    0.76%     1kB / 0B  0B / 0B     12\n",
            "docker stats --no-stream",
        ),
        (
            "NAME      CPU(cores)   MEMORY(bytes)\nsvc-abc   250m         120Mi\n",
            "kubectl top pod",
        ),
        (
            "  PID   RSS    VSZ COMMAND\n 4100 120000 900000 svc\n",
            "date +",
        ),
        (
            "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n \
             r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n \
             1  0      0 123456  12345 234567    0    0     1     2    3    4  1  1 98  0  0\n",
            "vmstat -t",
        ),
        ("1767600000 120000\n1767600010 120001\n", "add a header"),
        ("{\"a\":1}\n", "query_range"),
        ("[{\"t\":1}]\n", "jq -r"),
        ("# HELP a b\n# TYPE a gauge\na 1\n", "query_range"),
        ("elapsed_min,rss_mb\n0,120,7\n1,120,9\n", "semicolons"),
    ] {
        let error = Timeline::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn several_processes_are_several_series() {
    let mut text = String::new();
    for row in 0..100 {
        write!(
            text,
            "{}\n  PID   RSS COMMAND\n 41 {} web\n {} {} web\n 9 5 db\n",
            1_767_600_000 + row * 10,
            1000 + row,
            // The second worker is started anew half way.
            if row < 50 { 42 } else { 43 },
            2000 + row % 50
        )
        .unwrap();
    }
    let timeline = parse("ps", &text);
    assert_eq!(timeline.len(), 100);
    let first = timeline.series("RSS (KB) [web 41]").unwrap();
    assert_eq!((first[0], first[99]), (1000.0, 1099.0));
    let second = timeline.series("RSS (KB) [web 43]").unwrap();
    assert_eq!(
        (second[49], second[50], second[99]),
        (2049.0, 2000.0, 2049.0)
    );
    assert_eq!(
        timeline.series("PID [web 43]").unwrap()[49..51],
        [42.0, 43.0]
    );
    assert_eq!(timeline.series("RSS (KB) [db]").unwrap()[7], 5.0);
}

/// Rows of several containers in turn, as a loop around `docker stats` writes.
#[test]
fn rows_of_several_things_in_turn_are_several_series() {
    let mut text = "timestamp,name,mem\n".to_owned();
    for row in 0..100 {
        for (name, level) in [("web", 100.0), ("db", 900.0), ("cache", 300.0)] {
            let growth = if name == "web" { f64::from(row) } else { 0.0 };
            let time = 1_767_600_000 + row * 60;
            writeln!(text, "{time},{name},{:.1}MiB", level + growth).unwrap();
        }
    }
    let timeline = parse("in turn", &text);
    let web = timeline.series("mem [web]").unwrap();
    let read: Vec<f64> = web
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    assert_eq!((read.len(), read[99] - read[0]), (100, 99.0 * 1_048_576.0));
    assert_eq!(timeline.facts("mem [db]").readings, 100);
    assert!(timeline.losses()[0].contains("3 different"));
    // A name that stays, and one that changes once, part nothing.
    for text in [
        "elapsed_s,name,mem\n0,a,1\n1,a,2\n2,a,3\n",
        "elapsed_s,pid,mem\n0,7,1\n1,7,2\n2,7,3\n3,8,1\n4,8,1\n",
    ] {
        assert!(parse("alone", text).series("mem").is_some());
    }
}

#[test]
fn a_damaged_table_is_read_in_part_or_refused() {
    let mut draw = Draw(99);
    for (name, tool) in TOOLS {
        let (text, ..) = tool(&Truth::draw(&mut draw));
        let text = &text.as_bytes()[..text.len().min(6_000)];
        for _ in 0..60 {
            let mut torn = text.to_vec();
            for _ in 0..1 + draw.below(12) {
                if torn.len() < 2 {
                    break;
                }
                let at = draw.below(torn.len() as u64) as usize;
                match draw.below(4) {
                    0 => torn[at] = draw.next() as u8,
                    1 => torn[at] = *draw.of(b"0123456789.,:;-/# \t\n\r\"AM%kMGi"),
                    2 => {
                        torn.remove(at);
                    }
                    _ => torn.truncate(at + 1),
                }
            }
            let Ok(timeline) = Timeline::parse(&torn) else {
                continue;
            };
            assert!(timeline.elapsed_hours().is_sorted(), "{name}");
            for column in timeline.columns() {
                let numbers = timeline.series(column).map(|values| values.len());
                let words = timeline.text(column).map(|words| words.len());
                assert_eq!(numbers.or(words), Some(timeline.len()), "{name}");
            }
            let rows: usize = timeline.runs().iter().map(|run| run.len()).sum();
            assert_eq!(rows, timeline.len(), "{name}");
        }
    }
}
