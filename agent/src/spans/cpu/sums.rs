//! The estimator: from the requests that were measured to the CPU time of all.
//!
//! Of a route's requests one in every block of k is measured, a random one, and
//! stands for k (its weight w; 1 where all are measured). With c the CPU time of
//! a measured request within a stretch of time, the CPU time of the N requests
//! that opened in blocks in that stretch is estimated by a ratio,
//!
//! ```text
//! T = F Σ w c      F = N / Σ w
//! V = F² s² Σ w (w - 1)
//! ```
//!
//! with s² the variance of c around Σ w c / Σ w. With one k this is the mean of
//! the sample times N, and its variance N² (1 - 1/k) s² / n with the correction
//! for a finite population: Cochran, *Sampling Techniques*, 3rd edition (1977),
//! (2.20) and (6.9). Requests of weight 1 are a stratum without any error.
//! Requests that opened in an earlier stretch add Σ w c, with the variance
//! Σ w (w - 1) c² (Horvitz and Thompson; on the safe side, as it takes their mean
//! for unknown).
//!
//! Of a measured request's stays on threads one in j may be looked at. What all of
//! them took is estimated by the same kind of ratio, their number being known,
//! and adds Σ w (j² - j) (x - x̄)² to the variance: the second stage of Cochran's
//! (11.24), of stays that took x.
//!
//! A stretch in which many requests opened and none was measured has what is
//! known of the route: the mean and the variance of some requests before, which
//! also steady s² where few were measured.

/// Requests before that count for what is known of a route.
const MAX_KNOWN: f64 = 30.0;

/// What was measured of a route in a stretch of time; times in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    /// Of requests all of which were measured.
    exact: f64,
    /// Of those of weight above 1 that opened in the stretch: how many, Σ w, Σ w c,
    /// and Σ w (w - 1) with c⁰, c¹ and c².
    n: f64,
    w: [f64; 2],
    a: [f64; 3],
    /// Of all that opened in the stretch, unweighted: how many, Σ c, Σ c²; of those
    /// of weight 1, and of the others.
    seen: [[f64; 3]; 2],
    /// Σ w c and Σ w (w - 1) c² of those that opened earlier.
    earlier: [f64; 2],
    /// Stays of which not all were looked at: of those that opened in the stretch
    /// in blocks, and of others.
    thinned: [Thinned; 2],
    /// How many stays were looked at, and what they took.
    stays: [f64; 2],
}

/// Stays one in j of which was looked at.
#[derive(Debug, Clone, Default)]
struct Thinned {
    /// How many were, and for how many requests they were.
    n: f64,
    weights: f64,
    /// Σ w j and Σ w j x.
    w: [f64; 2],
    /// Σ w (j² - j) with x⁰, x¹ and x².
    a: [f64; 3],
}

/// What is remembered of a route from stretch to stretch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    n: f64,
    mean: f64,
    variance: f64,
    /// Stays, as many at the most, and what one takes.
    stays: f64,
    stay: f64,
}

/// The CPU time of a route in a stretch: nanoseconds, and their square.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) cpu_ns: f64,
    pub(crate) variance: f64,
}

/// CPU time to be entered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// The request's weight.
    pub(crate) weight: u32,
    /// Whether it opened in this stretch.
    pub(crate) opened_here: bool,
    /// What it used in this stretch so far, stays that were not looked at
    /// allowed for.
    pub(crate) before: f64,
    /// What a stay on a thread took …
    pub(crate) stay: f64,
    /// … which stands for so many.
    pub(crate) thin: u32,
}

impl Sums {
    /// A request that is measured opened.
    pub(crate) fn opened(&mut self, weight: u32) {
        self.seen[usize::from(weight > 1)][0] += 1.0;
        if weight > 1 {
            let w = f64::from(weight);
            self.n += 1.0;
            self.w[0] += w;
            self.a[0] += w * (w - 1.0);
        }
    }

    /// A request that is measured used CPU time.
    pub(crate) fn used(&mut self, used: Used) {
        let (w, j) = (f64::from(used.weight), f64::from(used.thin));
        let more = used.stay * j;
        let squares = (used.before + more).powi(2) - used.before.powi(2);
        let in_blocks = used.weight > 1 && used.opened_here;
        self.stays[0] += 1.0;
        self.stays[1] += used.stay;
        if used.opened_here {
            let seen = &mut self.seen[usize::from(used.weight > 1)];
            seen[1] += more;
            seen[2] += squares;
        }
        if in_blocks {
            self.a[1] += w * (w - 1.0) * more;
            self.a[2] += w * (w - 1.0) * squares;
        } else if used.weight > 1 {
            self.earlier[1] += w * (w - 1.0) * squares;
        }
        if used.thin > 1 {
            self.thinned[usize::from(!in_blocks)].add(w, j, used.stay);
        } else if in_blocks {
            self.w[1] += w * more;
        } else if used.weight > 1 {
            self.earlier[0] += w * more;
        } else {
            self.exact += more;
        }
    }

    /// The CPU time of all, `in_blocks` of which opened while one in k was
    /// measured. So many stays were left out: of requests that opened in blocks,
    /// and of others, each counted as often as its request stands for. What was
    /// seen is taken into what is known.
    pub(crate) fn estimate(
        &self,
        in_blocks: u64,
        left_out: [u64; 2],
        known: &mut Known,
    ) -> Estimate {
        let [exact, sampled] = self.seen;
        // They say as well how requests of the route differ.
        known.learn(exact);
        known.learn_stays(self.stays);
        let stays = |at: usize| self.thinned[at].all(left_out[at] as f64, known);
        let blocks = self.blocks((in_blocks as f64).max(self.n), stays(0), known);
        let others = stays(1);
        known.learn(sampled);
        Estimate {
            cpu_ns: self.exact + self.earlier[0] + others.cpu_ns + blocks.cpu_ns,
            variance: self.earlier[1] + others.variance + blocks.variance,
        }
    }

    fn blocks(&self, all: f64, stays: Estimate, known: &Known) -> Estimate {
        if self.n == 0.0 {
            let variance = known.variance();
            let of_mean = all * all * variance / known.n.max(1.0);
            return Estimate {
                cpu_ns: all * known.mean,
                variance: all * variance + of_mean,
            };
        }
        let factor = all / self.w[0];
        let mean = (self.w[1] + stays.cpu_ns) / self.w[0];
        let squares = self.a[2] - 2.0 * mean * self.a[1] + mean * mean * self.a[0];
        // One more, whose distance from the mean is the mean: of few alone it is
        // not known how requests differ.
        let within = self.n * (squares / self.a[0]).max(0.0);
        let of_request = (within + known.n * known.variance() + mean * mean) / (self.n + known.n);
        Estimate {
            cpu_ns: all * mean,
            variance: factor * factor * (self.a[0] * of_request + stays.variance),
        }
    }
}

impl Thinned {
    fn add(&mut self, w: f64, j: f64, stay: f64) {
        self.n += 1.0;
        self.weights += w;
        self.w[0] += w * j;
        self.w[1] += w * j * stay;
        for (power, sum) in (0..).zip(&mut self.a) {
            *sum += w * (j * j - j) * stay.powi(power);
        }
    }

    /// What all of them took, those included that were left out.
    fn all(&self, left_out: f64, known: &Known) -> Estimate {
        let all = left_out + self.weights;
        if self.n == 0.0 {
            let of_mean = all / known.stays.max(1.0);
            return Estimate {
                cpu_ns: all * known.stay,
                variance: all * known.stay * known.stay * (1.0 + of_mean),
            };
        }
        let factor = all / self.w[0];
        let mean = self.w[1] / self.w[0];
        let squares = self.a[2] - 2.0 * mean * self.a[1] + mean * mean * self.a[0];
        let of_few = mean * mean * self.a[0] / self.n;
        Estimate {
            cpu_ns: all * mean,
            variance: factor * factor * (squares.max(0.0) + of_few),
        }
    }
}

impl Known {
    /// Of one alone nothing is known of how requests differ; they may as much as
    /// those whose standard deviation is their mean.
    fn variance(&self) -> f64 {
        if self.n < 2.0 {
            self.mean * self.mean
        } else {
            self.variance
        }
    }

    fn learn_stays(&mut self, [n, sum]: [f64; 2]) {
        if n > 0.0 {
            let all = self.stays + n;
            self.stay += (sum / n - self.stay) * n / all;
            self.stays = all.min(MAX_KNOWN);
        }
    }

    fn learn(&mut self, [n, sum, squares]: [f64; 3]) {
        if n == 0.0 {
            return;
        }
        let mean = sum / n;
        let within = (squares - sum * mean).max(0.0);
        let all = self.n + n;
        let apart = mean - self.mean;
        let between = apart * apart * self.n * n / all;
        let total = self.variance * (self.n - 1.0).max(0.0) + within + between;
        self.mean += apart * n / all;
        self.variance = total / (all - 1.0).max(1.0);
        self.n = all.min(MAX_KNOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn unit(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn below(&mut self, bound: u32) -> u32 {
            (self.unit() * f64::from(bound)) as u32
        }

        /// As service times are: many short ones, some long ones.
        fn service(&mut self) -> f64 {
            -1e6 * (1.0 - self.unit()).ln()
        }
    }

    fn whole(weight: u32, stay: f64) -> Used {
        Used {
            weight,
            opened_here: true,
            before: 0.0,
            stay,
            thin: 1,
        }
    }

    /// The error of one run of `requests` requests, in its own standard errors,
    /// and relative to the truth.
    fn one(random: &mut Random, requests: u32, k: u32, stretches: u32) -> (f64, f64) {
        let (mut known, mut truth) = (Known::default(), 0.0);
        let (mut got, mut variance) = (0.0, 0.0);
        // The first of a route is always measured.
        let mut sums = Sums::default();
        let first = random.service();
        truth += first;
        sums.opened(1);
        sums.used(whole(1, first));
        let (mut place, mut pick) = (0, random.below(k));
        for _ in 0..stretches {
            for _ in 0..requests / stretches {
                let cost = random.service();
                truth += cost;
                if place == pick {
                    sums.opened(k);
                    sums.used(whole(k, cost));
                }
                place += 1;
                if place == k {
                    (place, pick) = (0, random.below(k));
                }
            }
            let estimate = sums.estimate(u64::from(requests / stretches), [0, 0], &mut known);
            sums = Sums::default();
            got += estimate.cpu_ns;
            variance += estimate.variance;
        }
        ((got - truth) / variance.sqrt().max(1.0), got / truth - 1.0)
    }

    #[test]
    fn all_of_them_measured_is_the_truth_itself() {
        let (mut sums, mut random) = (Sums::default(), Random(7));
        let mut truth = 0.0;
        for _ in 0..1_000 {
            let cost = random.service();
            truth += cost;
            sums.opened(1);
            sums.used(whole(1, cost));
        }
        let estimate = sums.estimate(0, [0, 0], &mut Known::default());
        assert!((estimate.cpu_ns / truth - 1.0).abs() < 1e-12);
        assert_eq!(estimate.variance, 0.0);
    }

    /// Nineteen in twenty intervals of 95 % hold the truth, and the errors have
    /// no common sign: for much and for little that was measured.
    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        // Of six that are measured the variance is not much known.
        for (requests, k, stretches, (at_least, at_most)) in [
            (20_000, 100, 1, (0.92, 1.25)),
            (6_000, 20, 60, (0.92, 1.25)),
            (3_000, 2, 6, (0.92, 1.25)),
            (600, 100, 6, (0.8, 2.0)),
        ] {
            let runs = 1_000;
            let (mut held, mut sum, mut bias) = (0, 0.0, 0.0);
            for _ in 0..runs {
                let (errors, relative) = one(&mut random, requests, k, stretches);
                held += u32::from(errors.abs() < 1.96);
                sum += errors * errors;
                bias += relative;
            }
            let case = format!("{requests} requests, one in {k}, {stretches} stretches");
            let held = f64::from(held) / f64::from(runs);
            // A binomial share of 95 % in 1,000 has a standard error of 0.7 %.
            assert!((at_least..=0.98).contains(&held), "{case}: {held}");
            let size = (sum / f64::from(runs)).sqrt();
            assert!((0.8..=at_most).contains(&size), "{case}: {size}");
            let n = f64::from(requests / k);
            let noise = 4.5 / (n * f64::from(runs)).sqrt();
            let bias = bias / f64::from(runs);
            assert!(
                bias.abs() < noise + 0.1 / n,
                "{case}: {bias}, noise {noise}"
            );
        }
    }

    #[test]
    fn a_stretch_without_a_measured_request_has_what_is_known_of_the_route() {
        let mut known = Known::default();
        let mut sums = Sums::default();
        for cost in [2e6, 4e6, 6e6] {
            sums.opened(1);
            sums.used(whole(1, cost));
        }
        sums.estimate(0, [0, 0], &mut known);
        let estimate = Sums::default().estimate(10, [0, 0], &mut known);
        assert!((estimate.cpu_ns - 40e6).abs() < 1.0, "{estimate:?}");
        // Ten requests of a variance of 4, around a mean that three were for.
        let expected = (10.0 + 100.0 / 3.0) * 4e12;
        assert!((estimate.variance / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn stays_that_are_looked_at_now_and_then_stand_for_the_others() {
        let mut random = Random(0x1234_5678_9ABC_DEF1);
        let (mut squares, mut held) = (0.0, 0);
        for _ in 0..1_000 {
            let (mut sums, mut truth, mut before) = (Sums::default(), 0.0, 0.0);
            let mut left_out = 0;
            for _ in 0..400 {
                let stay = random.service();
                truth += stay;
                if random.below(8) == 0 {
                    let mut used = whole(1, stay);
                    (used.opened_here, used.thin, used.before) = (false, 8, before);
                    sums.used(used);
                    before += 8.0 * stay;
                } else {
                    left_out += 1;
                }
            }
            let estimate = sums.estimate(0, [0, left_out], &mut Known::default());
            let errors = (estimate.cpu_ns - truth) / estimate.variance.sqrt();
            squares += errors * errors;
            held += u32::from(errors.abs() < 1.96);
        }
        assert!((900..=990).contains(&held), "{held}");
        let size = (squares / 1_000.0_f64).sqrt();
        assert!((0.8..=1.25).contains(&size), "{size}");
    }

    #[test]
    fn stays_none_of_which_was_looked_at_are_as_those_before() {
        let (mut sums, mut known) = (Sums::default(), Known::default());
        sums.opened(1);
        for stay in [1e6, 3e6] {
            sums.used(whole(1, stay));
        }
        sums.estimate(0, [0, 0], &mut known);
        let estimate = Sums::default().estimate(0, [0, 5], &mut known);
        assert!((estimate.cpu_ns - 10e6).abs() < 1.0, "{estimate:?}");
        assert!(estimate.variance.sqrt() > 4e6, "{estimate:?}");
    }
}
