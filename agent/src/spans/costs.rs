//! What each name cost in CPU time in an interval, from what was measured and
//! what was sampled.
//!
//! Of a request it is what was measured. The rest of what the process used is
//! `<no request>`, so that both add up to all of it. Where inside of these it was
//! is what samples say: a span has its part of the samples of a route, of what
//! was measured of the route (post-stratification: Cochran, *Sampling
//! Techniques*, 3rd edition (1977), 5A.9).

use std::collections::{BTreeMap, HashMap};

use super::cpu::{ByRoute, Measured};
use super::labels::{Kind, Labels, route_of, span_of};
use super::sampled::Sampled;

/// A name's row.
pub(crate) type Key = (Kind, String);

/// The CPU time of a name. What is unknown is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) cpu_ms: Option<f64>,
    /// Its standard error.
    pub(crate) se_ms: Option<f64>,
    /// Measured requests that ended.
    pub(crate) measured: Option<u64>,
    pub(crate) samples: Option<u64>,
    /// What they stand for, as they came.
    pub(crate) sampled_ms: Option<f64>,
}

/// The CPU time of an interval.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    by_name: BTreeMap<Key, Cost>,
    pub(crate) no_request: Cost,
    sampled: bool,
    measured: bool,
}

/// A route, or what is outside of any: measured and sampled.
#[derive(Debug, Default)]
struct Stratum {
    measured: Measured,
    sampled: Sampled,
    spans: BTreeMap<String, Sampled>,
}

/// What the process used, less what was measured of requests: both together are
/// all that was used, also where a request's time comes in late.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// What was measured of requests above what was used.
    owed_ns: f64,
}

impl Rest {
    pub(crate) fn of(&mut self, used_ns: f64, requests_ns: f64) -> f64 {
        let rest = used_ns - requests_ns - self.owed_ns;
        self.owed_ns = (-rest).max(0.0);
        rest.max(0.0)
    }
}

impl Costs {
    /// `measured` by route, where it can be, and what the process used; `sampled`
    /// by word, where it is.
    pub(crate) fn of(
        names: &Labels,
        measured: Option<(&ByRoute, f64)>,
        sampled: Option<&HashMap<u64, Sampled>>,
        rest: &mut Rest,
    ) -> Self {
        let mut strata: BTreeMap<Option<String>, Stratum> = BTreeMap::new();
        strata.entry(None).or_default();
        let route = |number| {
            let name = names.name(number)?;
            (name.kind == Kind::Request).then(|| name.text.to_string())
        };
        for (number, more) in measured.into_iter().flat_map(|(measured, _)| measured) {
            if let Some(route) = route(*number) {
                strata.entry(Some(route)).or_default().measured.add(more);
            }
        }
        for (word, more) in sampled.into_iter().flatten() {
            let stratum = strata.entry(route(route_of(*word))).or_default();
            stratum.sampled.add(more);
            let span = names.name(span_of(*word));
            if let Some(span) = span.filter(|span| span.kind == Kind::Span) {
                let text = span.text.to_string();
                stratum.spans.entry(text).or_default().add(more);
            }
        }
        let mut costs = Self {
            sampled: sampled.is_some(),
            measured: measured.is_some(),
            ..Self::default()
        };
        if let Some((_, used_ns)) = measured {
            let requests = strata.iter().filter(|(route, _)| route.is_some());
            let mut all = Measured::default();
            requests.for_each(|(_, stratum)| all.add(&stratum.measured));
            if let Some(outside) = strata.get_mut(&None) {
                outside.measured = Measured {
                    cpu_ns: rest.of(used_ns, all.cpu_ns),
                    // Whatever requests have too much is too little here.
                    variance: all.variance,
                    requests: 0,
                };
            }
        }
        for (route, stratum) in strata {
            costs.add(route, &stratum);
        }
        costs
    }

    fn add(&mut self, route: Option<String>, stratum: &Stratum) {
        for (span, sampled) in &stratum.spans {
            let cost = self.inside(stratum, sampled);
            let key = (Kind::Span, span.clone());
            self.by_name.entry(key).or_default().add(&cost);
        }
        let mut cost = self.whole(stratum);
        match route {
            Some(route) => {
                self.by_name.insert((Kind::Request, route), cost);
            }
            None => {
                cost.measured = None;
                self.no_request = cost;
            }
        }
    }

    /// The cost of all of a stratum.
    fn whole(&self, stratum: &Stratum) -> Cost {
        let Stratum {
            measured, sampled, ..
        } = stratum;
        let (cpu_ns, variance) = if self.measured {
            (measured.cpu_ns, measured.variance)
        } else {
            (sampled.ns, sampled.squares)
        };
        let known = self.measured || self.sampled;
        Cost {
            cpu_ms: known.then_some(cpu_ns / 1e6),
            se_ms: known.then_some(variance.sqrt() / 1e6),
            measured: self.measured.then_some(measured.requests),
            samples: self.sampled.then_some(sampled.count),
            sampled_ms: self.sampled.then_some(sampled.ns / 1e6),
        }
    }

    /// The cost of a span inside: its share of the samples.
    fn inside(&self, stratum: &Stratum, sampled: &Sampled) -> Cost {
        let all = &stratum.sampled;
        let share = if all.ns > 0.0 {
            sampled.ns / all.ns
        } else {
            0.0
        };
        let (total, variance) = if self.measured {
            (stratum.measured.cpu_ns, stratum.measured.variance)
        } else {
            (all.ns, all.squares)
        };
        // Of few samples all may be here, or none, and it is not known how much
        // that says: one of each is added (Agresti and Coull, 1998).
        let likely = (sampled.count as f64 + 1.0) / (all.count as f64 + 2.0);
        let of_share = likely * (1.0 - likely) * all.squares / (all.ns * all.ns).max(1.0);
        let variance = total * total * of_share + share * share * variance;
        Cost {
            cpu_ms: Some(total * share / 1e6),
            se_ms: Some(variance.sqrt() / 1e6),
            measured: None,
            samples: Some(sampled.count),
            sampled_ms: Some(sampled.ns / 1e6),
        }
    }

    /// The cost of a name. Of one that nothing is said of it is 0 where it would
    /// have been seen: of a request where it is measured or sampled, of a span
    /// where it is sampled.
    pub(crate) fn under(&self, name: &Key) -> Cost {
        if let Some(cost) = self.by_name.get(name) {
            return *cost;
        }
        if name.0 == Kind::Request {
            return self.whole(&Stratum::default());
        }
        let none = self.sampled.then_some(0.0);
        Cost {
            cpu_ms: none,
            se_ms: none,
            measured: None,
            samples: self.sampled.then_some(0),
            sampled_ms: none,
        }
    }

    /// The names that used any CPU time, or of which a measured request ended.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Key> {
        self.by_name.keys()
    }
}

impl Cost {
    /// Whether there is anything to say.
    pub(crate) fn some(&self) -> bool {
        self.cpu_ms.is_some_and(|ms| ms > 0.0) || self.samples.is_some_and(|n| n > 0)
    }

    /// With another that is independent of it.
    pub(crate) fn add(&mut self, more: &Self) {
        fn plus(sum: Option<f64>, more: Option<f64>) -> Option<f64> {
            match (sum, more) {
                (Some(sum), Some(more)) => Some(sum + more),
                (known, None) | (None, known) => known,
            }
        }
        fn count(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
            match (sum, more) {
                (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
                (known, None) | (None, known) => known,
            }
        }
        let square = |se: Option<f64>| se.map(|se| se * se);
        self.cpu_ms = plus(self.cpu_ms, more.cpu_ms);
        self.se_ms = plus(square(self.se_ms), square(more.se_ms)).map(f64::sqrt);
        self.measured = count(self.measured, more.measured);
        self.samples = count(self.samples, more.samples);
        self.sampled_ms = plus(self.sampled_ms, more.sampled_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::labels::{Room, word};

    const MS: f64 = 1e6;

    fn samples(count: u64, ms: f64) -> Sampled {
        let ns = ms * MS;
        Sampled {
            count,
            ns,
            squares: ns * ns / count as f64,
        }
    }

    fn measured(ms: f64, se_ms: f64) -> Measured {
        Measured {
            cpu_ns: ms * MS,
            variance: (se_ms * MS).powi(2),
            requests: 7,
        }
    }

    fn near(got: Option<f64>, wanted: f64) {
        let got = got.expect("known");
        assert!((got - wanted).abs() < 1e-9, "{got}, not {wanted}");
    }

    #[test]
    fn requests_are_as_measured_and_samples_divide_what_is_inside() {
        let names = Labels::default();
        let [a, b] = ["GET /a", "GET /b"].map(|name| names.number(Room::Routed, name, || None));
        let query = names.number(Room::Span, "query", || None);
        let sampled = HashMap::from([
            (word(0, a, a), samples(60, 600.0)),
            (word(0, a, query), samples(20, 200.0)),
            (word(0, 0, query), samples(10, 100.0)),
            (0, samples(10, 100.0)),
        ]);
        let by_route = HashMap::from([(a, measured(400.0, 3.0)), (b, measured(50.0, 4.0))]);
        let mut rest = Rest::default();
        let costs = Costs::of(
            &names,
            Some((&by_route, 500.0 * MS)),
            Some(&sampled),
            &mut rest,
        );
        let under = |kind, name: &str| costs.under(&(kind, name.to_owned()));
        let a = under(Kind::Request, "GET /a");
        near(a.cpu_ms, 400.0);
        near(a.se_ms, 3.0);
        assert_eq!((a.measured, a.samples), (Some(7), Some(80)));
        near(a.sampled_ms, 800.0);
        // No sample fell there, and it used what it used.
        let b = under(Kind::Request, "GET /b");
        near(b.cpu_ms, 50.0);
        assert_eq!(b.samples, Some(0));
        // What is left, half of which is in a span of no request.
        near(costs.no_request.cpu_ms, 50.0);
        near(costs.no_request.se_ms, 5.0);
        let query = under(Kind::Span, "query");
        near(query.cpu_ms, 400.0 * 0.25 + 50.0 * 0.5);
        assert_eq!(query.samples, Some(30));
        // 80 samples, a quarter of them there: about 400 √(0.25 × 0.75 / 80).
        let se = query.se_ms.expect("known");
        assert!((19.0..24.0).contains(&se), "{se}");
        near(under(Kind::Span, "other").cpu_ms, 0.0);
        assert_eq!(costs.names().count(), 3);
    }

    #[test]
    fn what_comes_in_late_is_taken_from_the_next_rest() {
        let mut rest = Rest::default();
        let intervals = [(100.0, 30.0), (10.0, 60.0), (40.0, 0.0), (100.0, 10.0)];
        let rests = intervals.map(|(used, requests)| rest.of(used, requests));
        assert_eq!(rests, [70.0, 0.0, 0.0, 80.0]);
        let used: f64 = intervals.iter().map(|(used, _)| used).sum();
        let requests: f64 = intervals.iter().map(|(_, requests)| requests).sum();
        assert_eq!(rests.iter().sum::<f64>() + requests, used);
    }

    #[test]
    fn what_is_not_measured_or_not_sampled_is_unknown() {
        let names = Labels::default();
        let a = names.number(Room::Routed, "GET /a", || None);
        let sampled = HashMap::from([(word(0, a, a), samples(4, 40.0))]);
        let key = (Kind::Request, "GET /a".to_owned());
        let span = (Kind::Span, "query".to_owned());
        let mut rest = Rest::default();
        let costs = Costs::of(&names, None, Some(&sampled), &mut rest);
        let cost = costs.under(&key);
        near(cost.cpu_ms, 40.0);
        near(cost.se_ms, 20.0);
        assert_eq!(cost.measured, None);

        let by_route = HashMap::from([(a, measured(12.0, 0.0))]);
        let costs = Costs::of(&names, Some((&by_route, 12.0 * MS)), None, &mut rest);
        let cost = costs.under(&key);
        near(cost.cpu_ms, 12.0);
        assert_eq!((cost.samples, cost.sampled_ms), (None, None));
        assert_eq!(costs.under(&span), Cost::default());

        let costs = Costs::of(&names, None, None, &mut rest);
        assert_eq!(costs.under(&key), Cost::default());
    }
}
