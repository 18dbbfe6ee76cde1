//! Runs whose samples are right, by the ten thousand, and runs whose clock errs.

use super::*;

/// How samples are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Clock {
    /// Each alone, all of one weight.
    Even,
    /// Two threads that always run together are sampled together.
    Pairs,
    /// A sample stands for one period or for half of one.
    Uneven,
    /// Of a timer that expires at the kernel's tick: few that stand for much.
    Ticks,
}

const CLOCKS: [Clock; 4] = [Clock::Even, Clock::Pairs, Clock::Uneven, Clock::Ticks];

/// What a run is made of.
struct Plan {
    hertz: f64,
    routes: usize,
    /// CPU seconds of the process.
    seconds: f64,
    /// One request in so many is measured, and the first five of each route.
    one_in: usize,
    clock: Clock,
    /// How uneven the requests of a route are: the sigma of a log-normal.
    sigma: f64,
    /// Share of the CPU time that is in no request.
    outside: f64,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// Even over the decades.
    fn decades(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + (high.ln() - low.ln()) * self.uniform()).exp()
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut count, mut product, floor) = (0.0, self.uniform(), (-mean).exp());
        while product > floor {
            count += 1.0;
            product *= self.uniform();
        }
        count
    }

    fn plan(&mut self) -> Plan {
        Plan {
            hertz: [99.0, 999.0][self.below(2)],
            routes: self.decades(2.0, 501.0) as usize,
            seconds: self.decades(0.3, 3_000.0),
            one_in: [1, 1, 3, 10, 100][self.below(5)],
            clock: CLOCKS[self.below(CLOCKS.len())],
            sigma: [0.0, 0.3, 1.0, 1.5][self.below(4)],
            outside: self.uniform() * 0.5,
        }
    }

    /// The samples that fall into so much CPU time: their number, and what they
    /// stand for in milliseconds.
    fn samples(&mut self, ms: f64, plan: &Plan) -> (u64, f64) {
        let period = 1_000.0 / plan.hertz;
        let (number, weight) = match plan.clock {
            Clock::Even => (self.poisson(ms / period), period),
            Clock::Pairs => (2.0 * self.poisson(ms / period / 2.0), period),
            Clock::Uneven => {
                let whole = self.poisson(ms / period / 2.0);
                let half = self.poisson(ms / period);
                let number = whole + half;
                (number, period * (whole + half / 2.0) / number.max(1.0))
            }
            Clock::Ticks => {
                let tick = period.max(4.0);
                (self.poisson(ms / tick), tick)
            }
        };
        (number as u64, number * weight)
    }

    /// A run whose samples are right.
    fn healthy(&mut self, plan: &Plan) -> Vec<SpanTotal> {
        let shares: Vec<f64> = (0..plan.routes).map(|_| self.decades(1.0, 100.0)).collect();
        let of_requests = plan.seconds * 1_000.0 * (1.0 - plan.outside);
        let all: f64 = shares.iter().sum();
        let outside = plan.seconds * 1_000.0 * plan.outside;
        let mut process_ms = outside;
        let mut rows = Vec::new();
        let most = (3_000 / plan.routes).max(20);
        for (number, share) in shares.iter().enumerate() {
            let budget = of_requests * share / all;
            // So long that there are not too many of them to draw here.
            let each_ms = self.decades(0.1, 2_000.0).max(budget / most as f64);
            let count = (budget / each_ms).round().max(1.0) as usize;
            let costs: Vec<f64> = (0..count)
                .map(|_| {
                    each_ms * (plan.sigma * self.normal() - plan.sigma * plan.sigma / 2.0).exp()
                })
                .collect();
            let truth: f64 = costs.iter().sum();
            process_ms += truth;
            let measured: Vec<f64> = (0..)
                .zip(&costs)
                .filter(|(index, _)| *index < 5 || self.below(plan.one_in) == 0)
                .map(|(_, cost)| *cost)
                .collect();
            let (n, of) = (measured.len() as f64, count as f64);
            let mean = measured.iter().sum::<f64>() / n;
            let squares: f64 = measured.iter().map(|cost| (cost - mean).powi(2)).sum();
            let variance = squares / (n - 1.0).max(1.0);
            let (samples, sampled_ms) = self.samples(truth, plan);
            rows.push(SpanTotal {
                name: format!("GET /{number}"),
                kind: "request".to_owned(),
                count: count as u64,
                cpu_ms: Some(of * mean),
                cpu_measured: measured.len() as u64,
                cpu_se_ms: Some((of * (of - n) * variance / n).sqrt()),
                cpu_samples: samples,
                cpu_sampled_ms: Some(sampled_ms),
                ..SpanTotal::default()
            });
        }
        // A request that both ends of the run cut: sampled, and not measured.
        for _ in 0..2 {
            let row = self.below(rows.len());
            let cut = rows[row].cpu_ms.unwrap_or(0.0) / rows[row].count as f64 * self.uniform();
            process_ms += cut;
            let (samples, sampled_ms) = self.samples(cut, plan);
            rows[row].cpu_samples += samples;
            *rows[row].cpu_sampled_ms.get_or_insert(0.0) += sampled_ms;
        }
        let of_rows: f64 = rows.iter().filter_map(|row| row.cpu_ms).sum();
        let (samples, sampled_ms) = self.samples(outside, plan);
        rows.push(SpanTotal {
            name: "<no request>".to_owned(),
            kind: "none".to_owned(),
            cpu_ms: Some((process_ms - of_rows).max(0.0)),
            cpu_samples: samples,
            cpu_sampled_ms: Some(sampled_ms),
            ..SpanTotal::default()
        });
        rows
    }
}

#[test]
fn runs_whose_samples_are_right_are_not_suspected() {
    const RUNS: usize = 20_000;
    let mut random = Random(11);
    let (mut compared, mut suspected) = ([0_u32; CLOCKS.len()], [0_u32; CLOCKS.len()]);
    for run in 0..RUNS {
        let plan = Plan {
            clock: CLOCKS[run % CLOCKS.len()],
            ..random.plan()
        };
        let found = agreement(&random.healthy(&plan));
        let place = run % CLOCKS.len();
        compared[place] += u32::from(found.is_some());
        suspected[place] += u32::from(found.is_some_and(|found| found.beyond_chance));
    }
    for (suspected, compared) in suspected.iter().zip(compared) {
        assert!(compared > 3_000, "{compared} of {}", RUNS / CLOCKS.len());
        // Half of what is allowed: the count itself is uncertain by a few.
        assert!(suspected * 200 <= compared, "{suspected} of {compared}");
    }
}

/// The four routes of a service under scheduled load: what is spent in them, and
/// what a clock that expires at the kernel's tick says.
fn locked(samples: u64, shares: [f64; 4], said: [f64; 4]) -> Vec<SpanTotal> {
    let period = 1_000.0 / 99.0;
    let all_ms = samples as f64 * period;
    let each = [0.12, 0.3, 0.9, 6.0];
    (0..4)
        .map(|route| {
            let cpu_ms = all_ms * shares[route];
            let samples = (samples as f64 * said[route]).round();
            let count = (cpu_ms / each[route]).ceil() as u64;
            SpanTotal {
                name: format!("GET /{route}"),
                kind: "request".to_owned(),
                count,
                cpu_ms: Some(cpu_ms),
                cpu_measured: count,
                cpu_se_ms: Some(0.0),
                cpu_samples: samples as u64,
                cpu_sampled_ms: Some(samples * period),
                ..SpanTotal::default()
            }
        })
        .collect()
}

#[test]
fn a_clock_in_step_with_the_load_is_always_found_out() {
    let truth = [0.07, 0.16, 0.44, 0.33];
    for said in [[0.0, 0.0, 0.0, 1.0], [0.03, 0.07, 0.14, 0.76]] {
        for samples in [100, 101, 150, 300, 1_000, 30_000, 25_000_000] {
            let found = agreement(&locked(samples, truth, said)).expect("four routes");
            assert!(found.beyond_chance, "{samples} {said:?}: {found:?}");
            assert_eq!(found.route, "GET /3");
            assert!((found.sampled_share - said[3] * 100.0).abs() < 1.0);
            let warning = found.warning().expect("beyond chance");
            assert!(
                warning.contains("GET /3") && warning.contains("33 %"),
                "{warning}"
            );
            assert!(
                found.in_words().contains("disagree by"),
                "{}",
                found.in_words()
            );
        }
        // What chance explains is not held against it.
        let few = agreement(&locked(20, truth, said)).expect("four routes");
        assert!(!few.beyond_chance, "{few:?}");
    }
    // A quarter of a million samples that err by a point are right enough.
    let near = [0.075, 0.165, 0.44, 0.32];
    let found = agreement(&locked(250_000, truth, near)).expect("four routes");
    assert!(found.largest_difference > found.within && !found.beyond_chance);
    assert!(
        found.in_words().contains("agree within 1 points"),
        "{}",
        found.in_words()
    );
}

#[test]
fn rare_routes_are_compared_by_what_a_request_costs() {
    // 500 routes, of each of which a sample or two is expected: the short
    // requests' time is paid to the long ones.
    let rows: Vec<SpanTotal> = (0..500)
        .map(|route| {
            let long = route % 2 == 1;
            SpanTotal {
                name: format!("GET /{route}"),
                kind: "request".to_owned(),
                count: 10,
                cpu_ms: Some(if long { 21.0 } else { 19.0 }),
                cpu_measured: 10,
                cpu_se_ms: Some(0.0),
                cpu_samples: if long { 4 } else { 0 },
                cpu_sampled_ms: Some(if long { 40.0 } else { 0.0 }),
                ..SpanTotal::default()
            }
        })
        .collect();
    let found = agreement(&rows).expect("enough together");
    assert!(found.beyond_chance, "{found:?}");
    assert!(found.route.contains("rare routes"), "{found:?}");
}

#[test]
fn what_was_not_measured_is_not_compared() {
    let rows = locked(1_000, [0.07, 0.16, 0.44, 0.33], [0.0, 0.0, 0.0, 1.0]);
    let with = |change: fn(&mut SpanTotal)| {
        let mut rows = rows.clone();
        rows.iter_mut().for_each(change);
        agreement(&rows)
    };
    assert!(with(|_| {}).is_some());
    assert_eq!(
        with(|row| row.cpu_se_ms = None),
        None,
        "as of a run of before"
    );
    assert_eq!(with(|row| row.cpu_sampled_ms = None), None);
    assert_eq!(with(|row| row.cpu_measured = 0), None);
    assert_eq!(with(|row| row.kind = "span".to_owned()), None);
    assert_eq!(with(|row| row.cpu_ms = Some(0.0)), None);
    assert_eq!(agreement(&rows[..1]), None, "one route has all of it");
    assert_eq!(agreement(&[]), None);
    // Whatever a file says, what comes out is a number.
    for odd in [f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, 5e-324] {
        for row in 0..rows.len() {
            let mut rows = rows.clone();
            rows[row].cpu_ms = Some(odd);
            rows[row].cpu_se_ms = Some(odd);
            rows[row].cpu_sampled_ms = Some(odd);
            rows[row].cpu_samples = u64::MAX;
            if let Some(found) = agreement(&rows) {
                let known = [found.largest_difference, found.within, found.sampled_share];
                assert!(
                    known.iter().all(|value| value.is_finite()),
                    "{odd}: {found:?}"
                );
            }
        }
    }
}
