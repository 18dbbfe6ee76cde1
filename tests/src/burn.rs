//! CPU time, by the thread that burns it.

use std::time::Duration;

/// Burns that much CPU time of the calling thread, by the kernel's own count:
/// how busy the machine is makes no difference.
#[inline(never)]
pub fn burn(time: Duration) {
    let until = thread_cpu() + time;
    let mut sum = 0_u64;
    while thread_cpu() < until {
        for n in 0..10_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n * n));
        }
    }
}

/// CPU time of the calling thread so far.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().expect("a first number");
    Duration::from_nanos(nanos.parse().expect("nanoseconds"))
}
