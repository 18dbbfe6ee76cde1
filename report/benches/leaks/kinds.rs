//! Series whose truth is known: what healthy services do, and what leaks do.

use std::f64::consts::TAU;

use soakscope_report::{Cell, Timeline};

use crate::random::Random;

/// One kind of series. A leak's `make` is given by how many deviations of the
/// noise it grows in all.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    make: fn(&mut Random, f64) -> Series,
}

/// One series and, where it matters, the load it was under.
pub(crate) struct Series {
    pub(crate) column: &'static str,
    pub(crate) hours: Vec<f64>,
    pub(crate) values: Vec<f64>,
    pub(crate) load: Option<Vec<f64>>,
}

pub(crate) const HEALTHY: &[Kind] = &[
    kind("white noise", |r, _| Run::draw(r).level(r, |_, _| 0.0)),
    kind("AR(1) to 0.97", |r, _| {
        let run = Run::draw(r);
        let kept = r.pick(&[0.3, 0.6, 0.8, 0.9, 0.95, 0.97]);
        let wander = autoregression(r, run.count, kept, run.noise);
        run.series(r, |_, at, _| wander[at])
    }),
    kind("walk to a plateau", |r, _| {
        let run = Run::draw(r);
        let (until, rise) = (r.between(0.15, 0.7), run.noise * r.scale(5.0, 60.0));
        let steps = (until * run.count as f64).max(2.0);
        let mut wander = 0.0;
        let walk: Vec<f64> = (0..run.count)
            .map(|at| {
                if (at as f64) < steps {
                    wander += (rise + rise * steps.sqrt() * 0.5 * r.normal()) / steps;
                }
                wander
            })
            .collect();
        run.level(r, |_, at| walk[at])
    }),
    kind("saturating warm-up", |r, _| {
        let run = Run::draw(r);
        let (time, rise) = (r.between(0.02, 0.35), run.noise * r.scale(3.0, 100.0));
        run.level(r, |x, _| rise * (1.0 - (-x / time).exp()))
    }),
    kind("saw-tooth, drifting", |r, _| {
        let run = Run::draw(r);
        let saw = saw(r, &run);
        let noise = run.noise;
        run.series(r, |r, at, _| saw[at] + 0.2 * noise * r.normal())
    }),
    kind("steps up", |r, _| steps(r, |_| 1.0)),
    kind("steps down", |r, _| steps(r, |_| -1.0)),
    kind("steps both ways", |r, _| steps(r, |r| r.pick(&[-1.0, 1.0]))),
    kind("daily cycle", |r, _| {
        let run = Run::draw_of(r, &DAYS);
        let (phase, height) = (r.between(0.0, TAU), run.noise * r.scale(2.0, 40.0));
        let turns = run.hours / 24.0;
        run.level(r, |x, _| height * (TAU * turns * x + phase).sin())
    }),
    kind("load ramp", |r, _| {
        let run = Run::draw(r);
        let (until, times) = (r.between(0.3, 1.2), r.between(0.5, 4.0));
        let share = run.noise * r.scale(3.0, 60.0) / times;
        let shaky = r.between(0.01, 0.1);
        let ramp = |x: f64| times * (x / until).min(1.0);
        let load = run.loads(|x| 100.0 * (1.0 + ramp(x)) * (1.0 + shaky * r.normal()));
        let mut series = run.level(r, |x, _| share * ramp(x));
        series.load = Some(load);
        series
    }),
    kind("decay after a burst", |r, _| {
        let run = Run::draw(r);
        let (at, time) = (r.between(0.0, 0.8), r.between(0.03, 0.5));
        let height = run.noise * r.scale(5.0, 100.0);
        run.level(r, |x, _| {
            if x < at {
                0.0
            } else {
                height * (-(x - at) / time).exp()
            }
        })
    }),
    kind("quantised stairs", |r, _| {
        let run = Run::draw(r);
        let stair = run.noise * r.scale(0.5, 6.0);
        let kept = r.pick(&[0.0, 0.8, 0.97]);
        let wander = autoregression(r, run.count, kept, run.noise);
        let (time, rise) = (r.between(0.02, 0.25), run.noise * r.between(0.0, 30.0));
        run.series(r, |_, at, x| {
            ((wander[at] + rise * (1.0 - (-x / time).exp())) / stair).round() * stair
        })
    }),
    kind("missing samples", |r, _| {
        let run = Run::draw(r);
        let (lost, kept) = (r.between(0.1, 0.6), r.pick(&[0.0, 0.6, 0.9]));
        let wander = autoregression(r, run.count, kept, run.noise);
        let mut series = run.series(r, |_, at, _| wander[at]);
        let (from, length) = (r.between(0.0, 0.8), r.between(0.05, 0.3));
        for (at, value) in series.values.iter_mut().enumerate() {
            let x = at as f64 / run.count as f64;
            if r.uniform() < lost || (x > from && x < from + length) {
                *value = f64::NAN;
            }
        }
        series
    }),
    kind("heavy tails", |r, _| {
        let run = Run::draw(r);
        let freedom = r.whole(1, 3);
        let noise = run.noise;
        run.series(r, |r, _, _| noise * r.student(freedom).clamp(-1e3, 1e3))
    }),
];

pub(crate) const LEAKS: &[Kind] = &[
    kind("linear", |r, growth| {
        let run = Run::draw(r);
        run.noisy(r, |_| 0.0, |x| growth * x)
    }),
    kind("per request", |r, growth| {
        let run = Run::draw(r);
        let (turns, phase) = (r.between(0.3, 6.0), r.between(0.0, TAU));
        let (depth, shaky) = (r.between(0.1, 0.8), r.between(0.02, 0.2));
        let load = run.loads(|x| {
            100.0 * (1.0 + depth * (TAU * turns * x + phase).sin()) * (1.0 + shaky * r.normal())
        });
        let served = served(&load);
        let last = run.count as f64 - 1.0;
        let leak = |x: f64| growth * served[(x * last).round() as usize];
        let mut series = run.noisy(r, |_| 0.0, leak);
        series.load = Some(load);
        series
    }),
    kind("bursty", |r, growth| {
        let run = Run::draw(r);
        let bursts = r.whole(8, 25);
        let mut starts: Vec<f64> = (0..bursts)
            .map(|burst| (burst as f64 + r.uniform()) / bursts as f64)
            .collect();
        starts.sort_by(f64::total_cmp);
        let length = 0.1 / bursts as f64;
        run.noisy(
            r,
            |_| 0.0,
            |x| {
                let done: f64 = starts
                    .iter()
                    .map(|start| ((x - start) / length).clamp(0.0, 1.0))
                    .sum();
                growth * done / bursts as f64
            },
        )
    }),
    kind("late-starting", |r, growth| {
        let run = Run::draw(r);
        let start = r.between(0.2, 0.6);
        run.noisy(
            r,
            |_| 0.0,
            |x| growth * ((x - start) / (1.0 - start)).max(0.0),
        )
    }),
    kind("slow, then fast", |r, growth| {
        let run = Run::draw(r);
        let power = r.between(1.5, 3.0);
        run.noisy(r, |_| 0.0, |x| growth * x.powf(power))
    }),
    kind("in a saw-tooth", |r, growth| {
        let run = Run::draw(r);
        let saw = saw(r, &run);
        let last = run.count as f64 - 1.0;
        run.noisy(r, |x| saw[(x * last).round() as usize], |x| growth * x)
    }),
];

pub(crate) const fn kind(name: &'static str, make: fn(&mut Random, f64) -> Series) -> Kind {
    Kind { name, make }
}

impl Kind {
    pub(crate) fn series(&self, seed: u64, growth: f64) -> Series {
        // Neighbouring seeds and kinds must not share their draws.
        let own = self.name.bytes().fold(seed ^ 0x5eed, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (self.make)(&mut Random::new(own), growth)
    }
}

impl Series {
    pub(crate) fn timeline(&self) -> Timeline {
        let mut columns = vec!["elapsed_h".to_owned(), self.column.to_owned()];
        if self.load.is_some() {
            columns.push("requests_per_s".to_owned());
        }
        let mut timeline = Timeline::new(&columns);
        for (at, hour) in self.hours.iter().enumerate() {
            let mut row = vec![Cell::Number(*hour), Cell::Number(self.values[at])];
            if let Some(load) = &self.load {
                row.push(Cell::Number(load[at]));
            }
            timeline.push(&row);
        }
        timeline
    }
}

/// A quarter of an hour to three days, as hours and seconds from one sample to
/// the next.
const ANY: [(f64, f64); 7] = [
    (0.25, 1.0),
    (0.5, 1.0),
    (1.0, 2.0),
    (4.0, 10.0),
    (12.0, 15.0),
    (24.0, 60.0),
    (72.0, 60.0),
];

/// What shows a daily cycle. A run of some hours sees one flank of it, which is
/// growth like any other unless its load is known.
const DAYS: [(f64, f64); 4] = [(24.0, 60.0), (36.0, 60.0), (48.0, 60.0), (72.0, 60.0)];

/// What a run is drawn to be before its series is.
struct Run {
    hours: f64,
    count: usize,
    base: f64,
    /// The deviation of its noise.
    noise: f64,
}

impl Run {
    fn draw(r: &mut Random) -> Run {
        Run::draw_of(r, &ANY)
    }

    fn draw_of(r: &mut Random, spans: &[(f64, f64)]) -> Run {
        let (hours, count) = length(r, spans);
        Run {
            hours,
            count,
            base: r.between(80.0, 400.0),
            noise: r.scale(1.0, 5.0),
        }
    }

    fn series(
        &self,
        r: &mut Random,
        mut value: impl FnMut(&mut Random, usize, f64) -> f64,
    ) -> Series {
        let last = self.count as f64 - 1.0;
        let values = (0..self.count)
            .map(|at| self.base + value(r, at, at as f64 / last))
            .collect();
        Series {
            column: "rss_mb",
            hours: (0..self.count)
                .map(|at| self.hours * at as f64 / last)
                .collect(),
            values,
            load: None,
        }
    }

    /// A level with noise that is white or somewhat correlated.
    fn level(&self, r: &mut Random, level: impl Fn(f64, usize) -> f64) -> Series {
        let kept = r.pick(&[0.0, 0.0, 0.5, 0.9]);
        let wander = autoregression(r, self.count, kept, self.noise);
        self.series(r, |_, at, x| level(x, at) + wander[at])
    }

    /// A leak in units of the noise, over something else.
    fn noisy(
        &self,
        r: &mut Random,
        under: impl Fn(f64) -> f64,
        leak: impl Fn(f64) -> f64,
    ) -> Series {
        let kept = r.pick(&[0.0, 0.0, 0.3, 0.6]);
        let wander = autoregression(r, self.count, kept, self.noise);
        self.series(r, |_, at, x| under(x) + self.noise * leak(x) + wander[at])
    }

    fn loads(&self, mut load: impl FnMut(f64) -> f64) -> Vec<f64> {
        let last = self.count as f64 - 1.0;
        (0..self.count).map(|at| load(at as f64 / last)).collect()
    }
}

/// Hours and readings of a run: one of these hours, with their seconds from one
/// reading to the next.
pub(crate) fn length(r: &mut Random, spans: &[(f64, f64)]) -> (f64, usize) {
    let (hours, step) = r.pick(spans);
    (hours, (hours * 3600.0 / step) as usize)
}

/// The part of all requests that was served by each reading.
pub(crate) fn served(load: &[f64]) -> Vec<f64> {
    let all: f64 = load.iter().sum();
    let mut sum = 0.0;
    let part = load.iter().map(|requests| {
        sum += requests;
        sum / all
    });
    part.collect()
}

/// A stationary autoregression of this deviation.
pub(crate) fn autoregression(r: &mut Random, count: usize, kept: f64, deviation: f64) -> Vec<f64> {
    let fresh = (1.0 - kept * kept).sqrt();
    let mut state = r.normal();
    (0..count)
        .map(|_| {
            let now = state;
            state = kept * state + fresh * r.normal();
            deviation * now
        })
        .collect()
}

/// A saw-tooth whose period drifts, of up to forty deviations' height.
fn saw(r: &mut Random, run: &Run) -> Vec<f64> {
    let height = run.noise * r.scale(3.0, 40.0);
    let longest = run.count as f64 / 10.0;
    let (from, to) = (r.scale(5.0, longest), r.scale(5.0, longest));
    let mut phase = r.uniform();
    (0..run.count)
        .map(|at| {
            let x = at as f64 / run.count as f64;
            phase += 1.0 / (from + (to - from) * x);
            height * phase.fract()
        })
        .collect()
}

/// One to three steps of many deviations.
fn steps(r: &mut Random, sign: impl Fn(&mut Random) -> f64) -> Series {
    let run = Run::draw(r);
    let steps: Vec<(f64, f64)> = (0..r.whole(1, 3))
        .map(|_| {
            let height = run.noise * r.scale(2.0, 40.0);
            (r.between(0.03, 0.97), height * sign(r))
        })
        .collect();
    run.level(r, |x, _| {
        steps
            .iter()
            .map(|(at, height)| if x >= *at { *height } else { 0.0 })
            .sum()
    })
}

/// A line under noise of one sort, for the coverage of intervals: the series
/// and its slope per hour.
pub(crate) fn line(seed: u64, kept: f64, heavy: bool) -> (Series, f64) {
    let mut r = Random::new(seed ^ 0x11fe);
    let run = Run::draw(&mut r);
    let growth = run.noise * r.between(-6.0, 6.0);
    let wander = autoregression(&mut r, run.count, kept, run.noise);
    let series = run.series(&mut r, |r, at, x| {
        let noise = if heavy {
            run.noise * r.student(3)
        } else {
            wander[at]
        };
        growth * x + noise
    });
    (series, growth / run.hours)
}
