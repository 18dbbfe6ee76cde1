//! Child processes start and end well while the parent is sampled hard.

mod support;

use std::process::Command;
use std::thread;

use support::{CPU_CLOCKS, burn, start};

#[test]
fn fork_and_exec_at_999_hz() {
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::scope(|scope| {
            scope.spawn(|| burn(0.5));
            scope.spawn(|| {
                for _ in 0..50 {
                    let status = Command::new("true").status().expect("it starts");
                    assert!(status.success(), "{clock}: {status}");
                }
                // A child that lives, burns CPU time and has no handler for
                // any signal of ours.
                let output = Command::new("sh")
                    .args([
                        "-c",
                        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo $i",
                    ])
                    .output()
                    .expect("it starts");
                assert_eq!(output.stdout, b"50000\n", "{clock}: {}", output.status);
            });
        });
        let window = sampler.stop().expect("it stops");
        // Time, not samples: on a busy machine a timer's sample weighs more.
        assert!(
            window.stats.attributed.as_secs_f64() > 0.4,
            "{clock}: {:?}",
            window.stats
        );
        // On instants a thread may be seen as it is born or ends, when all signals
        // are blocked.
        let lost = window.stats.dropped();
        assert!(
            lost * 100 <= window.stats.samples,
            "{:?}",
            window.stats.drops
        );
    }
}
