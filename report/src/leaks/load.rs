//! What of a series' growth its load explains.
//!
//! A service under twice the load holds twice the buffers. Where the load
//! itself grew, growth that follows it is no leak; what a leak leaves behind
//! then is growth in step with *all requests so far*, which goes on where the
//! load stands still. So the series is regressed on the load and on its sum.

use super::blocks::{Blocks, means};
use super::noise::{self, Posterior};
use super::window::Point;
use crate::columns::{CONNECTIONS, REQUESTS_IN_FLIGHT, REQUESTS_PER_S};
use crate::timeline::Timeline;

/// Names of request rates, as scripts and load generators write them.
pub(super) const REQUESTS: [&str; 12] = [
    REQUESTS_PER_S.name,
    "rps",
    "qps",
    "tps",
    "req_per_s",
    "req_per_sec",
    "reqs_per_s",
    "requests_per_sec",
    "requests_per_second",
    "http_reqs_per_s",
    "throughput",
    "req/s",
];
/// What stands for them where none is there.
const IN_FLIGHT: &str = REQUESTS_IN_FLIGHT.name;

/// What stands for the load where requests are not known. It may leak itself,
/// and then explains nothing.
const ELSE: &str = CONNECTIONS.name;

/// By this part of its mean a load must have changed to explain growth.
const GROWN: f64 = 0.1;

/// A load explains growth if it does so nearly as well as time does.
const NEARLY: f64 = 0.75;

/// Requests take the place of time where they are so much likelier, as a
/// difference of log likelihoods.
const CLOSER: f64 = 1.0;

/// The load that goes with a series.
pub(super) struct Load {
    pub name: &'static str,
    /// By which part of its mean it grew.
    pub grown: f64,
    /// Its mean in each block.
    column: Vec<f64>,
}

/// What the load says about the growth of a series.
pub(super) enum Explained {
    /// Nothing. Its swings, if any, are columns to be taken out; and the series
    /// is put on an axis from 0 to 1, which is that of all requests so far if
    /// it goes with them more closely than with time.
    No(Vec<Vec<f64>>, Vec<f64>),
    /// The load explains it; this much goes with the sum of the load.
    By(Load, Option<Posterior>),
}

pub(super) fn explain(timeline: &Timeline, name: &str, blocks: &Blocks) -> Explained {
    let mut best: Option<(f64, Load)> = None;
    let time = line(blocks.len());
    let by_time = share_explained(blocks, &time);
    let plain = [vec![1.0; blocks.len()], time.clone()];
    let plain = noise::log_likelihood(&blocks.values, &plain);
    let requests = requests_column(timeline);
    for load in requests
        .into_iter()
        .chain([IN_FLIGHT])
        .chain(requests.is_none().then_some(ELSE))
        .filter_map(|load| load_of(timeline, load, blocks))
    {
        if load.name == name {
            continue;
        }
        let smooth = smoothed(&load.column);
        let (by_load, rising) = (share_explained(blocks, &smooth), slope_on(blocks, &smooth));
        if load.grown >= GROWN && rising > 0.0 && by_load >= NEARLY * by_time {
            let rest = accumulated(&load.column);
            let columns = [vec![1.0; blocks.len()], rest, smooth];
            let growth = noise::posterior(&blocks.values, &columns, 1);
            return Explained::By(load, growth);
        }
        let both = [vec![1.0; blocks.len()], time.clone(), load.column.clone()];
        let gain = 2.0 * (noise::log_likelihood(&blocks.values, &both) - plain);
        if best.as_ref().is_none_or(|(most, _)| gain > *most) {
            best = Some((gain, load));
        }
    }
    let requests = requests
        .and_then(|requests| load_of(timeline, requests, blocks))
        .filter(|load| load.name != name)
        .map(|load| accumulated(&load.column))
        .filter(|requests| {
            let columns = [vec![1.0; blocks.len()], requests.clone()];
            noise::log_likelihood(&blocks.values, &columns) > plain + CLOSER
        });
    let price = (blocks.known().count() as f64).ln() + 2.0;
    Explained::No(
        best.filter(|(gain, _)| *gain > price)
            .map(|(_, load)| load.column)
            .into_iter()
            .collect(),
        requests.unwrap_or(time),
    )
}

/// Requests per hour over these blocks, where the timeline has them.
pub(super) fn requests_per_hour(timeline: &Timeline, blocks: &Blocks) -> Option<f64> {
    let load = load_of(timeline, requests_column(timeline)?, blocks)?;
    let mean = load.column.iter().sum::<f64>() / load.column.len() as f64;
    (mean > 0.0).then_some(mean * 3600.0)
}

/// The column of the request rate.
fn requests_column(timeline: &Timeline) -> Option<&'static str> {
    let mut names = REQUESTS.into_iter();
    names.find(|name| timeline.has_readings(name))
}

fn load_of(timeline: &Timeline, name: &'static str, blocks: &Blocks) -> Option<Load> {
    let values = timeline.readings(name)?;
    let points: Vec<Point> = timeline
        .elapsed_hours()
        .iter()
        .zip(values)
        .filter(|(_, value)| value.is_finite())
        .map(|(hour, value)| (*hour, value))
        .collect();
    let column = means(&points, blocks);
    let count = column.len() as f64;
    let mean = column.iter().sum::<f64>() / count;
    let varies = column
        .iter()
        .any(|value| (value - mean).abs() > 1e-6 * mean.abs());
    if mean.is_nan() || mean <= 0.0 || !varies {
        return None;
    }
    let part = (column.len() / 5).max(1);
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let grown = (average(&column[column.len() - part..]) - average(&column[..part])) / mean;
    Some(Load {
        name,
        grown,
        column,
    })
}

pub(super) fn line(count: usize) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|block| block as f64 / last).collect()
}

/// The sum of a load up to each block, from 0 to 1.
fn accumulated(load: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = load
        .iter()
        .map(|value| {
            let before = sum;
            // Time does not run backwards, nor do requests.
            sum += value.max(0.0);
            before
        })
        .collect();
    let last = sums
        .last()
        .copied()
        .filter(|last| *last > 0.0)
        .unwrap_or(1.0);
    sums.iter().map(|part| part / last).collect()
}

/// The load without its noise, which would make it explain less than it does
/// (attenuation by errors in variables): a cubic with a bend, by least squares.
fn smoothed(load: &[f64]) -> Vec<f64> {
    let x = line(load.len());
    let curve = |bend: f64| -> Vec<Vec<f64>> {
        vec![
            vec![1.0; x.len()],
            x.clone(),
            x.iter().map(|x| x * x).collect(),
            x.iter().map(|x| x * x * x).collect(),
            x.iter().map(|x| (x - bend).max(0.0)).collect(),
        ]
    };
    (2..=18)
        .filter_map(|place| noise::least_squares(load, &curve(f64::from(place) / 20.0)))
        .min_by(|a, b| distance(a, load).total_cmp(&distance(b, load)))
        .unwrap_or_else(|| load.to_vec())
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The share of the floors' variance that a column explains.
fn share_explained(blocks: &Blocks, column: &[f64]) -> f64 {
    let [_, xx, xy, yy] = moments(blocks, column);
    if xx > 0.0 && yy > 0.0 {
        xy * xy / (xx * yy)
    } else {
        0.0
    }
}

fn slope_on(blocks: &Blocks, column: &[f64]) -> f64 {
    moments(blocks, column)[2]
}

fn moments(blocks: &Blocks, column: &[f64]) -> [f64; 4] {
    let pairs: Vec<(f64, f64)> = column
        .iter()
        .zip(&blocks.values)
        .filter(|(_, value)| value.is_finite())
        .map(|(x, y)| (*x, *y))
        .collect();
    let count = pairs.len().max(1) as f64;
    let x = pairs.iter().map(|p| p.0).sum::<f64>() / count;
    let y = pairs.iter().map(|p| p.1).sum::<f64>() / count;
    let sum = |product: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|p| product(p.0 - x, p.1 - y)).sum()
    };
    [
        count,
        sum(&|x, _| x * x),
        sum(&|x, y| x * y),
        sum(&|_, y| y * y),
    ]
}
