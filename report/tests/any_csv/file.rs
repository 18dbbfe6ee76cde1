//! A file whose truth is known.

use std::fmt::Write as _;

use crate::draw::Draw;
use crate::names::{COUNTERS, LEVELS, MEMORY, RATES, SIZED, spelt};

/// What a file must come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Truth {
    Healthy,
    Leaks,
    /// It cannot be read, and must not pass.
    Unread,
}

/// A column: its name and its cells.
type Column = (String, Vec<String>);

struct File {
    rows: usize,
    /// Rows at which a life begins, the first among them.
    lives: Vec<usize>,
    columns: Vec<Column>,
}

impl File {
    /// For each row how long its life has lasted, in rows.
    fn ages(&self) -> Vec<f64> {
        let mut ages = Vec::new();
        for row in 0..self.rows {
            let began = self
                .lives
                .iter()
                .rev()
                .find(|began| **began <= row)
                .unwrap();
            ages.push((row - began) as f64);
        }
        ages
    }

    fn memory(&mut self, draw: &mut Draw, leaks: bool, name: &str, unsaid: bool) {
        let (unit, bytes) = match draw.below(5) {
            _ if name == "vm rss" => ("kB", 1024.0),
            0 => ("KB", 1024.0),
            1 => ("MB", 1_048_576.0),
            2 => ("MiB", 1_048_576.0),
            3 => ("KiB", 1024.0),
            _ => ("bytes", 1.0),
        };
        let base = draw.between(40.0, 800.0);
        // Over the longest life.
        let longest = self.rows as f64 / self.lives.len() as f64;
        let slope = if leaks {
            base.max(100.0) * draw.between(0.3, 3.0) / longest
        } else {
            0.0
        };
        let noise = base * draw.between(0.002, 0.02);
        let ages = self.ages();
        let cells = ages.iter().map(|age| {
            let mb = base + slope * age + noise * draw.normal();
            let value = mb * 1_048_576.0 / bytes;
            match unit {
                "MB" | "MiB" => format!("{value:.2}"),
                "bytes" => format!("{:.0}", (value / 4096.0).round() * 4096.0),
                _ => format!("{:.0}", (value / 4.0).round() * 4.0),
            }
        });
        let cells = cells.collect();
        let name = spelt(draw, name, if unsaid { "" } else { unit });
        self.columns.push((name, cells));
    }

    fn level(&mut self, draw: &mut Draw, leaks: bool, name: &str, unit: &str) {
        let base = draw.between(10.0, 200.0).round();
        let longest = self.rows as f64 / self.lives.len() as f64;
        let gains = if leaks {
            draw.between(0.3, 3.0) * base.max(60.0) / longest
        } else {
            0.0
        };
        // Some leaks never fall, some go up and down on their way.
        let swing = if leaks && draw.chance(0.4) {
            0.0
        } else {
            base * draw.between(0.02, 0.1)
        };
        let cells = self.ages().into_iter().map(|age| {
            let value = base + gains * age + swing * draw.normal();
            format!("{:.0}", value.max(0.0))
        });
        let cells = cells.collect();
        self.columns.push((spelt(draw, name, unit), cells));
    }

    fn counter(&mut self, draw: &mut Draw, name: &str) {
        let (mut now, step) = (draw.between(0.0, 2_000.0), draw.between(1.0, 3_000.0));
        let jitter = draw.between(0.0, 0.4);
        let mut cells = Vec::new();
        for age in self.ages() {
            if age == 0.0 {
                now = draw.between(0.0, step);
            }
            now += (step * (1.0 + jitter * draw.normal())).max(0.0).ceil();
            cells.push(format!("{now:.0}"));
        }
        self.columns.push((spelt(draw, name, ""), cells));
    }

    fn rate(&mut self, draw: &mut Draw, name: &str) {
        let (base, drift) = (draw.between(1.0, 90.0), draw.between(-0.3, 0.6));
        let rows = self.rows as f64;
        let cells = (0..self.rows).map(|row| {
            let value = base * (1.0 + drift * row as f64 / rows + 0.05 * draw.normal());
            format!("{value:.2}")
        });
        let cells = cells.collect();
        self.columns.push((spelt(draw, name, ""), cells));
    }

    fn words(&mut self, draw: &mut Draw) {
        let word = draw.of(&["svc", "running", "ok", "api-1"]);
        let name = draw.of(&["name", "status", "note", "container"]);
        self.columns
            .push((name.to_owned(), vec![word.to_owned(); self.rows]));
    }

    /// The numbers of a column become words.
    fn garble(&mut self, draw: &mut Draw) {
        let column = self.columns.len() - 1;
        let from = if draw.chance(0.5) { 0 } else { self.rows / 2 };
        for cell in &mut self.columns[column].1[from..] {
            *cell = format!("<{cell} of all>");
        }
    }

    /// What shows where a life begins.
    fn restarts(&mut self, draw: &mut Draw, seconds: f64) {
        if self.lives.len() < 2 {
            return;
        }
        let ages = self.ages();
        match draw.below(3) {
            0 => {
                let mut pid = 4_000.0;
                let cells = ages.iter().map(|age| {
                    if *age == 0.0 {
                        pid += draw.between(1.0, 90.0).round();
                    }
                    format!("{pid:.0}")
                });
                let cells = cells.collect();
                self.columns.push(("pid".to_owned(), cells));
            }
            1 => {
                let cells = ages.iter().map(|age| format!("{:.0}", age * seconds));
                self.columns.push(("uptime_s".to_owned(), cells.collect()));
            }
            _ => {
                self.counter(draw, "requests total");
                self.counter(draw, "gc count");
            }
        }
    }

    fn csv(&self, draw: &mut Draw, seconds: f64) -> String {
        let (name, unit, start) = match draw.below(3) {
            0 => ("elapsed_min", 60.0, 0.0),
            1 => ("elapsed_s", 1.0, 0.0),
            _ => ("timestamp", 1.0, 1_767_600_000.0),
        };
        let mut csv = name.to_owned();
        for (name, _) in &self.columns {
            write!(csv, ",{name}").unwrap();
        }
        csv.push('\n');
        for row in 0..self.rows {
            write!(csv, "{}", start + row as f64 * seconds / unit).unwrap();
            for (_, cells) in &self.columns {
                write!(csv, ",{}", cells[row]).unwrap();
            }
            csv.push('\n');
        }
        csv
    }
}

/// A file and its truth.
pub(crate) fn file(seed: u64) -> (String, Truth) {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1));
    let draw = &mut draw;
    for _ in 0..8 {
        draw.uniform();
    }
    let rows = 150 + draw.below(450);
    let seconds = draw.of(&[&15.0, &30.0, &60.0]);
    let count = if draw.chance(0.25) {
        2 + draw.below(5)
    } else {
        1
    };
    let mut file = File {
        rows,
        lives: (0..count).map(|life| life * rows / count).collect(),
        columns: Vec::new(),
    };
    let truth = match draw.below(10) {
        0..=4 => Truth::Leaks,
        5..=8 => Truth::Healthy,
        _ => Truth::Unread,
    };
    let memory_leaks = truth == Truth::Leaks && draw.chance(0.5);
    let level_leaks = truth == Truth::Leaks && !memory_leaks;
    file.restarts(draw, *seconds);
    for _ in 0..draw.below(3) {
        let name = draw.of(COUNTERS);
        file.counter(draw, name);
    }
    for _ in 0..draw.below(3) {
        let name = draw.of(RATES);
        file.rate(draw, name);
    }
    if draw.chance(0.3) {
        let grows = draw.between(0.0, 0.5);
        let cells = (0..rows).map(|row| format!("{:.0}", 2e6 + grows * 1e4 * row as f64));
        let name = draw.of(&["vsz_kb", "VIRT", "vms", "Virtual (KB)", "VmSize"]);
        file.columns.push((name.to_owned(), cells.collect()));
    }
    if draw.chance(0.3) {
        file.words(draw);
    }
    if level_leaks || draw.chance(0.4) {
        if draw.chance(0.3) {
            let name = draw.of(SIZED);
            file.level(draw, level_leaks, name, "MB");
        } else {
            let name = draw.of(LEVELS);
            file.level(draw, level_leaks, name, "");
        }
    }
    if !level_leaks || draw.chance(0.7) {
        let unsaid = draw.chance(0.3);
        let name = draw.of(MEMORY);
        file.memory(draw, memory_leaks, name, unsaid);
    }
    if truth == Truth::Unread {
        file.garble(draw);
    }
    // No two columns of one name: which of them is meant is another matter.
    let mut seen: Vec<String> = Vec::new();
    file.columns.retain(|(name, _)| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    (file.csv(draw, *seconds), truth)
}
