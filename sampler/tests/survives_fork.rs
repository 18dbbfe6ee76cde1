//! Forked children of a sampled process.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler, Error, HeapProfiler, exclude_current_thread, heap};
use support::{burn, spin_here, start};

#[global_allocator]
static ALLOC: HeapProfiler = HeapProfiler::system();

/// Ends the busy threads, also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Forks and runs `work` in the child; whether it ended well within its time.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `work`, which uses nothing that another thread may
    // have held, and ends without going back.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "it forks");
    if child == 0 {
        let ok = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if ok { 0 } else { 3 }) };
    }
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for the write.
        match unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } {
            0 if Instant::now() > patience => {
                // SAFETY: our own child.
                unsafe { libc::kill(child, libc::SIGKILL) };
                panic!("a forked child hangs");
            }
            0 => thread::sleep(Duration::from_millis(1)),
            _ => return status == 0,
        }
    }
}

/// The sampler is inert in the child, and the child has one of its own.
fn child_of(sampler: CpuSampler, round: u32) -> bool {
    assert!(matches!(sampler.drain(), Err(Error::Forked)));
    assert_eq!(sampler.clock(), Clock::Off);
    assert_eq!(sampler.stats().samples, 0);
    if round.is_multiple_of(2) {
        drop(sampler);
    } else {
        assert!(matches!(sampler.stop(), Err(Error::Forked)));
    }
    let own = CpuSampler::builder().frequency(999).start();
    let own = own.expect("a child can have a sampler");
    let other = thread::spawn(|| {
        let _excluded = exclude_current_thread();
        burn(0.01);
    });
    // About fifty samples in as many milliseconds, and fewer where the machine
    // is so busy that most instants come too late.
    for _ in 0..100 {
        burn(0.05);
        if own.stats().samples >= 15 {
            break;
        }
    }
    other.join().expect("it ends well");
    let window = own.stop().expect("it stops");
    assert!(window.stats.samples >= 15, "{:?}", window.stats);
    let coverage = window.coverage().expect("CPU time was used");
    assert!(coverage < 1.8, "{coverage} {:?}", window.stats);
    assert!(heap::stats().is_some());
    true
}

#[test]
fn a_child_is_inert_can_be_sampled_itself_and_its_parent_goes_on() {
    heap::prepare();
    heap::set_interval(64 * 1024);
    for clock in support::CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        let stop = AtomicBool::new(false);
        let mut sampler = Some(sampler);
        thread::scope(|scope| {
            let _stop = Stop(&stop);
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::black_box(spin_here(1));
                        let _excluded = exclude_current_thread();
                        std::hint::black_box(vec![0u8; 4096]);
                    }
                });
            }
            for round in 0..40 {
                let sampler = sampler.as_mut().expect("it is there");
                // The child gets the parent's sampler by value, as a child's
                // unwinding `main` would drop it.
                // SAFETY: the copy is used in the child only, which never
                // returns to where the original is dropped.
                let copy = || unsafe { std::ptr::read(sampler) };
                assert!(
                    in_child(|| child_of(copy(), round)),
                    "{clock}, round {round}"
                );
            }
        });
        let sampler = sampler.take().expect("it is there");
        // A signal for what the threads used at last may still be on its way.
        burn(0.05);
        sampler.drain().expect("it drains");
        burn(0.3);
        let window = sampler.stop().expect("it stops");
        let coverage = window.coverage().expect("CPU time was used");
        assert!((0.8..1.2).contains(&coverage), "{clock}: {coverage}");
    }
}
