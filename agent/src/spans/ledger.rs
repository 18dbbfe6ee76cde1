//! Spans that closed, from the threads they closed on to sums by name.
//!
//! A span's close must cost next to nothing, so it is one entry in a small
//! buffer that few threads share. A buffer that is full is folded into the
//! sums by whoever filled it, all are when somebody asks for the sums. Nothing
//! queues without bound: what is kept is a histogram for each name, and names
//! are bounded.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buckets::Buckets;
use super::interval::Interval;

/// Buffers; threads are spread over them.
const SHARDS: usize = 16;
/// Entries of a full buffer.
const FULL: usize = 256;

/// A span that closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    /// Its name's number.
    pub(crate) name: u32,
    pub(crate) error: bool,
    pub(crate) took_ns: u64,
    pub(crate) busy_ns: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    shards: [Shard; SHARDS],
    sums: Mutex<Vec<Option<Box<Sum>>>>,
}

/// Apart from its neighbours by a cache line or two, so that threads of
/// different shards do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    opened: AtomicU64,
    buffer: Mutex<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    entries: Vec<Closed>,
    closed: u64,
}

/// All spans of a name.
#[derive(Debug, Default)]
struct Sum {
    /// Since the last [`Ledger::collect`].
    recent: Interval,
    /// Since the start.
    totals: Totals,
}

/// What Prometheus gets of a name: sums since the start.
#[derive(Debug, Default, Clone)]
pub(crate) struct Totals {
    pub(crate) durations: Buckets,
    pub(crate) errors: u64,
}

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Ledger {
    /// Counts a span that opened.
    pub(crate) fn opened(&self) {
        self.shard().opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Enters a span that closed.
    pub(crate) fn closed(&self, closed: Closed) {
        let shard = self.shard();
        let mut buffer = lock(&shard.buffer);
        buffer.closed += 1;
        buffer.entries.push(closed);
        if buffer.entries.len() >= FULL {
            self.fold(&mut buffer);
        }
    }

    /// How many spans were opened and closed so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let shards = self.shards.iter();
        shards.fold((0, 0), |(opened, closed), shard| {
            // Closed first: a span that does both in between is then still open.
            let closed = closed + lock(&shard.buffer).closed;
            (opened + shard.opened.load(Ordering::Relaxed), closed)
        })
    }

    /// Takes what was recorded since the last call, by the names' numbers.
    /// Names of which nothing closed are left out. What was recorded under a
    /// number that is `gone` is part of the one beside it.
    pub(crate) fn collect(&self, gone: &[(u32, u32)]) -> Vec<(u32, Interval)> {
        self.fold_all();
        let mut sums = lock(&self.sums);
        join(&mut sums, gone);
        let numbered = (0..).zip(sums.iter_mut());
        numbered
            .filter_map(|(number, sum)| {
                let recent = &mut sum.as_mut()?.recent;
                (recent.count() > 0).then(|| (number, std::mem::take(recent)))
            })
            .collect()
    }

    /// The sums since the start, by the names' numbers; of those that are
    /// `gone` as with [`collect`](Self::collect).
    pub(crate) fn totals(&self, gone: &[(u32, u32)]) -> Vec<(u32, Totals)> {
        self.fold_all();
        let mut sums = lock(&self.sums);
        join(&mut sums, gone);
        let numbered = (0..).zip(sums.iter());
        numbered
            .filter_map(|(number, sum)| Some((number, sum.as_ref()?.totals.clone())))
            .collect()
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let buffers = self.shards.iter().map(|shard| {
            let buffer = lock(&shard.buffer);
            buffer.entries.capacity() * size_of::<Closed>()
        });
        let buffers = buffers.sum::<usize>();
        let sums = lock(&self.sums);
        let kept = sums.iter().flatten();
        let kept = kept.map(|sum| size_of::<Sum>() + sum.recent.bytes());
        buffers + sums.capacity() * size_of::<Option<Box<Sum>>>() + kept.sum::<usize>()
    }

    fn fold_all(&self) {
        for shard in &self.shards {
            self.fold(&mut lock(&shard.buffer));
        }
    }

    /// Always a buffer's lock before that of the sums.
    fn fold(&self, buffer: &mut Buffer) {
        if buffer.entries.is_empty() {
            return;
        }
        let mut sums = lock(&self.sums);
        for entry in buffer.entries.drain(..) {
            let index = entry.name as usize;
            if index >= sums.len() {
                sums.resize_with(index + 1, || None);
            }
            let sum = sums[index].get_or_insert_default();
            sum.recent.record(entry.took_ns, entry.busy_ns, entry.error);
            sum.totals.durations.record(entry.took_ns);
            sum.totals.errors += u64::from(entry.error);
        }
    }

    fn shard(&self) -> &Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let index = SHARD.with(|shard| {
            if shard.get() == usize::MAX {
                shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
            }
            shard.get()
        });
        &self.shards[index % SHARDS]
    }
}

/// Adds the sums of numbers that are gone to those they are part of.
fn join(sums: &mut Vec<Option<Box<Sum>>>, gone: &[(u32, u32)]) {
    for (from, to) in gone {
        let Some(sum) = sums.get_mut(*from as usize).and_then(Option::take) else {
            continue;
        };
        let to = *to as usize;
        if to >= sums.len() {
            sums.resize_with(to + 1, || None);
        }
        let all = sums[to].get_or_insert_default();
        all.recent.add(&sum.recent);
        all.totals.durations.add(&sum.totals.durations);
        all.totals.errors += sum.totals.errors;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_closed_adds_up() {
        let ledger = Ledger::default();
        std::thread::scope(|scope| {
            for thread in 0..40_u32 {
                let ledger = &ledger;
                scope.spawn(move || {
                    for i in 0..1_000 {
                        ledger.opened();
                        ledger.closed(Closed {
                            name: thread % 2 + 1,
                            error: i % 10 == 0,
                            took_ns: 1_000,
                            busy_ns: 500,
                        });
                    }
                });
            }
        });
        assert_eq!(ledger.counts(), (40_000, 40_000));
        let taken = ledger.collect(&[]);
        assert_eq!(taken.len(), 2);
        for (_, interval) in &taken {
            assert_eq!((interval.count(), interval.errors), (20_000, 2_000));
            assert_eq!(interval.took.as_nanos(), 20_000 * 1_000);
            assert_eq!(interval.busy.as_nanos(), 20_000 * 500);
        }
        assert!(ledger.collect(&[]).is_empty(), "collected once");
        assert_eq!(ledger.totals(&[])[0].1.durations.count(), 20_000);
    }

    #[test]
    fn what_a_name_that_gave_way_had_is_not_lost() {
        let ledger = Ledger::default();
        let close = |name| {
            ledger.opened();
            ledger.closed(Closed {
                name,
                error: name == 1,
                took_ns: 1_000,
                busy_ns: 500,
            });
        };
        (0..3).for_each(|_| close(1));
        close(2);
        let gone = [(1, 9)];
        let taken = ledger.collect(&gone);
        let counts: Vec<(u32, u64, u64)> = taken
            .iter()
            .map(|(name, interval)| (*name, interval.count(), interval.errors))
            .collect();
        assert_eq!(counts, [(2, 1, 0), (9, 3, 3)]);
        // A span that was open meanwhile closes under its old number.
        close(1);
        let totals: Vec<(u32, u64, u64)> = ledger
            .totals(&gone)
            .iter()
            .map(|(name, totals)| (*name, totals.durations.count(), totals.errors))
            .collect();
        assert_eq!(totals, [(2, 1, 0), (9, 4, 4)]);
    }
}
