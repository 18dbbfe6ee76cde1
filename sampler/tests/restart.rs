//! Starting and stopping many times leaves nothing behind; a second sampler is
//! a clear error.

mod support;

use std::fs;
use std::sync::Mutex;

use soakscope_sampler::{CpuSampler, Error};
use support::{CPU_CLOCKS, burn, start};

static TURN: Mutex<()> = Mutex::new(());

fn kib_resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("statm is readable");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second number is resident pages");
    pages * 4
}

#[test]
fn a_thousand_starts_and_stops() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let mut settled = 0;
    for round in 0..500 {
        for clock in CPU_CLOCKS {
            let Some(sampler) = start(clock, 999) else {
                continue;
            };
            burn(0.000_5);
            sampler.stop().expect("it stops");
        }
        if round == 100 {
            settled = kib_resident();
        }
    }
    let grown = kib_resident().saturating_sub(settled);
    eprintln!("grown by {grown} KiB in 800 starts");
    assert!(grown < 1024, "grown by {grown} KiB");
    let threads = fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count());
    assert!(threads <= 6, "{threads} threads left");
}

#[test]
fn a_second_sampler_is_refused_until_the_first_has_stopped() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let first = CpuSampler::builder().start().expect("the first starts");
    let second = CpuSampler::builder().start();
    assert!(matches!(second, Err(Error::AlreadyRunning)), "{second:?}");
    drop(first);
    CpuSampler::builder().start().expect("the next one starts");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for hz in [0, 1_000_000] {
        let started = CpuSampler::builder().frequency(hz).start();
        assert!(
            matches!(started, Err(Error::InvalidSetting(_))),
            "{started:?}"
        );
    }
}
