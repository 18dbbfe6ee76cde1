//! What the client saw: latencies from the intended start, statuses, failures.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest latency that is resolved, in microseconds; anything longer counts as this.
const MAX_US: u64 = 120_000_000;

/// The usual percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half were faster.
    pub p50_ms: f64,
    /// One in twenty was slower.
    pub p95_ms: f64,
    /// One in a hundred was slower.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Percentiles {
    /// Reads them from a histogram of microseconds.
    pub fn of(latencies_us: &Histogram<u64>) -> Self {
        let ms = |quantile| latencies_us.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50_ms: ms(0.5),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            max_ms: latencies_us.max() as f64 / 1e3,
        }
    }
}

/// Counts and latencies of one phase, or of a whole run.
#[derive(Debug)]
pub struct Tally {
    latencies_us: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    failures: BTreeMap<String, u64>,
    bytes: u64,
    unserved: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let latencies_us =
            Histogram::new_with_bounds(1, MAX_US, 3).expect("fixed bounds are valid");
        Self {
            latencies_us,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            bytes: 0,
            unserved: 0,
        }
    }
}

impl Tally {
    /// Counts an answered request.
    pub(super) fn answered(&mut self, status: u16, latency: Duration, bytes: u64) {
        self.latencies_us
            .saturating_record(latency.as_micros() as u64);
        *self.statuses.entry(status).or_default() += 1;
        self.bytes += bytes;
    }

    /// Counts a request that got no answer; its wait is a latency too.
    pub(super) fn failed(&mut self, why: &str, waited: Duration) {
        self.latencies_us
            .saturating_record(waited.as_micros() as u64);
        *self.failures.entry(why.to_owned()).or_default() += 1;
    }

    /// Counts requests that were due and came to nothing: the queue was full, or the load ended before their answer.
    pub(super) fn unserved(&mut self, count: u64) {
        self.unserved += count;
    }

    /// Adds what another tally counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.latencies_us
            .add(&other.latencies_us)
            .expect("all tallies have the same bounds");
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (why, count) in &other.failures {
            *self.failures.entry(why.clone()).or_default() += count;
        }
        self.bytes += other.bytes;
        self.unserved += other.unserved;
    }

    /// Requests sent, answered or not.
    pub fn requests(&self) -> u64 {
        self.latencies_us.len()
    }

    /// Requests that failed: no answer, a status of 500 or more, or never served. A 404 is an answer.
    pub fn errors(&self) -> u64 {
        self.statuses
            .range(500..)
            .map(|(_, count)| count)
            .sum::<u64>()
            + self.failures.values().sum::<u64>()
            + self.unserved
    }

    /// How many answers had each status.
    pub fn statuses(&self) -> &BTreeMap<u16, u64> {
        &self.statuses
    }

    /// Latencies, from the intended start.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles::of(&self.latencies_us)
    }

    /// The result file: oha's JSON, in seconds, for a run that took `length`.
    pub fn to_json(&self, length: Duration) -> Value {
        let seconds = length.as_secs_f64();
        let at = |quantile| self.latencies_us.value_at_quantile(quantile) as f64 / 1e6;
        let requests = self.requests();
        let per = |total: f64, count: f64| if count > 0.0 { total / count } else { 0.0 };
        json!({
            "summary": {
                "successRate": 1.0 - per(self.errors() as f64, (requests + self.unserved) as f64),
                "total": seconds,
                "slowest": self.latencies_us.max() as f64 / 1e6,
                "fastest": self.latencies_us.min() as f64 / 1e6,
                "average": self.latencies_us.mean() / 1e6,
                "requestsPerSec": per(requests as f64, seconds),
                "totalData": self.bytes,
                "sizePerRequest": per(self.bytes as f64, requests as f64) as u64,
                "sizePerSec": per(self.bytes as f64, seconds),
            },
            "latencyPercentiles": {
                "p10": at(0.1), "p25": at(0.25), "p50": at(0.5), "p75": at(0.75), "p90": at(0.9),
                "p95": at(0.95), "p99": at(0.99), "p99.9": at(0.999), "p99.99": at(0.9999),
            },
            "statusCodeDistribution": self.statuses,
            "errorDistribution": self.failures,
            "unserved": self.unserved,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_404_is_an_answer_and_a_500_an_error() {
        let mut tally = Tally::default();
        for status in [200, 404, 500, 503] {
            tally.answered(status, Duration::from_millis(2), 100);
        }
        tally.failed("timed out", Duration::from_secs(10));
        tally.unserved(1);
        assert_eq!((tally.requests(), tally.errors()), (5, 4));
        let json = tally.to_json(Duration::from_secs(5));
        assert_eq!(json["statusCodeDistribution"]["404"], 1);
        assert_eq!(json["errorDistribution"]["timed out"], 1);
        assert!((json["summary"]["requestsPerSec"].as_f64().unwrap() - 1.0).abs() < 1e-9);
        assert!((json["latencyPercentiles"]["p50"].as_f64().unwrap() - 0.002).abs() < 1e-5);
    }

    #[test]
    fn an_empty_run_divides_by_nothing() {
        let json = Tally::default().to_json(Duration::ZERO);
        assert_eq!(json["summary"]["requestsPerSec"], 0.0);
    }
}
