//! What can be known of the growth of one series.

use std::ops::Range;

use super::LeakOptions;
use super::blocks::Blocks;
use super::candidates::{Candidate, Unit};
use super::late_rise::{LateRise, late_rise, late_step};
use super::load;
use super::noise::Posterior;
use super::settled::{ByLoad, MIN_LEFT, Settled, settle};
use super::shape::{Form, Shape};
use super::window::{Point, quarters, span};
use crate::timeline::Timeline;

/// Where the last part begins that must go on growing too.
const LAST: f64 = 0.7;

/// The part of the growth by which the quarters' floors must rise, and the
/// part of that which the last of them must.
const RISE: f64 = 0.25;
const LAST_RISE: f64 = -0.2;

/// The price, in certainty, of having chosen among many shapes.
const CHOSEN: f64 = 4.0;
/// Where the whole grew for certain, its second half may be less so.
const HALF: f64 = 2.0;
/// Nothing healthy gains speed.
const GAINS_SPEED: f64 = 2.0;
/// A curve that saturates looks like a line with a step in these parts, too.
const WITH_STEP: f64 = 50.0;
const FIRST_STEPS: Range<f64> = 0.04..0.7;

/// In runs up to so many hours most of what grows is warming up: three minutes.
pub(super) const HASTY_HOURS: f64 = 0.05;

/// The growth of one series, from the end of its warm-up on.
pub(super) struct Evidence {
    pub quarters: Vec<Option<f64>>,
    pub from_min: f64,
    pub until_min: f64,
    pub samples: usize,
    pub hours: f64,
    pub form: Form,
    /// Growth over the time judged at the rate of its end.
    pub growth: Posterior,
    /// The part of the time after which it began.
    pub began: f64,
    /// The probability of such growth where there is none.
    pub chance: f64,
    /// The level reached.
    pub level: f64,
    /// Growth that would matter.
    pub material: f64,
    /// A warm-up was taken off, and this part of the run was left.
    pub left: Option<f64>,
    /// The part of the run that was taken off as a warm-up.
    pub taken_off: f64,
    /// What rose in the later half of all that is judged, where it is not known
    /// to be over.
    pub late_rise: Option<LateRise>,
    /// Hours from the beginning of what was looked at to its end.
    pub watched_hours: f64,
    /// The rate of the second half by that of the first; for what saturates,
    /// that of its line by that of the second half.
    pub evenness: f64,
    /// The probability that the second half grew no more than what saturates
    /// would have.
    pub saturates: f64,
    /// The rate of the last part by that of the whole.
    pub last: f64,
    /// The probability that the second half did not grow.
    pub late_doubt: f64,
    /// The rise from the first part to the last.
    pub net: f64,
    /// The deepest fall between parts, by the whole growth.
    pub fall: f64,
    /// From the first level to the last, where there are steps.
    pub climb: f64,
    /// From the trough of a cycle to its crest; 0 where there is none.
    pub swing: f64,
    /// The load that explains the growth, if one does.
    pub load: Option<ByLoad>,
    pub requests_per_hour: Option<f64>,
}

/// The evidence in these points; `None` if there is no time between them.
pub(super) fn gather(
    timeline: &Timeline,
    candidate: &Candidate,
    all: &[Point],
    options: &LeakOptions,
) -> Option<Evidence> {
    let mut from = 0;
    let mut settled = settle(timeline, candidate, all)?;
    let mut left = None;
    let least = least_growth(candidate, all, options);
    let late = late_rise(&settled.blocks, least)
        .or_else(|| late_step(&settled.shape.form, &settled.blocks, least));
    let watched_hours = span(all);
    // A warm-up is taken off piece by piece: a curve is a chain of bends.
    while let Some(at) = settled.warm_until {
        let hour = settled.blocks.first_hour + at * settled.blocks.hours();
        let next = all.partition_point(|point| point.0 < hour);
        let part = (all.last()?.0 - hour) / (all.last()?.0 - all[0].0);
        left = Some(part);
        if part < MIN_LEFT || next <= from {
            break;
        }
        let Some(rest) = settle(timeline, candidate, &all[next..]) else {
            break;
        };
        from = next;
        settled = rest;
    }
    let slowing = left.map(|left| slowing(all, from, settled.growth.mean() / left, left));
    let mut evidence = settled.evidence(timeline, candidate, &all[from..], left, slowing, options);
    evidence.taken_off = (all[from].0 - all[0].0) / watched_hours;
    evidence.late_rise = late;
    evidence.watched_hours = watched_hours;
    Some(evidence)
}

/// Growth over all these points that would matter.
fn least_growth(candidate: &Candidate, points: &[Point], options: &LeakOptions) -> f64 {
    let limits = match candidate.unit {
        Unit::Memory { .. } => &options.material_mb,
        Unit::Count => &options.material_count,
    };
    limits.growth(quarters(points)[0].unwrap_or(0.0), span(points))
}

/// The rate that the second half of the rest would have, by that of the whole
/// rest, if all that was seen were one curve that saturates.
///
/// Its rate falls by the same factor over the same time. Between the middle of
/// what was taken off and that of the rest lies half the run, and between the
/// middles of the rest's halves half the rest.
fn slowing(all: &[Point], from: usize, rate: f64, left: f64) -> f64 {
    let near = (all.len() / 40).max(2);
    let level = |points: &[Point]| {
        let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    let risen = level(&all[from.saturating_sub(near)..(from + near).min(all.len())])
        - level(&all[..near.min(all.len())]);
    let before = risen / (1.0 - left);
    let kept = (rate / before).clamp(0.0, 1.0).powf(left);
    2.0 * kept / (1.0 + kept)
}

impl Evidence {
    /// Whether the quarters, which no shape and no tooth was taken out of, rose
    /// too: by a part of the growth in all, and once more at the last.
    pub(super) fn quarters_rise(&self) -> bool {
        let growth = self.growth.mean().min(self.net);
        match self.quarters.as_slice() {
            [Some(first), _, Some(third), Some(last)] => {
                last - first >= RISE * growth && last - third >= LAST_RISE * (last - first)
            }
            _ => false,
        }
    }
}

impl Settled {
    fn evidence(
        self,
        timeline: &Timeline,
        candidate: &Candidate,
        points: &[Point],
        left: Option<f64>,
        slowing: Option<f64>,
        options: &LeakOptions,
    ) -> Evidence {
        let Settled {
            blocks,
            others,
            axis,
            shape,
            growth,
            began,
            whole,
            load,
            ..
        } = self;
        let quarters = quarters(points);
        let material = least_growth(candidate, points, options);
        let plain = shape.form == Form::Line && left.is_none() && load.is_none();
        let price = match shape.form {
            Form::Line if plain => 1.0,
            Form::Curve | Form::Bend(_) if left.is_none() => GAINS_SPEED,
            Form::LineAndStep(at) if !at_an_end(at, blocks.len()) => WITH_STEP,
            Form::LineAndSteps(_) => WITH_STEP,
            _ => CHOSEN,
        };
        let mut beside = others;
        if blocks.hours() > HASTY_HOURS {
            beside.extend_from_slice(shape.beside_line());
        }
        let halves = Shape::new(Form::Bend(0.5), &blocks, &beside, &axis);
        let last = Shape::new(Form::Bend(LAST), &blocks, &beside, &axis)
            .growth(&blocks)
            .map_or(0.0, |last| last.mean() / growth.mean());
        let late = halves.growth(&blocks);
        let early = halves.second(&blocks);
        let evenness = match (&early, &late) {
            (_, Some(late)) if matches!(shape.form, Form::Saturating(_)) => {
                growth.mean() / late.mean()
            }
            (Some(early), Some(late)) => late.mean() / early.mean(),
            _ => f64::NAN,
        };
        let saturates = match (&late, slowing) {
            (Some(late), Some(slowing)) => late.below(growth.mean() * slowing),
            (Some(_), None) => 0.0,
            (None, _) => 1.0,
        };
        let parts = parts(&blocks);
        let fall = fall(&parts) / growth.mean().abs().max(f64::MIN_POSITIVE);
        Evidence {
            from_min: points.first().map_or(0.0, |point| point.0 * 60.0),
            until_min: points.last().map_or(0.0, |point| point.0 * 60.0),
            samples: points.len(),
            hours: blocks.hours() - blocks.step_hours,
            chance: match whole {
                Some(whole) => (CHOSEN * whole).max(HALF * growth.below(0.0)),
                None => (growth.below(0.0) * price).min(1.0),
            },
            began,
            level: parts.last().copied().unwrap_or(f64::NAN),
            material,
            left,
            taken_off: 0.0,
            late_rise: None,
            watched_hours: 0.0,
            evenness,
            saturates,
            last,
            late_doubt: late.map_or(1.0, |late| late.below(0.0)),
            // Between the middles of the first and the last sixth lie five.
            net: (parts[5] - parts[0]) * 1.2,
            fall,
            climb: climb(&shape, &blocks),
            swing: shape.swing(&blocks).unwrap_or(0.0),
            load,
            requests_per_hour: load::requests_per_hour(timeline, &blocks),
            form: shape.form,
            growth,
            quarters,
        }
    }
}

/// Whether a step lies where no curve that saturates would put it.
fn at_an_end(step: usize, blocks: usize) -> bool {
    let place = step as f64 / blocks as f64;
    !FIRST_STEPS.contains(&place)
}

/// The mean of each sixth of the floors.
fn parts(blocks: &Blocks) -> Vec<f64> {
    let values: Vec<f64> = blocks.known().map(|p| p.1).collect();
    let at = |part: usize| part * values.len() / 6;
    (0..6)
        .map(|part| mean(&values[at(part)..at(part + 1)]))
        .collect()
}

fn fall(parts: &[f64]) -> f64 {
    let mut highest = f64::NEG_INFINITY;
    parts.iter().fold(0.0, |deepest: f64, part| {
        highest = highest.max(*part);
        deepest.max(highest - part)
    })
}

/// From the level before the first step to that after the last.
fn climb(shape: &Shape, blocks: &Blocks) -> f64 {
    if let Form::LineAndStep(_) | Form::LineAndSteps(_) = shape.form {
        return shape.stepped(blocks);
    }
    let place = |x: f64| (x * (blocks.len() - 1) as f64).round() as usize;
    let (first, last) = match &shape.form {
        Form::Steps(at) => (at.first().copied(), at.last().copied()),
        Form::Ramp(from, to) => (Some(place(*from) + 1), Some(place(*to))),
        _ => (None, None),
    };
    let level = |values: &[f64]| {
        let known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        mean(&known)
    };
    match (first, last) {
        (Some(first), Some(last)) => level(&blocks.values[last..]) - level(&blocks.values[..first]),
        _ => 0.0,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
