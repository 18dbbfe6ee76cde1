//! Patterns that could bias a clock which judges "who runs now" from threads of
//! its own on the other CPUs: work in step with the tick or with work elsewhere,
//! hand-overs, moves, priorities.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use super::scheduled::with_workers;
use super::{Context, Random, cpus, pin, tick};

/// Every 10 ms, all four functions on each of three workers at once.
pub fn bursts(context: &Arc<Context>) {
    with_workers(context, 3, |queues| {
        let mut at = super::monotonic();
        while !context.stopped() {
            at += std::time::Duration::from_millis(10);
            context.sleep_until(at);
            for queue in queues {
                for (index, length) in [100.0, 250.0, 500.0, 900.0].into_iter().enumerate() {
                    queue.push(Some((index, length)));
                }
            }
        }
    });
}

/// Sends each of `work` (function, start, length; both in ticks) every four
/// ticks.
fn by_the_tick(context: &Arc<Context>, work: &[(usize, f64, f64)]) {
    with_workers(context, 2, |queues| {
        let (tick, last) = tick();
        let mut round = last + tick * 4;
        while !context.stopped() {
            for (nth, (index, start, length)) in work.iter().enumerate() {
                context.sleep_until(round + tick.mul_f64(*start));
                let microseconds = length * tick.as_secs_f64() * 1e6;
                queues[nth % 2].push(Some((*index, microseconds)));
            }
            round += tick * 4;
            // What the machine stood still for is left out.
            let now = super::monotonic();
            while round < now {
                round += tick * 4;
            }
        }
    });
}

/// Each function has a phase of the tick of its own.
pub fn phases_of_the_tick(context: &Arc<Context>) {
    let work = [(0, 0.05, 0.2), (1, 1.3, 0.2), (2, 2.55, 0.2), (3, 3.8, 0.2)];
    by_the_tick(context, &work);
}

/// Work as long as a tick or two, from one tick to another.
pub fn whole_ticks(context: &Arc<Context>) {
    let work = [(0, 0.0, 1.0), (1, 0.02, 0.25), (2, 1.0, 2.0), (3, 2.0, 0.5)];
    by_the_tick(context, &work);
}

/// Four threads hand over to each other: one runs at a time.
pub fn ring(context: &Arc<Context>) {
    hand_over(context, [20.0, 50.0, 100.0, 200.0]);
}

/// The same, sooner than a signal arrives.
pub fn tiny_ring(context: &Arc<Context>) {
    hand_over(context, [4.0, 8.0, 12.0, 20.0]);
}

fn hand_over(context: &Arc<Context>, lengths: [f64; 4]) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<()>()).unzip();
    senders[0].send(()).expect("its receiver is there");
    thread::scope(|scope| {
        for (index, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(index + 1) % 4].clone();
            scope.spawn(move || {
                while receiver.recv().is_ok() {
                    context.spend(index, lengths[index]);
                    if context.stopped() || next.send(()).is_err() {
                        return;
                    }
                }
            });
        }
        drop(senders);
    });
}

/// Threads that sleep for a moment and work for a moment.
pub fn naps(context: &Arc<Context>) {
    thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || {
                let mut random = Random::new(seed as u64);
                while !context.stopped() {
                    context.nap(100.0 + random.uniform() * 2_900.0);
                    context.spend(seed % 4, [30.0, 60.0, 150.0, 300.0][seed % 4]);
                }
            });
        }
    });
}

/// Four busy threads, two of which are nicer.
pub fn two_priorities(context: &Arc<Context>) {
    thread::scope(|scope| {
        for seed in 0..4usize {
            scope.spawn(move || {
                if seed >= 2 {
                    // SAFETY: plain numbers; 0 is the calling thread.
                    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
                    assert_eq!(set, 0);
                }
                let mut random = Random::new(seed as u64);
                while !context.stopped() {
                    let index = seed / 2 * 2 + random.below(2);
                    context.spend(index, [90.0, 40.0, 70.0, 130.0][index]);
                }
            });
        }
    });
}

/// A thread that goes from CPU to CPU, a function for each, and another that
/// goes where it is put.
pub fn mover(context: &Arc<Context>) {
    let cpus = cpus();
    let all = &cpus;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut random = Random::new(1);
            while !context.stopped() {
                for (nth, length) in [800.0, 2_100.0].into_iter().enumerate() {
                    pin(0, &[all[nth % all.len()]]);
                    context.spend(nth, length);
                }
                context.nap(random.exponential() * 500.0);
            }
        });
        scope.spawn(move || {
            let mut random = Random::new(2);
            while !context.stopped() {
                context.spend(2, 300.0);
                context.nap(random.exponential() * 2_000.0);
                context.spend(3, 700.0);
            }
        });
    });
}

/// Two threads: one works alone, then both, then the other alone, then both.
/// Whether the other CPU is busy depends on the function.
fn fork_and_join(context: &Arc<Context>, pinned: bool) {
    let barrier = &Barrier::new(2);
    let ended = &AtomicBool::new(false);
    let cpus = &cpus();
    thread::scope(|scope| {
        for side in 0..2 {
            scope.spawn(move || {
                if pinned {
                    pin(0, &[cpus[side % cpus.len()]]);
                }
                loop {
                    if side == 0 {
                        ended.store(context.stopped(), Relaxed);
                        context.spend(0, 600.0);
                    }
                    barrier.wait();
                    if ended.load(Relaxed) {
                        return;
                    }
                    context.spend(1, 600.0);
                    barrier.wait();
                    if side == 1 {
                        context.spend(2, 2_500.0);
                    }
                    barrier.wait();
                    context.spend(3, 2_500.0);
                    barrier.wait();
                    context.nap(1_300.0);
                }
            });
        }
    });
}

pub fn fork_join(context: &Arc<Context>) {
    fork_and_join(context, false);
}

pub fn fork_join_pinned(context: &Arc<Context>) {
    fork_and_join(context, true);
}
