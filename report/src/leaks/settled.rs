//! A stretch of points, fitted: its shape, its growth, and where a warm-up in
//! it ends.

use super::blocks::{self, Blocks};
use super::candidates::Candidate;
use super::load::{self, Explained};
use super::noise::Posterior;
use super::shape::{Form, Shape};
use super::window::Point;
use crate::timeline::Timeline;

/// What is left after a warm-up must be this part of the run to be judged.
pub(super) const MIN_LEFT: f64 = 0.3;

/// A bend after which less than this part of the former rate is left is where
/// a warm-up ended.
const SLOWED: f64 = 0.6;

/// A warm-up is over after so many of its time constants.
const SATURATED: f64 = 4.0;

/// Less than this part of the growth below its line is no warm-up.
const SMALL: f64 = 0.05;

/// A leak may start up to this part of the time judged.
pub(super) const LATEST_START: f64 = 0.71;

/// Growth before a bend is certain from here on.
const BEFORE: f64 = 0.001;

/// Growth that a load explains.
pub(super) struct ByLoad {
    pub name: &'static str,
    /// By which part of its mean the load grew.
    pub grown: f64,
    /// The part of the growth that goes with the sum of the load.
    pub rest: f64,
}

/// A stretch of points with its shape.
pub(super) struct Settled {
    pub(super) blocks: Blocks,
    pub(super) others: Vec<Vec<f64>>,
    pub(super) axis: Vec<f64>,
    pub(super) shape: Shape,
    pub(super) growth: Posterior,
    pub(super) began: f64,
    /// The probability that the whole did not grow, where only the second half
    /// shows its growth.
    pub(super) whole: Option<f64>,
    pub(super) load: Option<ByLoad>,
    /// The part of the stretch after which it grew more slowly.
    pub(super) warm_until: Option<f64>,
}

pub(super) fn settle(
    timeline: &Timeline,
    candidate: &Candidate,
    points: &[Point],
) -> Option<Settled> {
    let blocks = blocks::floors(points)?;
    if blocks.known().count() < blocks::LEAST {
        return None;
    }
    let (others, axis, by) = match load::explain(timeline, &candidate.name, &blocks) {
        Explained::No(others, axis) => (others, axis, None),
        Explained::By(load, growth) => (Vec::new(), load::line(blocks.len()), Some((load, growth))),
    };
    let line = Shape::new(Form::Line, &blocks, &others, &axis);
    if let Some((load, growth)) = by {
        let whole = line.growth(&blocks)?;
        let growth = growth.unwrap_or_else(|| whole.clone());
        let load = ByLoad {
            name: load.name,
            grown: load.grown,
            rest: growth.mean() / whole.mean(),
        };
        return Some(Settled {
            blocks,
            others,
            axis,
            shape: line,
            growth,
            began: 0.0,
            whole: None,
            load: Some(load),
            warm_until: None,
        });
    }
    let shape = Shape::of(&blocks, &others, &axis);
    let growth = shape.growth(&blocks).or_else(|| line.growth(&blocks))?;
    let (growth, began) = steadier(&shape, growth, &blocks, &others, &axis);
    let bows =
        shape.form == Form::Curve && shape.second(&blocks).is_some_and(|bow| bow.mean() < 0.0);
    let whole = line
        .growth(&blocks)
        .filter(|_| bows)
        .map(|line| line.below(0.0));
    let warm_until = match shape.form {
        Form::Bend(at) => shape
            .second(&blocks)
            .filter(|before| before.mean() > 0.0 && growth.mean() < SLOWED * before.mean())
            .map(|_| at),
        Form::Saturating(time) if SATURATED * time <= 1.0 - MIN_LEFT => shape
            .second(&blocks)
            .filter(|below| below.mean() < -SMALL * growth.mean().max(0.0))
            .map(|_| SATURATED * time),
        _ => None,
    };
    // Places are on the axis; a warm-up ends at a time.
    let warm_until = warm_until.map(|place| {
        let block = axis.partition_point(|x| *x < place);
        block as f64 / (blocks.len() - 1) as f64
    });
    Some(Settled {
        blocks,
        others,
        axis,
        shape,
        growth,
        began,
        whole,
        load: None,
        warm_until,
    })
}

/// The growth to be judged and where it began, as a part of the time.
///
/// The end of a parabola that bends down is a poor witness: it is read off at
/// the second half. Growth before a bend near the end is judged where it is
/// less than after it, since it has gone on for longer.
fn steadier(
    shape: &Shape,
    growth: Posterior,
    blocks: &Blocks,
    others: &[Vec<f64>],
    axis: &[f64],
) -> (Posterior, f64) {
    let second = shape.second(blocks);
    match (&shape.form, second) {
        (Form::Curve, Some(bow)) if bow.mean() < 0.0 => {
            let halves = Shape::new(Form::Bend(0.5), blocks, others, axis);
            (halves.growth(blocks).unwrap_or(growth), 0.0)
        }
        (Form::Bend(at), Some(before))
            if *at > LATEST_START
                && growth.mean() > before.mean()
                && before.below(0.0) < growth.below(0.0).max(BEFORE) =>
        {
            (before, 0.0)
        }
        (Form::Bend(at), _) => (growth, *at),
        _ => (growth, 0.0),
    }
}
