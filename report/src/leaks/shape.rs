//! The shape of a series: a line, a bend, steps or a cycle.
//!
//! Growth that ended, growth that came at once and growth that comes and goes
//! all point a line upwards. So each of these shapes is fitted under the same
//! family of correlated noises (`noise`), and the likeliest is kept, every
//! place and coefficient paying its price (Schwarz 1978, "Estimating the
//! dimension of a model"). What is then asked for is the slope at the *end*
//! of the shape that was kept.

use super::blocks::Blocks;
use super::noise::{self, Posterior};

/// Places where a series may bend, as parts of the time judged.
const BENDS: [f64; 11] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Time constants of a warm-up that are looked at, as parts of the time judged:
/// each a third longer than the one before, from a fiftieth to the whole.
const TIME_CONSTANTS: i32 = 14;

/// How long one rise may last that is still no growth, as parts of the time.
const RAMPS: [f64; 3] = [0.06, 0.12, 0.24];

/// Most steps that a series may be made of. More are growth in bursts.
const MAX_STEPS: usize = 3;

/// Most steps in a line: a table that doubles, with what is in it.
const MAX_STEPS_IN_LINE: usize = 4;

/// Most whole or half turns of a cycle that is looked for.
const TURNS: [f64; 6] = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Line,
    /// A parabola: growth that gains or loses speed.
    Curve,
    /// Two lines that meet at this part of the time.
    Bend(f64),
    /// A line to which the series comes closer with this time constant.
    Saturating(f64),
    /// Levels that begin at these blocks, and nothing between.
    Steps(Vec<usize>),
    /// One rise from this place to that, and level before and after.
    Ramp(f64, f64),
    /// A line with a step at this block.
    LineAndStep(usize),
    /// A line with steps at these blocks.
    LineAndSteps(Vec<usize>),
    /// A line with a wave of so many turns.
    LineAndCycle(f64),
}

/// A shape fitted to floors.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub form: Form,
    columns: Vec<Vec<f64>>,
    score: f64,
}

impl Shape {
    /// The likeliest shape. `others` are columns that belong to every shape,
    /// such as the load.
    pub(super) fn of(blocks: &Blocks, others: &[Vec<f64>], axis: &[f64]) -> Shape {
        let mut forms = vec![Form::Line, Form::Curve];
        forms.extend(BENDS.map(Form::Bend));
        forms.extend((0..TIME_CONSTANTS).map(|n| Form::Saturating(0.02 * 1.35_f64.powi(n))));
        for from in 0..9 {
            let from = f64::from(from) * 0.1 + 0.05;
            let lengths = RAMPS.iter().filter(|length| from + *length <= 0.951);
            forms.extend(lengths.map(|length| Form::Ramp(from, from + length)));
        }
        forms.extend(steps(blocks).into_iter().map(Form::Steps));
        forms.extend(step_in_line(blocks).map(Form::LineAndStep));
        forms.extend(steps_in_line(blocks).into_iter().map(Form::LineAndSteps));
        forms.extend(TURNS.map(Form::LineAndCycle));
        let mut shapes: Vec<Shape> = forms
            .into_iter()
            .map(|form| Shape::new(form, blocks, others, axis))
            .collect();
        shapes.sort_by(|a, b| b.score.total_cmp(&a.score));
        shapes
            .into_iter()
            .find(|shape| !shape.comes_down(blocks))
            .unwrap_or_else(|| Shape::new(Form::Line, blocks, others, axis))
    }

    /// Whether it nears its line from above. Growth that gains speed can look
    /// so, and then its line is no slope that anything ever had.
    fn comes_down(&self, blocks: &Blocks) -> bool {
        matches!(self.form, Form::Saturating(_))
            && self.second(blocks).is_none_or(|above| above.mean() > 0.0)
    }

    /// What there is beside the line, for a look at how even the line is.
    pub(super) fn beside_line(&self) -> &[Vec<f64>] {
        match self.form {
            Form::LineAndStep(_) | Form::LineAndSteps(_) | Form::LineAndCycle(_) => {
                &self.columns[2..]
            }
            _ => &[],
        }
    }

    pub(super) fn new(form: Form, blocks: &Blocks, others: &[Vec<f64>], axis: &[f64]) -> Shape {
        let mut columns = form.columns(axis);
        columns.extend_from_slice(others);
        let known = blocks.known().count() as f64;
        let score =
            2.0 * noise::log_likelihood(&blocks.values, &columns) - form.parameters() * known.ln();
        if let Form::Saturating(time) = form {
            // A time constant that is a little off must not pass for a slope,
            // so its derivative is fitted too (Gauss-Newton).
            let derivative = |x: &f64| x / time * (-x / time).exp();
            columns.push(axis.iter().map(derivative).collect());
        }
        Shape {
            form,
            columns,
            score,
        }
    }

    /// The growth over the whole time at the rate of the shape's end. Steps
    /// have none.
    pub(super) fn growth(&self, blocks: &Blocks) -> Option<Posterior> {
        let of = self.form.last_slope()?;
        noise::posterior(&blocks.values, &self.columns, of)
    }

    /// For a bend, growth over the whole time at the rate before it; for what
    /// saturates, the part it starts away from its line; the height of a step.
    pub(super) fn second(&self, blocks: &Blocks) -> Option<Posterior> {
        let has = matches!(
            self.form,
            Form::Curve | Form::Bend(_) | Form::Saturating(_) | Form::LineAndStep(_)
        );
        has.then(|| noise::posterior(&blocks.values, &self.columns, 2))?
    }

    /// The heights of the steps in a line together.
    pub(super) fn stepped(&self, blocks: &Blocks) -> f64 {
        let (Form::LineAndStep(_) | Form::LineAndSteps(_)) = self.form else {
            return 0.0;
        };
        let height = |of| noise::posterior(&blocks.values, &self.columns, of);
        let steps = self.form.columns(&vec![0.0; blocks.len()]).len();
        (2..steps).filter_map(height).map(|step| step.mean()).sum()
    }

    /// From the trough of a cycle to its crest.
    pub(super) fn swing(&self, blocks: &Blocks) -> Option<f64> {
        let Form::LineAndCycle(_) = self.form else {
            return None;
        };
        let part = |of| noise::posterior(&blocks.values, &self.columns, of);
        Some(2.0 * part(2)?.mean().hypot(part(3)?.mean()))
    }
}

impl Form {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Form::Line => "line",
            Form::Curve => "curve",
            Form::Bend(_) => "bend",
            Form::Saturating(_) => "saturating",
            Form::Steps(_) | Form::Ramp(..) => "steps",
            Form::LineAndStep(_) => "line and step",
            Form::LineAndSteps(_) => "line and steps",
            Form::LineAndCycle(_) => "line and cycle",
        }
    }

    /// Coefficients and places beyond the constant.
    fn parameters(&self) -> f64 {
        match self {
            Form::Line => 1.0,
            Form::Curve => 2.0,
            Form::Bend(_) | Form::Saturating(_) => 3.0,
            Form::LineAndStep(_) => 5.0,
            Form::LineAndSteps(at) => 1.0 + 4.0 * at.len() as f64,
            Form::Ramp(..) => 3.0,
            Form::Steps(at) => 2.5 * at.len() as f64,
            Form::LineAndCycle(_) => 4.0,
        }
    }

    fn last_slope(&self) -> Option<usize> {
        (!matches!(self, Form::Steps(_) | Form::Ramp(..))).then_some(1)
    }

    /// The constant first, the slope of the end second.
    fn columns(&self, axis: &[f64]) -> Vec<Vec<f64>> {
        let count = axis.len();
        let column =
            |value: &dyn Fn(f64) -> f64| -> Vec<f64> { axis.iter().map(|x| value(*x)).collect() };
        let from = |at: usize| -> Vec<f64> {
            (0..count)
                .map(|block| f64::from(u8::from(block >= at)))
                .collect()
        };
        let mut columns = vec![column(&|_| 1.0)];
        match self {
            Form::Line => columns.push(column(&|x| x)),
            Form::Curve => {
                columns.push(column(&|x| x));
                // Level at the end, so that the other column is the slope there.
                columns.push(column(&|x| (1.0 - x) * (1.0 - x)));
            }
            Form::Bend(at) => {
                columns.push(column(&|x| (x - at).max(0.0)));
                columns.push(column(&|x| (x - at).min(0.0)));
            }
            Form::Saturating(time) => {
                columns.push(column(&|x| x));
                columns.push(column(&|x| (-x / time).exp()));
            }
            Form::Steps(at) => columns.extend(at.iter().map(|at| from(*at))),
            Form::Ramp(from, to) => {
                columns.push(column(&|x| ((x - from) / (to - from)).clamp(0.0, 1.0)));
            }
            Form::LineAndStep(at) => {
                columns.push(column(&|x| x));
                columns.push(from(*at));
            }
            Form::LineAndSteps(at) => {
                columns.push(column(&|x| x));
                columns.extend(at.iter().map(|at| from(*at)));
            }
            Form::LineAndCycle(turns) => {
                let angle = std::f64::consts::TAU * turns;
                columns.push(column(&|x| x));
                columns.push(column(&|x| (angle * x).cos()));
                columns.push(column(&|x| (angle * x).sin()));
            }
        }
        columns
    }
}

/// The best one, two and three steps, each found by splitting one level of the
/// former in two (binary segmentation, Scott & Knott 1974).
fn steps(blocks: &Blocks) -> Vec<Vec<usize>> {
    let count = blocks.len();
    let (mut sums, mut squares, mut counts) = (vec![0.0], vec![0.0], vec![0.0]);
    let middle = blocks.known().map(|p| p.1).sum::<f64>() / blocks.known().count().max(1) as f64;
    for value in &blocks.values {
        let (value, one) = if value.is_finite() {
            (value - middle, 1.0)
        } else {
            (0.0, 0.0)
        };
        let last = sums.len() - 1;
        sums.push(sums[last] + value);
        squares.push(squares[last] + value * value);
        counts.push(counts[last] + one);
    }
    let left = |from: usize, to: usize| {
        let (sum, number) = (sums[to] - sums[from], counts[to] - counts[from]);
        let power = squares[to] - squares[from];
        if number > 0.0 {
            power - sum * sum / number
        } else {
            0.0
        }
    };
    let mut found = Vec::new();
    let mut edges = vec![0, count];
    for _ in 0..MAX_STEPS {
        let best = edges
            .windows(2)
            .flat_map(|edge| {
                let (from, to) = (edge[0], edge[1]);
                (from + 2..to.saturating_sub(1))
                    .map(move |at| (at, left(from, to) - left(from, at) - left(at, to)))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, _)) = best else { break };
        edges.push(at);
        edges.sort_unstable();
        found.push(edges[1..edges.len() - 1].to_vec());
    }
    found
}

/// The block at which a step makes a line fit best, by least squares.
fn step_in_line(blocks: &Blocks) -> Option<usize> {
    let points: Vec<(f64, f64)> = blocks.known().collect();
    let count = points.len() as f64;
    if points.len() < 8 {
        return None;
    }
    let x_mean = points.iter().map(|p| p.0).sum::<f64>() / count;
    let y_mean = points.iter().map(|p| p.1).sum::<f64>() / count;
    let xx: f64 = points.iter().map(|p| (p.0 - x_mean).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - x_mean) * (p.1 - y_mean)).sum();
    // A step from each place on, with mean and line taken out of it, and how
    // much of the rest it explains; sums run from the end.
    let (mut x_sum, mut y_sum) = (0.0, 0.0);
    let mut best = (0.0, None);
    for at in (2..points.len()).rev() {
        x_sum += points[at].0 - x_mean;
        y_sum += points[at].1 - y_mean;
        let above = (points.len() - at) as f64;
        let own = above - above * above / count - x_sum * x_sum / xx;
        let with = y_sum - x_sum * xy / xx;
        if above >= 2.0 && own > 1e-9 && with * with / own > best.0 {
            best = (with * with / own, Some(points[at].0));
        }
    }
    let last = blocks.len().saturating_sub(1) as f64;
    best.1.map(|x| (x * last).round() as usize)
}

/// Two and more steps in a line: after the best one each next where it explains
/// most of what the line and the steps before it leave (forward selection).
fn steps_in_line(blocks: &Blocks) -> Vec<Vec<usize>> {
    let Some(first) = step_in_line(blocks) else {
        return Vec::new();
    };
    let known: Vec<(usize, f64)> = blocks
        .values
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let step = |at: usize| -> Vec<f64> {
        let is_after = |(block, _): &(usize, f64)| f64::from(u8::from(*block >= at));
        known.iter().map(is_after).collect()
    };
    let mut rest: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut take_out = |column: Vec<f64>, rest: &mut Vec<f64>| {
        if let Some(unit) = orthogonal(column, &basis) {
            let share = dot(&unit, rest);
            rest.iter_mut()
                .zip(&unit)
                .for_each(|(r, u)| *r -= share * u);
            basis.push(unit);
        }
        basis.clone()
    };
    take_out(vec![1.0; known.len()], &mut rest);
    take_out(
        known.iter().map(|(block, _)| *block as f64).collect(),
        &mut rest,
    );
    let mut taken = take_out(step(first), &mut rest);
    let mut places = vec![first];
    let mut found = Vec::new();
    while places.len() < MAX_STEPS_IN_LINE {
        let free = |at: &usize| places.iter().all(|place| place.abs_diff(*at) >= 2);
        let best = (2..blocks.len().saturating_sub(1))
            .filter(free)
            .filter_map(|at| {
                let unit = orthogonal(step(at), &taken)?;
                Some((at, dot(&unit, &rest).powi(2)))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, _)) = best else { break };
        taken = take_out(step(at), &mut rest);
        places.push(at);
        places.sort_unstable();
        found.push(places.clone());
    }
    found
}

/// What a column has that the others do not, of length one; `None` where that
/// is nothing.
fn orthogonal(mut column: Vec<f64>, basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let before = dot(&column, &column);
    for unit in basis {
        let share = dot(unit, &column);
        column
            .iter_mut()
            .zip(unit)
            .for_each(|(c, u)| *c -= share * u);
    }
    let left = dot(&column, &column);
    (left > 1e-9 * before).then(|| column.iter().map(|c| c / left.sqrt()).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
