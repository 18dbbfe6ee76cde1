//! Shares that were seen, against the truth.

use std::collections::HashMap;

use soakscope_sampler::{CpuWindow, Detail, Symbolizer};

use super::work;

/// Samples of the four functions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Time by function, in any unit.
    pub weight: [f64; 4],
    /// How many samples there were.
    pub samples: f64,
    /// The sum of the squares of their weights.
    squares: f64,
}

impl Seen {
    /// Adds `count` samples of function `index` that weigh `weight` together.
    pub fn add(&mut self, index: usize, count: f64, weight: f64) {
        if count > 0.0 {
            self.weight[index] += weight;
            self.samples += count;
            self.squares += weight * weight / count;
        }
    }

    /// How far off the shares are, where each may be off by `allowed` points.
    pub fn against(&self, spent: &[f64; 4], allowed: f64) -> Judgement {
        let (seen, all): (f64, f64) = (self.weight.iter().sum(), spent.iter().sum());
        // What so many samples of equal weight would be worth.
        let worth = seen * seen / self.squares;
        let mut judged = Judgement {
            samples: self.samples,
            ..Judgement::default()
        };
        for (weight, spent) in self.weight.iter().zip(spent) {
            let share = spent / all;
            let points = if seen > 0.0 {
                (weight / seen - share) * 100.0
            } else {
                100.0
            };
            let error = 100.0 * (share * (1.0 - share) / worth).sqrt();
            judged.points = judged.points.max(points.abs());
            judged.error = judged.error.max(error);
            judged.errors = judged.errors.max(points.abs() / error);
            judged.beyond = judged.beyond.max((points.abs() - allowed) / error);
        }
        judged
    }
}

/// How far off shares are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judgement {
    pub samples: f64,
    /// The largest difference of a function's share, in points.
    pub points: f64,
    /// The largest standard error of a share, in points.
    pub error: f64,
    /// The largest difference, in standard errors.
    pub errors: f64,
    /// The same of what is beyond the points allowed.
    pub beyond: f64,
}

/// Which function an address is in.
pub struct Names {
    symbols: Symbolizer,
    known: HashMap<u64, Option<usize>>,
}

impl Names {
    pub fn new() -> Self {
        Names {
            symbols: Symbolizer::new().expect("maps are readable"),
            known: HashMap::new(),
        }
    }

    pub fn of(&mut self, pc: u64) -> Option<usize> {
        let symbols = &mut self.symbols;
        *self.known.entry(pc).or_insert_with(|| {
            let frames = symbols.resolve(pc, Detail::Names).frames;
            frames.iter().find_map(|frame| work::index_of(&frame.name))
        })
    }

    /// The function of a stack, innermost first.
    pub fn of_stack(&mut self, stack: impl IntoIterator<Item = u64>) -> Option<usize> {
        stack.into_iter().find_map(|pc| self.of(pc))
    }
}

/// Samples by the functions in their stacks.
pub fn by_stack(windows: &[CpuWindow]) -> Seen {
    let mut names = Names::new();
    let mut seen = Seen::default();
    for sample in windows.iter().flat_map(|window| &window.samples) {
        if let Some(index) = names.of_stack(sample.stack.iter().copied()) {
            seen.add(index, sample.count as f64, sample.weight.as_secs_f64());
        }
    }
    seen
}

/// Samples by the labels of their threads.
pub fn by_label(windows: &[CpuWindow]) -> Seen {
    let mut seen = Seen::default();
    for sample in windows.iter().flat_map(|window| &window.samples) {
        if (1..=4).contains(&sample.label) {
            let index = sample.label as usize - 1;
            seen.add(index, sample.count as f64, sample.weight.as_secs_f64());
        }
    }
    seen
}

/// Unscaled coverage over all windows.
pub fn coverage(windows: &[CpuWindow]) -> f64 {
    let sum = |of: fn(&CpuWindow) -> f64| windows.iter().map(of).sum::<f64>();
    let seen = sum(|w| w.stats.attributed.as_secs_f64());
    let used = sum(|w| w.cpu_used.as_secs_f64() - w.cpu_excluded.as_secs_f64());
    seen / used
}
