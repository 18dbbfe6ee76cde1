//! Samples say where CPU time was spent, measurement says how much it was:
//! weights are rescaled until both agree (post-stratification: Cochran, *Sampling
//! Techniques*, 3rd edition (1977), 5A.9).
//!
//! The strata of a window are its routes and what is outside of any. Those with
//! few samples are one stratum together, as a mean of few says little: what they
//! have in common is right then, and inside of it samples decide. What was
//! measured of routes without any sample is among these, too. Phases are apart
//! from each other, so that the profile of one has the CPU time of one.
//!
//! All weights of a window add up to the CPU time of the process, without the
//! agent's threads, to the nanosecond.

use std::collections::HashMap;

use super::piece::{Piece, Route, Used, nanos, route_named};
use crate::spans::labels::{Labels, route_of};

/// Samples of a stratum that stands for itself.
const MIN_SAMPLES: u64 = 5;

/// Samples of a stack.
#[derive(Debug, Clone)]
struct Point {
    route: Route,
    count: u64,
    /// What they stand for, in nanoseconds.
    ns: u64,
}

/// What was sampled in a phase, and used meanwhile.
#[derive(Debug, Clone)]
struct Part<'a> {
    phase: &'a str,
    points: Vec<Point>,
    used: Option<&'a Used>,
}

/// What the samples of several pieces stand for, in nanoseconds, in the order of
/// pieces and samples. `left` is what was used before, in windows without a
/// sample.
pub(crate) fn weights(pieces: &[Piece], left: Option<&Used>, names: &Labels) -> Vec<i64> {
    let mut routes: HashMap<u32, Route> = HashMap::new();
    let parts: Vec<Part<'_>> = pieces
        .iter()
        .map(|piece| Part {
            phase: &piece.phase,
            points: piece
                .window
                .samples
                .iter()
                .map(|sample| {
                    let number = route_of(sample.label);
                    let route = routes.entry(number);
                    let route = route.or_insert_with(|| route_named(names, number));
                    Point {
                        route: route.clone(),
                        count: sample.count,
                        ns: nanos(sample.weight),
                    }
                })
                .collect(),
            used: piece.used.as_ref(),
        })
        .collect();
    rescaled(&parts, left)
}

fn rescaled(parts: &[Part<'_>], left: Option<&Used>) -> Vec<i64> {
    let mut weights = Vec::new();
    let mut left = left;
    for group in groups(parts) {
        let mut used: Option<Used> = None;
        for more in group.iter().filter_map(|part| part.used).chain(left.take()) {
            used.get_or_insert_default().add(more);
        }
        let points: Vec<&Point> = group.iter().flat_map(|part| &part.points).collect();
        weights.extend(one_phase(&points, used.as_ref()));
    }
    weights
}

/// Parts of one phase that follow each other, with those beside them that have
/// no sample.
fn groups<'p, 'a>(parts: &'p [Part<'a>]) -> Vec<&'p [Part<'a>]> {
    let mut groups = Vec::new();
    let mut begin = 0;
    // The phase of the group, once it has a sample.
    let mut phase: Option<&str> = None;
    for (place, part) in parts.iter().enumerate() {
        if part.points.is_empty() {
            continue;
        }
        if phase.is_some_and(|phase| phase != part.phase) {
            groups.push(&parts[begin..place]);
            begin = place;
        }
        phase = Some(part.phase);
    }
    groups.push(&parts[begin..]);
    groups
}

/// A stratum's samples and CPU time.
#[derive(Debug, Default)]
struct Stratum {
    samples: u64,
    sampled_ns: f64,
    used_ns: f64,
}

impl Stratum {
    fn take_in(&mut self, other: Self) {
        self.samples += other.samples;
        self.sampled_ns += other.sampled_ns;
        self.used_ns += other.used_ns;
    }

    fn stands_alone(&self) -> bool {
        self.samples >= MIN_SAMPLES && self.sampled_ns > 0.0
    }

    fn scale(&self) -> f64 {
        if self.sampled_ns > 0.0 {
            self.used_ns / self.sampled_ns
        } else {
            0.0
        }
    }
}

fn one_phase(points: &[&Point], used: Option<&Used>) -> Vec<i64> {
    let sampled_ns: f64 = points.iter().map(|point| point.ns as f64).sum();
    let Some(used) = used.filter(|used| used.all_ns > 0 && sampled_ns > 0.0) else {
        let raw = |point: &&Point| i64::try_from(point.ns).unwrap_or(i64::MAX);
        return points.iter().map(raw).collect();
    };
    let scales = Scales::of(points, used);
    // Each rounded so that all so far are right.
    let all = i64::try_from(used.all_ns).unwrap_or(i64::MAX);
    let (mut sum, mut given) = (0.0, 0_i64);
    let rounded = points.iter().map(|point| {
        sum += point.ns as f64 * scales.of_route(&point.route);
        let weight = ((sum.round() as i64).min(all) - given).max(0);
        given += weight;
        weight
    });
    let mut weights: Vec<i64> = rounded.collect();
    // Floating point leaves a few nanoseconds.
    if let Some(largest) = weights.iter_mut().max() {
        *largest += all - given;
    }
    weights
}

/// By what samples are multiplied.
#[derive(Debug)]
struct Scales {
    by_route: HashMap<Route, f64>,
    /// Of all other routes.
    pooled: f64,
}

impl Scales {
    fn of(points: &[&Point], used: &Used) -> Self {
        let mut strata: HashMap<Route, Stratum> = HashMap::new();
        for (route, used_ns) in used.divided() {
            strata.entry(route).or_default().used_ns = used_ns;
        }
        for point in points {
            let stratum = strata.entry(point.route.clone()).or_default();
            stratum.samples += point.count;
            stratum.sampled_ns += point.ns as f64;
        }
        let mut pool = Stratum::default();
        let mut alone: Vec<(Route, Stratum)> = Vec::new();
        for (route, stratum) in strata {
            if stratum.stands_alone() {
                alone.push((route, stratum));
            } else {
                pool.take_in(stratum);
            }
        }
        // The fewest last: the first that the pool takes in.
        alone.sort_by(|(a_name, a), (b_name, b)| (b.samples, b_name).cmp(&(a.samples, a_name)));
        while (pool.samples > 0 || pool.used_ns > 0.0) && !pool.stands_alone() {
            let Some((_, stratum)) = alone.pop() else {
                break;
            };
            pool.take_in(stratum);
        }
        Self {
            by_route: alone
                .into_iter()
                .map(|(route, stratum)| (route, stratum.scale()))
                .collect(),
            pooled: pool.scale(),
        }
    }

    fn of_route(&self, route: &Route) -> f64 {
        self.by_route.get(route).copied().unwrap_or(self.pooled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn route(name: &str) -> Route {
        (!name.is_empty()).then(|| name.into())
    }

    fn points(of: &[(&str, u64, u64)]) -> Vec<Point> {
        let point = |(name, count, ms): &(&str, u64, u64)| Point {
            route: route(name),
            count: *count,
            ns: ms * MS,
        };
        of.iter().map(point).collect()
    }

    fn used(all_ms: u64, of: &[(&str, f64)]) -> Used {
        let by_route = |(name, ms): &(&str, f64)| ((*name).into(), ms * MS as f64);
        Used {
            by_route: of.iter().map(by_route).collect(),
            all_ns: all_ms * MS,
        }
    }

    fn part<'a>(phase: &'a str, of: &[(&str, u64, u64)], used: &'a Used) -> Part<'a> {
        Part {
            phase,
            points: points(of),
            used: Some(used),
        }
    }

    fn ms(weights: &[i64]) -> Vec<f64> {
        weights.iter().map(|ns| *ns as f64 / MS as f64).collect()
    }

    #[test]
    fn each_route_has_what_was_measured_and_the_rest_is_in_none() {
        let used = used(1_000, &[("a", 300.0), ("b", 600.0)]);
        // As a clock on the kernel's tick sees arrivals on a grid.
        let sampled = [("a", 20, 200), ("b", 5, 50), ("", 10, 100), ("a", 40, 400)];
        let weights = rescaled(&[part("", &sampled, &used)], None);
        assert_eq!(ms(&weights), [100.0, 600.0, 100.0, 200.0]);
    }

    #[test]
    fn strata_of_few_samples_are_one_and_lose_nothing() {
        // `c` has no sample at all, `b` and `d` have some.
        let used = used(
            1_000,
            &[("a", 500.0), ("b", 30.0), ("c", 50.0), ("d", 20.0)],
        );
        let sampled = [("a", 50, 500), ("b", 1, 10), ("d", 4, 40), ("", 40, 400)];
        let weights = rescaled(&[part("", &sampled, &used)], None);
        assert_eq!(ms(&weights), [500.0, 20.0, 80.0, 400.0]);
        // A pool without samples goes to the stratum that has the fewest.
        let sampled = [("a", 50, 500), ("", 40, 400)];
        let weights = rescaled(&[part("", &sampled, &used)], None);
        assert_eq!(ms(&weights), [500.0, 500.0]);
        // There is nothing but a few samples.
        let weights = rescaled(&[part("", &[("b", 2, 20)], &used)], None);
        assert_eq!(ms(&weights), [1_000.0]);
    }

    #[test]
    fn phases_are_apart_and_what_has_no_sample_is_beside() {
        let (first, second) = (used(100, &[("a", 100.0)]), used(300, &[("a", 200.0)]));
        let idle = used(7, &[]);
        let ten = [("a", 10, 50)];
        let parts = [
            part("quiet", &[], &idle),
            part("warm", &ten, &first),
            part("pause", &[], &idle),
            part("steady", &[("a", 10, 50), ("", 5, 50)], &second),
        ];
        let weights = rescaled(&parts, Some(&idle));
        // 100 and the idle 7 of before, beside, and left: 121; then 200 and 100.
        assert_eq!(ms(&weights), [121.0, 200.0, 100.0]);
    }

    #[test]
    fn more_measured_than_used_is_scaled_down() {
        let used = used(100, &[("a", 90.0), ("b", 30.0)]);
        let sampled = [("a", 10, 100), ("b", 10, 100), ("", 5, 10)];
        let weights = rescaled(&[part("", &sampled, &used)], None);
        assert_eq!(ms(&weights), [75.0, 25.0, 0.0]);
    }

    #[test]
    fn without_a_measure_of_the_process_weights_stay_as_they_came() {
        let parts = [Part {
            phase: "",
            points: points(&[("a", 3, 30), ("", 1, 10)]),
            used: None,
        }];
        assert_eq!(ms(&rescaled(&parts, None)), [30.0, 10.0]);
        assert!(rescaled(&[], None).is_empty());
    }

    /// Whatever was sampled and measured, nothing is lost and nothing made up.
    #[test]
    fn weights_add_up_to_the_nanosecond() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        for _ in 0..500 {
            let names: Vec<String> = (0..below(9)).map(|n| format!("r{n}")).collect();
            let by_route =
                |name: &String| (name.as_str().into(), below(3_000_000_000) as f64 / 3.0);
            let used = Used {
                by_route: names.iter().map(by_route).collect(),
                all_ns: below(10_000_000_000) + 1,
            };
            let points: Vec<Point> = (0..below(60) + 1)
                .map(|_| Point {
                    route: match below(names.len() as u64 + 2) as usize {
                        at if at < names.len() => Some(names[at].as_str().into()),
                        at if at == names.len() => None,
                        _ => Some("never measured".into()),
                    },
                    count: below(30) + 1,
                    ns: below(500_000_000) + 1,
                })
                .collect();
            let part = Part {
                phase: "",
                points,
                used: Some(&used),
            };
            let weights = rescaled(&[part], None);
            assert!(weights.iter().all(|weight| *weight >= 0), "{weights:?}");
            let sum: i64 = weights.iter().sum();
            assert_eq!(sum as u64, used.all_ns, "{used:?}");
        }
    }
}
