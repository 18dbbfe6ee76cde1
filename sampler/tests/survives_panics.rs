//! Panics unwind while the same stacks are walked, and an overflowing stack
//! still ends with Rust's own message.

mod support;

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::panic;

use support::{CPU_CLOCKS, burn, child, role, start};

#[inline(never)]
fn dive(depth: u32) -> u32 {
    if depth == 0 {
        panic::panic_any(7u8);
    }
    black_box(dive(black_box(depth - 1)) + 1)
}

#[test]
fn a_panic_unwinds_while_sampled() {
    panic::set_hook(Box::new(|_| {}));
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        for _ in 0..3_000 {
            let caught = panic::catch_unwind(|| dive(40));
            assert!(caught.is_err());
        }
        burn(0.05);
        let window = sampler.stop().expect("it stops");
        assert!(window.stats.samples > 3, "{clock}: {:?}", window.stats);
    }
    let _ = panic::take_hook();
}

#[inline(never)]
#[allow(unconditional_recursion)] // On purpose.
fn overflow(depth: u64) -> u64 {
    let pad = black_box([depth; 16]);
    black_box(overflow(depth + 1)) + pad[3]
}

#[test]
fn a_stack_overflow_still_says_so() {
    if let Some(role) = role() {
        let clock = role.parse().expect("the role is a clock");
        let _sampler = start(clock, 999);
        burn(0.05);
        black_box(overflow(0));
        return;
    }
    for clock in CPU_CLOCKS {
        let output = child("a_stack_overflow_still_says_so", clock.name());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("has overflowed its stack"), "{clock}: {said}");
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{clock}");
    }
}
