//! CPU time, by the thread that burns it.

use std::time::Duration;

/// Burns that much CPU time of the calling thread, by its own clock:
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
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.expect("forward"), nanos.expect("nanoseconds"))
}
