//! Requests that arrive by a clock, as load generators send them, over two
//! workers that wait with `epoll`. Four routes of 0.12, 0.3, 0.9 and 6 ms.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Context, Random, cpus, monotonic, tick};

/// Microseconds of each route.
const LENGTHS: [f64; 4] = [120.0, 300.0, 900.0, 6_000.0];
/// Microseconds of one request, on average.
const MEAN: f64 = 29.0 / 30.0 * (120.0 + 300.0 + 900.0) / 3.0 + 6_000.0 / 30.0;
/// Beyond this many, arrivals are turned away.
const MAX_QUEUED: usize = 1_000;

/// One thread's queue.
pub(super) struct Queue {
    epoll: libc::c_int,
    event: libc::c_int,
    items: Mutex<VecDeque<Option<(usize, f64)>>>,
}

impl Queue {
    pub(super) fn new() -> Self {
        // SAFETY: plain numbers, and an event that is valid for the read.
        unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            let event = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
            assert!(epoll >= 0 && event >= 0);
            let mut interest = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: 0,
            };
            let added = libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, event, &mut interest);
            assert_eq!(added, 0);
            Queue {
                epoll,
                event,
                items: Mutex::default(),
            }
        }
    }

    /// Queues function `index` for `microseconds`; `None` ends the worker.
    pub(super) fn push(&self, item: Option<(usize, f64)>) {
        {
            let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
            match item {
                None => items.clear(),
                Some(_) if items.len() >= MAX_QUEUED => return,
                Some(_) => {}
            }
            items.push_back(item);
        }
        let one = 1u64;
        // SAFETY: eight bytes are valid for the read.
        unsafe { libc::write(self.event, (&raw const one).cast(), 8) };
    }

    /// Runs what is queued until it is asked to end.
    pub(super) fn work(&self, context: &Context) {
        loop {
            let mut got = libc::epoll_event { events: 0, u64: 0 };
            context.waits.fetch_add(1, Relaxed);
            // SAFETY: `got` is valid for the write of one event.
            if unsafe { libc::epoll_wait(self.epoll, &mut got, 1, -1) } < 0 {
                context.count_interruption();
                continue;
            }
            let mut count = 0u64;
            // SAFETY: `count` is valid for the write of eight bytes.
            unsafe { libc::read(self.event, (&raw mut count).cast(), 8) };
            loop {
                let next = self
                    .items
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                match next {
                    None => break,
                    Some(None) => return,
                    Some(Some((index, microseconds))) => context.spend(index, microseconds),
                }
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: both are this queue's own.
        unsafe {
            libc::close(self.epoll);
            libc::close(self.event);
        }
    }
}

/// Starts `count` workers, lets `dispatch` feed them, and ends them.
pub(super) fn with_workers(context: &Arc<Context>, count: usize, dispatch: impl FnOnce(&[Queue])) {
    let queues: Vec<Queue> = (0..count).map(|_| Queue::new()).collect();
    std::thread::scope(|scope| {
        for queue in &queues {
            scope.spawn(|| queue.work(context));
        }
        dispatch(&queues);
        for queue in &queues {
            queue.push(None);
        }
    });
}

/// Sends requests at the times that `next` makes of the one before
/// (milliseconds since the start), until the load is stopped.
fn serve(
    context: &Arc<Context>,
    rate: f64,
    busy: Option<f64>,
    mut next: impl FnMut(u64, f64) -> f64,
) {
    // As many requests at once, and as long, as makes the CPUs this busy.
    let (batch, factor) = match busy {
        None => (1, 1.0),
        Some(share) => {
            let wanted = share * cpus().len() as f64 * 1e6 / (rate * MEAN);
            let batch = wanted.round().max(1.0);
            (batch as u64, wanted / batch)
        }
    };
    with_workers(context, 2, |queues| {
        // A quarter of a tick after one: what is short ends before the next.
        let (tick, last) = tick();
        let start = last + tick * 5 + tick / 4;
        let (mut sent, mut at) = (0u64, 0.0);
        for arrival in 0.. {
            at = next(arrival, at);
            context.sleep_until(start + Duration::from_nanos((at * 1e6) as u64));
            if context.stopped() {
                return;
            }
            for _ in 0..batch {
                let index = if sent % 30 == 29 {
                    3
                } else {
                    sent as usize % 3
                };
                let item = (index, LENGTHS[index] * factor);
                queues[sent as usize % queues.len()].push(Some(item));
                sent += 1;
            }
            // A machine that stood still does not get it all at once.
            let now = monotonic().saturating_sub(start).as_secs_f64() * 1e3;
            if now - at > 500.0 {
                at = now;
            }
        }
    });
}

fn every_4_ms(context: &Arc<Context>, busy: Option<f64>) {
    serve(context, 250.0, busy, |_, at| {
        ((at / 4.0).floor() + 1.0) * 4.0
    });
}

pub fn each_4_ms(context: &Arc<Context>) {
    every_4_ms(context, None);
}

pub fn each_4_ms_at_90(context: &Arc<Context>) {
    every_4_ms(context, Some(0.9));
}

/// 150 a second, each at the next whole millisecond.
fn grid(context: &Arc<Context>, busy: Option<f64>) {
    serve(context, 150.0, busy, |n, at| {
        ((n + 1) as f64 * 1e3 / 150.0).ceil().max(at.ceil())
    });
}

pub fn on_a_grid(context: &Arc<Context>) {
    grid(context, None);
}

pub fn on_a_grid_at_90(context: &Arc<Context>) {
    grid(context, Some(0.9));
}

/// 150 a second, as by a Poisson process.
fn random(context: &Arc<Context>, busy: Option<f64>) {
    let mut random = Random::new(7);
    serve(context, 150.0, busy, |_, at| {
        at + random.exponential() * 1e3 / 150.0
    });
}

pub fn at_random(context: &Arc<Context>) {
    random(context, None);
}

pub fn at_random_at_90(context: &Arc<Context>) {
    random(context, Some(0.9));
}
