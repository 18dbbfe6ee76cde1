//! Pressure stall information: how long tasks waited for CPU, memory, I/O
//! (<https://docs.kernel.org/accounting/psi.html>).

use std::path::Path;
use std::time::Duration;

use super::kept::{Kept, lines, number};
use crate::resources::{Pressure, Stall};

#[derive(Debug)]
pub(super) struct Pressures {
    cpu: Kept,
    memory: Kept,
    io: Kept,
}

impl Pressures {
    /// Opens `cpu`, `memory` and `io` with an ending to their names.
    pub(super) fn open(directory: &Path, ending: &str) -> Self {
        let file = |name: &str| Kept::open(directory.join(format!("{name}{ending}")));
        Self {
            cpu: file("cpu"),
            memory: file("memory"),
            io: file("io"),
        }
    }

    /// `None` where none of them is there.
    pub(super) fn read(&self) -> Option<Pressure> {
        let pressure = Pressure {
            cpu: self.cpu.read(stall),
            memory: self.memory.read(stall),
            io: self.io.read(stall),
        };
        (pressure != Pressure::default()).then_some(pressure)
    }

    pub(super) fn descriptors(&self) -> u64 {
        let files = [&self.cpu, &self.memory, &self.io];
        files.iter().filter(|file| file.is_open()).count() as u64
    }
}

fn stall(text: &[u8]) -> Option<Stall> {
    const TOTAL: &[u8] = b"total=";
    let total = |kind: &[u8]| {
        let line = lines(text).find_map(|line| line.strip_prefix(kind))?;
        let fields = line.split(|byte| *byte == b' ');
        let micros = fields.filter_map(|f| f.strip_prefix(TOTAL)).next()?;
        Some(Duration::from_micros(number(micros)?))
    };
    let stall = Stall {
        some: total(b"some "),
        full: total(b"full "),
    };
    (stall != Stall::default()).then_some(stall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_and_the_averages_are_not() {
        let text = "some avg10=1.00 avg60=0.50 avg300=0.10 total=2000000\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=500\n";
        let stall = |text: &str| super::stall(text.as_bytes());
        let read = stall(text);
        assert_eq!(read.and_then(|s| s.some), Some(Duration::from_secs(2)));
        assert_eq!(read.and_then(|s| s.full), Some(Duration::from_micros(500)));
        let before_5_13 = "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        assert_eq!(stall(before_5_13).and_then(|s| s.full), None);
        let odd = "some avg10=0.00 total=x\nfull avg10=0.00 total=4\n";
        assert_eq!(stall(odd).and_then(|s| s.some), None);
        assert_eq!(
            stall(odd).and_then(|s| s.full),
            Some(Duration::from_micros(4))
        );
        assert_eq!(stall(""), None);
    }
}
