//! How often the thread's CPU clock may be read: as often as makes at most one
//! part in 2,000 of a core.
//!
//! What a reading costs is found out at the start. From tick to tick the
//! readings that are allowed are shared among the routes: a route that needs
//! less than its even share for all of its requests has what it needs, and the
//! others share what is left. Between two ticks there is no time to reckon:
//! when what was allowed is used up the pressure rises, each step of which
//! halves the requests that are measured, and a little more is allowed. So a
//! burst of any size costs a few times the allowance of its tick, or of a second
//! where little was used before.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use soakscope_sampler::thread_cpu_time;

/// The part of a core that readings may take.
const SHARE: f64 = 0.0005;
/// A reading is more than the clock's system call: locks, and what is added up.
const BESIDE_NS: f64 = 100.0;
/// Readings between two ticks that are always allowed, however short the tick.
const MIN_READINGS: f64 = 32.0;
/// The longest time between ticks that is allowed for.
const MAX_TICK: Duration = Duration::from_secs(10);
/// Steps of the pressure from which on also stays of requests are left out that
/// are measured already.
const STEADY: u32 = 2;
/// One in 2²⁰ at the least.
const MAX_RAISE: u32 = 20;

#[derive(Debug)]
pub(crate) struct Allowance {
    per_second: f64,
    /// What two readings in turn measure of themselves.
    pub(crate) overhead_ns: u64,
    left: AtomicI64,
    /// What is allowed when nothing is left.
    more: AtomicI64,
    pressure: AtomicU32,
    /// Of requests that have been open for longer than a tick one stay in so
    /// many is looked at …
    stride: AtomicU32,
    /// … of so many since the last tick.
    stays_of_old: AtomicU64,
    tick: AtomicU64,
    /// Readings so far.
    readings: AtomicU64,
    stopped: AtomicBool,
}

/// What the next tick may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    /// Readings for requests that open.
    pub(crate) readings: f64,
}

impl Allowance {
    /// Finds out what a reading costs.
    pub(crate) fn new() -> Self {
        const ROUNDS: u32 = 8;
        const READINGS: u32 = 16;
        let mut cost_ns = f64::INFINITY;
        let mut overhead_ns = u64::MAX;
        // The least of several: a round may be interrupted.
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let mut before = thread_cpu_time();
            for _ in 0..READINGS {
                let now = thread_cpu_time();
                let apart = now.saturating_sub(before).as_nanos();
                overhead_ns = overhead_ns.min(u64::try_from(apart).unwrap_or(u64::MAX));
                before = now;
            }
            let each = begin.elapsed().as_nanos() as f64 / f64::from(READINGS);
            cost_ns = cost_ns.min(each);
        }
        let allowance = Self::of_cost(cost_ns + BESIDE_NS, overhead_ns);
        if thread_cpu_time() == Duration::ZERO {
            allowance.stop();
        }
        allowance
    }

    fn of_cost(cost_ns: f64, overhead_ns: u64) -> Self {
        let allowance = Self {
            per_second: SHARE * 1e9 / cost_ns.max(1.0),
            overhead_ns,
            left: AtomicI64::new(0),
            more: AtomicI64::new(0),
            pressure: AtomicU32::new(0),
            stride: AtomicU32::new(1),
            stays_of_old: AtomicU64::new(0),
            tick: AtomicU64::new(1),
            readings: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        };
        allowance.refill(Duration::from_secs(1));
        allowance
    }

    /// Whether the system has such a clock, and the run goes on.
    pub(crate) fn measures(&self) -> bool {
        !self.stopped.load(Relaxed)
    }

    /// From now on nothing is measured.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(crate) fn tick(&self) -> u64 {
        self.tick.load(Relaxed)
    }

    /// Readings so far.
    #[cfg(test)]
    pub(crate) fn readings(&self) -> u64 {
        self.readings.load(Relaxed)
    }

    /// The clock was read.
    pub(crate) fn spend(&self) {
        self.readings.fetch_add(1, Relaxed);
        if self.left.fetch_sub(1, Relaxed) == 1 {
            self.pressure.fetch_add(1, Relaxed);
            self.left.fetch_add(self.more.load(Relaxed), Relaxed);
        }
    }

    /// `k`, under the pressure of now.
    pub(crate) fn raised(&self, k: u32) -> u32 {
        raise(k, self.pressure.load(Relaxed))
    }

    /// For how many stays of a request the one that begins would stand; 0 where
    /// it is not looked at.
    pub(crate) fn thin(&self, opened_at_tick: u64) -> u32 {
        let pressure = self.pressure.load(Relaxed).saturating_sub(STEADY);
        let stride = if opened_at_tick + 1 < self.tick() {
            self.stays_of_old.fetch_add(1, Relaxed);
            self.stride.load(Relaxed)
        } else {
            1
        };
        match raise(stride, pressure) {
            0 | 1 => 1,
            j if below(u64::from(j)) == 0 => j,
            _ => 0,
        }
    }

    /// A tick, so long after the last.
    pub(crate) fn refill(&self, since: Duration) -> Allowed {
        let seconds = since.min(MAX_TICK).as_secs_f64();
        let all = (self.per_second * seconds).max(MIN_READINGS);
        // A stay takes two readings. Half of all is for requests that open.
        let of_old = 2.0 * self.stays_of_old.swap(0, Relaxed) as f64;
        let stride = (of_old / (all / 2.0))
            .ceil()
            .clamp(1.0, f64::from(1 << MAX_RAISE));
        self.stride.store(stride as u32, Relaxed);
        // What is not used may be in the next ticks, a second's worth at most.
        let kept = self.left.load(Relaxed).max(0) as f64;
        let left = (kept + all).min(all.max(self.per_second));
        self.left.store(left as i64, Relaxed);
        self.more.store((all / 4.0) as i64 + 1, Relaxed);
        self.pressure.store(0, Relaxed);
        self.tick.fetch_add(1, Relaxed);
        Allowed {
            readings: all - of_old / stride,
        }
    }

    #[cfg(test)]
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }
}

fn raise(k: u32, pressure: u32) -> u32 {
    let raised = u64::from(k) << pressure.min(MAX_RAISE);
    u32::try_from(raised.min(1 << MAX_RAISE)).unwrap_or(1 << MAX_RAISE)
}

/// The k of each route, which needs so many readings for all of its requests,
/// where so many are allowed.
pub(crate) fn shared(allowed: f64, needs: &[f64]) -> Vec<u32> {
    let mut ascending = needs.to_vec();
    ascending.sort_by(f64::total_cmp);
    let mut left = allowed;
    let mut share = f64::INFINITY;
    for (place, need) in ascending.iter().enumerate() {
        let even = left / (ascending.len() - place) as f64;
        if *need > even {
            share = even;
            break;
        }
        left -= need;
    }
    let k = |need: &f64| match need / share {
        part if part > 1.0 => part.ceil().min(f64::from(1 << MAX_RAISE)) as u32,
        _ => 1,
    };
    needs.iter().map(k).collect()
}

/// A random number below `bound`. Nothing depends on its quality but that no
/// program is in step with it.
pub(crate) fn below(bound: u64) -> u64 {
    /// Steps of Weyl's sequence, mixed as in Steele, Lea and Flood, "Fast
    /// splittable pseudorandom number generators" (2014).
    static STATE: AtomicU64 = AtomicU64::new(0);
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = STATE.fetch_add(STEP, Relaxed);
    if state == 0 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = since.map_or(0, |since| since.as_nanos() as u64) ^ u64::from(std::process::id());
        state = STATE.fetch_add(seed, Relaxed);
    }
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    // The upper half of the product is below `bound`.
    ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_has_a_cost_and_the_allowance_is_a_part_in_2000() {
        let allowance = Allowance::new();
        let cost_ns = SHARE * 1e9 / allowance.per_second();
        assert!(cost_ns > BESIDE_NS, "{cost_ns}");
        assert!(
            (allowance.overhead_ns as f64) < cost_ns * 2.0,
            "{allowance:?}"
        );
    }

    #[test]
    fn routes_that_need_little_have_it_and_the_others_share() {
        assert_eq!(shared(1_000.0, &[10.0, 20.0, 100.0]), [1, 1, 1]);
        assert_eq!(shared(1_000.0, &[]), [0_u32; 0]);
        let shares = shared(1_000.0, &[200_000.0, 100.0, 45_000.0]);
        assert_eq!(shares, [445, 1, 100]);
        let spent = 200_000.0 / 445.0 + 100.0 + 45_000.0 / 100.0;
        assert!((999.0..=1_000.0).contains(&spent), "{spent}");
        assert_eq!(shared(100.0, &[1e12]), [1 << MAX_RAISE]);
    }

    #[test]
    fn a_burst_costs_a_few_allowances_whatever_its_size() {
        let allowance = Allowance::of_cost(500.0, 0);
        let mut place = 0_u64;
        while place < 50_000_000 {
            allowance.spend();
            allowance.spend();
            place += u64::from(allowance.raised(1));
        }
        // 1,000 a second, and a quarter of that for each of some 16 doublings.
        assert!(allowance.readings() < 5_500, "{}", allowance.readings());
        allowance.refill(Duration::from_secs(1));
        assert_eq!(allowance.raised(7), 7, "the pressure is gone");
    }

    #[test]
    fn of_requests_that_stay_open_some_stays_are_looked_at() {
        let allowance = Allowance::of_cost(500.0, 0);
        let opened = allowance.tick();
        let second = |stays: u32| -> (u64, u32) {
            let looked: Vec<u32> = (0..stays).map(|_| allowance.thin(opened)).collect();
            let looked_at = looked.iter().filter(|j| **j > 0).count() as u64;
            allowance.refill(Duration::from_secs(1));
            (looked_at, looked.iter().sum())
        };
        assert_eq!(second(100), (100, 100), "just opened");
        second(100);
        assert_eq!(second(100_000).0, 100_000, "nobody knew");
        let (looked_at, stand_for) = second(100_000);
        // 250 of 100,000 in the mean, with a standard error of 16.
        assert!((170..=330).contains(&looked_at), "{looked_at}");
        assert!(stand_for.abs_diff(100_000) < 30_000, "{stand_for}");
    }

    #[test]
    fn random_numbers_are_even_over_their_range() {
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[below(7) as usize] += 1;
        }
        // A standard error is 93.
        assert!(
            counts.iter().all(|n| n.abs_diff(10_000) < 500),
            "{counts:?}"
        );
        assert_eq!(below(1), 0);
    }
}
