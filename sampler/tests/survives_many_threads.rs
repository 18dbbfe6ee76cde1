//! Ten thousand threads come and go; nothing is left of them.

mod support;

use std::fs;
use std::thread;

use support::{CPU_CLOCKS, burn, start};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count())
}

fn timers() -> Option<usize> {
    let timers = fs::read_to_string("/proc/self/timers").ok()?;
    Some(
        timers
            .lines()
            .filter(|line| line.starts_with("ID:"))
            .count(),
    )
}

#[test]
fn ten_thousand_threads_born_and_gone() {
    for clock in CPU_CLOCKS {
        let (descriptors_before, timers_before) = (descriptors(), timers());
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        for _ in 0..200 {
            let batch: Vec<_> = (0..25).map(|_| thread::spawn(|| burn(0.002))).collect();
            for thread in batch {
                thread.join().expect("it ends well");
            }
        }
        let window = sampler.stop().expect("it stops");
        assert!(
            window.stats.attributed.as_secs_f64() > 1.0,
            "{clock}: {:?}",
            window.stats
        );
        assert_eq!(descriptors(), descriptors_before, "{clock}");
        assert_eq!(timers(), timers_before, "{clock}");
    }
}
