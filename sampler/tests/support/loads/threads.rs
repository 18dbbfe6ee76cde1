//! Threads that are always busy, live for 20 ms, spend half their time in the
//! kernel, or mostly wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::{Context, Random, thread_cpu, work};

/// Microseconds of each function.
const LENGTHS: [f64; 4] = [94.0, 58.0, 34.0, 14.0];

fn always_busy(context: &Arc<Context>, count: usize) {
    thread::scope(|scope| {
        for seed in 0..count {
            scope.spawn(move || {
                let mut random = Random::new(seed as u64);
                while !context.stopped() {
                    let index = random.below(4);
                    context.spend(index, LENGTHS[index]);
                }
            });
        }
    });
}

pub fn busy_2(context: &Arc<Context>) {
    always_busy(context, 2);
}

pub fn busy_4(context: &Arc<Context>) {
    always_busy(context, 4);
}

pub fn busy_40(context: &Arc<Context>) {
    always_busy(context, 40);
}

/// Two at a time, every thread uses 20 ms of CPU time and is gone.
pub fn lives_of_20_ms(context: &Arc<Context>) {
    thread::scope(|scope| {
        for lane in 0..2 {
            scope.spawn(move || {
                for born in 0.. {
                    if context.stopped() {
                        return;
                    }
                    let short = thread::spawn({
                        let context = context.clone();
                        move || {
                            let mut random = Random::new(lane + 2 * born);
                            while thread_cpu() < Duration::from_millis(20) {
                                let index = random.below(4);
                                context.spend(index, LENGTHS[index]);
                            }
                        }
                    });
                    short.join().expect("a short life ends well");
                }
            });
        }
    });
}

/// Two threads: reads, random bytes and page faults, and half of it user time.
pub fn half_kernel_time(context: &Arc<Context>) {
    const PAGES: usize = 16;
    thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || {
                // SAFETY: a path that ends in 0; a mapping of no file.
                let (zeros, pages) = unsafe {
                    let zeros = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
                    let pages = libc::mmap(
                        std::ptr::null_mut(),
                        PAGES * 4096,
                        libc::PROT_READ | libc::PROT_WRITE,
                        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                        -1,
                        0,
                    );
                    (zeros, pages)
                };
                assert!(zeros >= 0 && pages != libc::MAP_FAILED);
                let mut buffer = Box::new([0u8; work::BUFFER]);
                let mut random = Random::new(seed);
                while !context.stopped() {
                    match random.below(4) {
                        0 => context.run(0, || work::load_kernel_a(20, zeros, &mut buffer)),
                        1 => context.spend(1, 150.0),
                        2 => context.run(2, || work::load_kernel_c(5, &mut buffer)),
                        _ => context.run(3, || work::load_kernel_d(2, pages.cast(), PAGES)),
                    }
                    if random.below(8) == 0 {
                        context.nap(random.exponential() * 300.0);
                    }
                }
                // SAFETY: both are this thread's own.
                unsafe {
                    libc::close(zeros);
                    libc::munmap(pages, PAGES * 4096);
                }
            });
        }
    });
}

/// 300 threads that wait in `epoll_wait` for 100 ms on average and then work
/// for a moment.
pub fn mostly_idle(context: &Arc<Context>) {
    thread::scope(|scope| {
        for seed in 0..300 {
            scope.spawn(move || {
                // SAFETY: a plain number.
                let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
                assert!(epoll >= 0);
                let mut random = Random::new(seed as u64);
                while !context.stopped() {
                    let milliseconds = 20 + random.below(160);
                    let mut got = libc::epoll_event { events: 0, u64: 0 };
                    context.waits.fetch_add(1, Relaxed);
                    // SAFETY: `got` is valid for the write of one event.
                    let waited =
                        unsafe { libc::epoll_wait(epoll, &mut got, 1, milliseconds as i32) };
                    if waited < 0 {
                        context.count_interruption();
                        continue;
                    }
                    context.spend(seed % 4, [60.0, 120.0, 180.0, 400.0][seed % 4]);
                }
                // SAFETY: this thread's own.
                unsafe { libc::close(epoll) };
            });
        }
    });
}
