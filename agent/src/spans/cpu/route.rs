//! Which requests of a route are measured, and what was measured of them.
//!
//! While k is 1 every request is. Else requests are taken in blocks of k, in the
//! order in which they open, and of each block a random one. Who opens a request
//! counts it and compares its place with the next one's: two memory accesses
//! and no lock for all but those that are measured.
//!
//! A block may be given up for one of another length at any time: each request
//! of it was measured with a probability of 1/k, whatever becomes of the rest.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::allowance::{Allowance, below};
use super::sums::{Estimate, Known, Sums, Used};

/// The place of the next one to be measured while all are.
const ALL: u64 = 0;
/// … and while somebody chooses it.
const CHOSEN: u64 = u64::MAX;
/// Requests for which it is kept how many readings one takes.
const MAX_REMEMBERED: f64 = 64.0;
/// A block is given up where k is off by more than this factor.
const TOO_FAR: f64 = 1.5;
/// After this time a change of what is needed counts for half …
const HALF_LIFE_SECONDS: f64 = 0.25;
/// … but a rise by this factor at once.
const SURGE: f64 = 2.0;

/// Apart from its neighbours, so that threads do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Route {
    opened: AtomicU64,
    /// The place of the next request that is measured.
    next: AtomicU64,
    /// Stays of measured requests that were left out, each as often as its request
    /// stands for: of requests that opened in blocks of this stretch, and of others.
    left_out: [AtomicU64; 2],
    /// Counts stretches of time.
    stretch: AtomicU64,
    kept: Mutex<Option<Box<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    /// One in so many, from the next block on.
    k: u32,
    block: Option<Block>,
    /// From this place on requests open in blocks that no estimate has yet.
    from: u64,
    /// Those of blocks that were given up for measuring all.
    before: u64,
    sums: Sums,
    known: Known,
    /// Measured requests that ended.
    ended: u64,
    /// Since some ticks: requests that were measured, and readings for them.
    measured: f64,
    readings: f64,
    /// At the last tick.
    opened_by: u64,
    need_per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    k: u32,
    /// The first place after it.
    end: u64,
}

/// A request that is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// For how many it stands.
    pub(crate) weight: u32,
    /// The stretch in which it opened.
    pub(crate) stretch: u64,
}

/// What was measured in a stretch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stretch {
    pub(crate) estimate: Estimate,
    /// Measured requests that ended.
    pub(crate) ended: u64,
}

/// A stay of a measured request on a thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    pub(crate) weight: u32,
    pub(crate) opened_in: u64,
    pub(crate) took_ns: u64,
    /// It stands for so many stays.
    pub(crate) thin: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            k: 1,
            block: None,
            from: 0,
            before: 0,
            sums: Sums::default(),
            known: Known::default(),
            ended: 0,
            measured: 0.0,
            readings: 0.0,
            opened_by: 0,
            need_per_second: 0.0,
        }
    }
}

impl Route {
    /// A request opens; answers whether it is to be measured.
    pub(crate) fn open(&self, allowance: &Allowance) -> Option<Drawn> {
        let place = self.opened.fetch_add(1, Relaxed);
        let next = self.next.load(Relaxed);
        if place < next {
            return None;
        }
        self.draw(place, next, allowance)
    }

    #[cold]
    fn draw(&self, place: u64, next: u64, allowance: &Allowance) -> Option<Drawn> {
        if !allowance.measures() {
            // There is no need to ask again.
            self.next.store(CHOSEN, Relaxed);
            return None;
        }
        if next != ALL && !self.choose(next) {
            return None;
        }
        let mut kept = self.kept();
        let kept = kept.get_or_insert_default();
        // Of one that was to be measured as all were, it is not asked what
        // others have begun since.
        let weight = match kept.block {
            Some(block) if next != ALL => block.k,
            _ => 1,
        };
        let k = allowance.raised(kept.k);
        if next != ALL || (kept.block.is_none() && k > 1) {
            // All can be measured at once, for the block is then given up.
            let end = kept.block.filter(|_| k > 1).map_or(0, |block| block.end);
            self.begin(kept, end.max(place + 1), k);
        }
        kept.sums.opened(weight);
        kept.measured += 1.0;
        Some(Drawn {
            weight,
            stretch: self.stretch.load(Relaxed),
        })
    }

    /// Takes the right to say which request is next.
    fn choose(&self, next: u64) -> bool {
        let chosen = self.next.compare_exchange(next, CHOSEN, AcqRel, Relaxed);
        next != CHOSEN && chosen.is_ok()
    }

    /// Begins a block at a place, for whoever may choose.
    fn begin(&self, kept: &mut Kept, start: u64, k: u32) {
        if kept.block.is_none() {
            kept.from = start;
        }
        if k == 1 {
            if kept.block.take().is_some() {
                kept.before += start.saturating_sub(kept.from);
            }
            self.next.store(ALL, Release);
            return;
        }
        let end = start + u64::from(k);
        kept.block = Some(Block { k, end });
        // Place 0 is measured as all are, so that it never stands for `ALL`.
        let pick = (start + below(u64::from(k))).max(1);
        self.next.store(pick, Release);
    }

    /// A measured request was on a thread. `mine` is what it used in its newest
    /// stretch, and `since` which that is.
    pub(crate) fn stayed(&self, stay: Stay, mine: &AtomicU64, since: &AtomicU64, young: bool) {
        let mut kept = self.kept();
        let kept = kept.get_or_insert_default();
        // Both are written under this lock alone.
        let stretch = self.stretch.load(Relaxed);
        if since.swap(stretch, Relaxed) != stretch {
            mine.store(0, Relaxed);
        }
        let before = mine.load(Relaxed);
        let more = stay.took_ns.saturating_mul(u64::from(stay.thin));
        mine.store(before.saturating_add(more), Relaxed);
        kept.sums.used(Used {
            weight: stay.weight,
            opened_here: stay.opened_in == stretch,
            before: before as f64,
            stay: stay.took_ns as f64,
            thin: stay.thin,
        });
        if young {
            kept.readings += 2.0;
        }
    }

    /// A measured request is on a thread, and that is not looked at.
    pub(crate) fn leave_out(&self, drawn: Drawn) {
        let here = drawn.stretch == self.stretch.load(Relaxed);
        let in_blocks = drawn.weight > 1 && here;
        self.left_out[usize::from(!in_blocks)].fetch_add(u64::from(drawn.weight), Relaxed);
    }

    /// A measured request ended.
    pub(crate) fn ended(&self) {
        self.kept().get_or_insert_default().ended += 1;
    }

    /// Ends a stretch of time; answers what was measured in it, where anything
    /// was or should have been.
    pub(crate) fn cut(&self) -> Option<Stretch> {
        let mut kept = self.kept();
        let kept = kept.as_mut()?;
        let opened = self.opened.load(Acquire);
        let mut in_blocks = std::mem::take(&mut kept.before);
        if kept.block.is_some() {
            in_blocks += opened.saturating_sub(kept.from);
            kept.from = kept.from.max(opened);
        }
        self.stretch.fetch_add(1, Relaxed);
        let left_out = [0, 1].map(|at: usize| self.left_out[at].swap(0, Relaxed));
        let sums = std::mem::take(&mut kept.sums);
        let stretch = Stretch {
            estimate: sums.estimate(in_blocks, left_out, &mut kept.known),
            ended: std::mem::take(&mut kept.ended),
        };
        let some = stretch.ended > 0 || stretch.estimate != Estimate::default();
        some.then_some(stretch)
    }

    /// A tick: answers how many readings all requests until the next one would
    /// take; `None` where there were none of late.
    pub(crate) fn need(&self, seconds: f64) -> Option<f64> {
        let mut kept = self.kept();
        let kept = kept.as_mut()?;
        let opened = self.opened.load(Relaxed);
        let came = opened.saturating_sub(kept.opened_by) as f64;
        kept.opened_by = opened;
        let each = if kept.measured > 0.0 {
            (kept.readings / kept.measured).max(2.0)
        } else {
            2.0
        };
        let much = (kept.measured / MAX_REMEMBERED).max(1.0);
        kept.measured /= much;
        kept.readings /= much;
        let seconds = seconds.max(1e-3);
        let (rate, before) = (came * each / seconds, kept.need_per_second);
        kept.need_per_second = if rate > before * SURGE {
            rate
        } else {
            rate + (before - rate) * (-seconds / HALF_LIFE_SECONDS).exp2()
        };
        let need = kept.need_per_second * seconds;
        (need > 1e-3 || kept.k > 1).then_some(need)
    }

    /// From now on one in `k` is measured.
    pub(crate) fn set(&self, k: u32) {
        let mut kept = self.kept();
        let Some(kept) = kept.as_mut() else { return };
        kept.k = k;
        let now = kept.block.map_or(1, |block| block.k);
        let (now, wanted) = (f64::from(now), f64::from(k));
        let far = wanted > now * TOO_FAR || wanted * TOO_FAR < now;
        if !far {
            return;
        }
        // Where one is being chosen the block after it has this k.
        let next = self.next.load(Relaxed);
        let start = self.opened.load(Relaxed);
        if self.choose(next) {
            self.begin(kept, start, k);
        }
    }

    /// Forgets what is kept: the name is of no route any more.
    pub(crate) fn forget(&self) {
        *self.kept() = None;
        self.next.store(CHOSEN, Relaxed);
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.kept().as_ref().map_or(0, |_| size_of::<Kept>())
    }

    fn kept(&self) -> MutexGuard<'_, Option<Box<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn calm() -> Allowance {
        let allowance = Allowance::new();
        allowance.refill(Duration::from_secs(10));
        allowance
    }

    fn weights(route: &Route, allowance: &Allowance, requests: u64) -> Vec<u32> {
        let drawn = (0..requests).filter_map(|_| route.open(allowance));
        drawn.map(|drawn| drawn.weight).collect()
    }

    #[test]
    fn all_are_measured_until_k_is_set_and_then_one_in_each_block() {
        let (route, allowance) = (Route::default(), calm());
        assert_eq!(weights(&route, &allowance, 10), [1; 10]);
        route.set(10);
        assert_eq!(weights(&route, &allowance, 1_000), [10; 100]);
        // A little more or less is had when the next block begins.
        route.set(12);
        let mixed = weights(&route, &allowance, 10 + 120);
        assert!(mixed.iter().all(|w| [10, 12].contains(w)), "{mixed:?}");
        assert!(mixed.len().abs_diff(11) <= 1, "{mixed:?}");
        route.set(1);
        assert_eq!(weights(&route, &allowance, 7), [1; 7]);
    }

    /// A request that uses so much.
    fn request(route: &Route, allowance: &Allowance, took_ns: u64) {
        let Some(drawn) = route.open(allowance) else {
            return;
        };
        let (mine, since) = (AtomicU64::new(0), AtomicU64::new(drawn.stretch));
        let stay = Stay {
            weight: drawn.weight,
            opened_in: drawn.stretch,
            took_ns,
            thin: 1,
        };
        route.stayed(stay, &mine, &since, true);
        route.ended();
    }

    #[test]
    fn what_opened_is_accounted_for_whatever_k_does_meanwhile() {
        let (route, allowance) = (Route::default(), calm());
        let (threads, requests) = (4, 50_000);
        let ended = std::sync::atomic::AtomicUsize::new(0);
        let mut got = 0.0;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    (0..requests).for_each(|_| request(&route, &allowance, 1_000));
                    ended.fetch_add(1, Release);
                });
            }
            let mut k = 2;
            while ended.load(Acquire) < threads {
                k = k * 3 % 257 + 1;
                route.set(k);
                std::thread::yield_now();
                if k % 16 == 0 {
                    got += route.cut().map_or(0.0, |cut| cut.estimate.cpu_ns);
                }
            }
        });
        got += route.cut().map_or(0.0, |cut| cut.estimate.cpu_ns);
        let all = threads as f64 * requests as f64 * 1_000.0;
        assert!((got / all - 1.0).abs() < 0.02, "{got} of {all}");
    }

    #[test]
    fn each_place_of_a_block_has_the_same_chance() {
        let mut counts = [0_u32; 8];
        let allowance = calm();
        let route = Route::default();
        route.open(&allowance);
        route.set(8);
        for _ in 0..8_000 {
            for count in &mut counts {
                *count += u32::from(route.open(&allowance).is_some());
            }
        }
        // A standard error is 30.
        assert!(counts.iter().all(|n| n.abs_diff(1_000) < 150), "{counts:?}");
    }

    #[test]
    fn a_stretch_has_what_opened_in_it_and_the_error_of_what_was_not_measured() {
        let (route, allowance) = (Route::default(), calm());
        let request = |cost: u64| request(&route, &allowance, cost);
        (0..50).for_each(|_| request(1_000));
        let exact = route.cut().expect("measured");
        assert_eq!(exact.estimate.cpu_ns, 50_000.0);
        assert_eq!((exact.estimate.variance, exact.ended), (0.0, 50));
        assert!(route.cut().is_none(), "nothing since");
        route.set(100);
        // Less than a block: all the same, 70 opened at 1,000 each or so.
        (0..70).for_each(|_| request(1_000));
        let part = route.cut().expect("opened");
        assert!((part.estimate.cpu_ns - 70_000.0).abs() < 1e-6, "{part:?}");
        (0..1_000).for_each(|n| request(if n % 2 == 0 { 500 } else { 1_500 }));
        let sampled = route.cut().expect("measured");
        let error = sampled.estimate.cpu_ns - 1e6;
        assert!(sampled.estimate.variance > 0.0);
        assert!(error.abs() < 4.5 * sampled.estimate.variance.sqrt() + 1.0);
    }

    #[test]
    fn what_a_route_needs_fades_when_nothing_comes() {
        let (route, allowance) = (Route::default(), calm());
        assert_eq!(route.need(1.0), None);
        weights(&route, &allowance, 1_000);
        assert_eq!(route.need(1.0), Some(2_000.0));
        assert_eq!(route.need(0.25), Some(250.0));
        assert_eq!(route.need(0.5), Some(125.0));
    }
}
