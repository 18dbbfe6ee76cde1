//! A rise in the later half of the time, after which a run may not pass.
//!
//! What is level at the end may be a table that waits for its next doubling: a
//! table that takes in as much in every hour doubles at a time, at twice that
//! time, at four times. So the last rise must be followed by as much level time
//! as there was before it; then the next of that law would have been seen. What
//! rises smoothly to the end has not settled either. One law for tables, for
//! caches and for warm-ups: who wants to pass has been level for half of the
//! time.

use super::blocks::Blocks;
use super::noise;
use super::shape::Form;

/// What is looked at: from this part of the time on.
const FROM: f64 = 0.33;

/// A rise before this part of the time was followed by its double.
pub(super) const HALF: f64 = 0.42;

/// By how much a rise must be likelier than a level, beyond its price: as twice
/// a difference of log likelihoods.
const LIKELIER: f64 = 0.0;

/// Rises of this part of what matters are rises.
const PART: f64 = 0.5;

/// Fewer floors say nothing.
const MIN_FLOORS: usize = 6;

/// Places, as parts of what is looked at, at which a rise may have ended.
const ENDS: [f64; 8] = [0.15, 0.25, 0.35, 0.45, 0.55, 0.7, 0.85, 1.0];

/// Places at which a rise to the end may have begun.
const BEGINNINGS: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

/// A rise in the later half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LateRise {
    pub course: Course,
    /// By how much.
    pub rise: f64,
}

impl LateRise {
    /// Growth over the whole time at the rate of this rise.
    pub(super) fn rise_per_time(&self) -> f64 {
        self.rise / (self.course.end() - FROM).max(f64::MIN_POSITIVE)
    }
}

/// How a series rose, with the part of the time at which it did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Course {
    /// At once.
    AtOnce(f64),
    /// All the time until then.
    Until(f64),
}

impl Course {
    fn end(self) -> f64 {
        let (Course::AtOnce(at) | Course::Until(at)) = self;
        at
    }
}

/// The rise in the later half that is more than noise and goes above all that
/// was before.
pub(super) fn late_rise(blocks: &Blocks, material: f64) -> Option<LateRise> {
    let count = blocks.len();
    let first = (FROM * count as f64) as usize;
    let tail = &blocks.values[first..];
    let known = tail.iter().filter(|value| value.is_finite()).count();
    if known < MIN_FLOORS {
        return None;
    }
    let (course, column) = likeliest(tail, (known as f64).ln())?;
    let course = match course {
        Course::AtOnce(at) => Course::AtOnce((first as f64 + at) / count as f64),
        Course::Until(at) => Course::Until((first as f64 + at) / count as f64),
    };
    let rise = noise::coefficients(tail, &[vec![1.0; tail.len()], column])?[1];
    let from = (course.end() * count as f64) as usize;
    let from = from.min(count - (count / 8).max(1));
    let above = mean(&blocks.values[from..]) - highest(&blocks.values[..first]);
    let least = PART * material;
    let is_late = course.end() > HALF;
    (is_late && rise >= least && above >= (PART * rise).max(least.min(rise)))
        .then_some(LateRise { course, rise })
}

/// The same of the shape that was fitted, if that is of steps.
pub(super) fn late_step(form: &Form, blocks: &Blocks, material: f64) -> Option<LateRise> {
    let count = blocks.len();
    let last = (count - 1) as f64;
    let (from, course) = match form {
        Form::Steps(at) => (at.last().copied()?, None),
        Form::LineAndStep(at) => (*at, None),
        Form::LineAndSteps(at) => (at.last().copied()?, None),
        Form::Ramp(from, to) => ((to * last) as usize, Some(((from * last) as usize, *to))),
        _ => return None,
    };
    let before = course.map_or(from, |(begin, _)| begin).max(1);
    let level_before = match form {
        Form::Steps(at) if at.len() > 1 => mean(&blocks.values[at[at.len() - 2]..before]),
        _ => mean(&blocks.values[before.saturating_sub(count / 8 + 1)..before]),
    };
    let end = mean(&blocks.values[from.min(count - 1)..]);
    let rise = end - level_before;
    let course = match course {
        Some((_, to)) => Course::Until(to),
        None => Course::AtOnce(from as f64 / count as f64),
    };
    let above = end - highest(&blocks.values[..before]);
    (course.end() > HALF && rise >= PART * material && above >= PART * rise)
        .then_some(LateRise { course, rise })
}

/// The likeliest course of values, in blocks, with its column from 0 to 1;
/// `None` where that is a level.
fn likeliest(values: &[f64], price: f64) -> Option<(Course, Vec<f64>)> {
    let one = vec![1.0; values.len()];
    let level = noise::log_likelihood(values, std::slice::from_ref(&one));
    let last = (values.len() - 1) as f64;
    let ramps = ENDS.map(|end| {
        let end = end * last;
        let column = (0..values.len()).map(|at| (at as f64 / end).min(1.0));
        (Course::Until(end), column.collect::<Vec<f64>>())
    });
    let late_ramps = BEGINNINGS.map(|from| {
        let from = from * last;
        let column = (0..values.len()).map(|at| (at as f64 - from).max(0.0) / (last - from));
        (Course::Until(last), column.collect::<Vec<f64>>())
    });
    let step = best_step(values).map(|at| {
        let column = (0..values.len()).map(|block| f64::from(u8::from(block >= at)));
        (Course::AtOnce(at as f64), column.collect())
    });
    ramps
        .into_iter()
        .chain(late_ramps)
        .chain(step)
        .map(|(course, column)| {
            let columns = [one.clone(), column.clone()];
            let gain = 2.0 * (noise::log_likelihood(values, &columns) - level);
            // Its place has a price, too.
            (gain - 2.0 * price, course, column)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(gain, ..)| *gain > LIKELIER)
        .map(|(_, course, column)| (course, column))
}

/// The block at which a step explains most, by least squares.
fn best_step(values: &[f64]) -> Option<usize> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let middle = known.iter().map(|(_, value)| value).sum::<f64>() / known.len() as f64;
    let count = known.len() as f64;
    let mut sum = 0.0;
    let mut best = (0.0, None);
    for (number, (at, value)) in known.iter().enumerate().rev() {
        sum += value - middle;
        let after = count - number as f64;
        if after < 2.0 || number < 2 || sum <= 0.0 {
            continue;
        }
        let explained = sum * sum * count / (after * (count - after));
        if explained > best.0 {
            best = (explained, Some(*at));
        }
    }
    best.1
}

fn mean(values: &[f64]) -> f64 {
    let known = values.iter().filter(|value| value.is_finite());
    known.clone().sum::<f64>() / known.count() as f64
}

/// The highest of what was before, but for single floors.
fn highest(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let middle_of = |three: &[f64]| {
        let mut three = three.to_vec();
        three.sort_by(f64::total_cmp);
        three[three.len() / 2]
    };
    match known.len() {
        0 => f64::NEG_INFINITY,
        1 | 2 => known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => known
            .windows(3)
            .map(middle_of)
            .fold(f64::NEG_INFINITY, f64::max),
    }
}
