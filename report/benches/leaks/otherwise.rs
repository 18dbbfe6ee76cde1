//! The same kinds drawn by other rules: other shapes, sizes, units and ticks
//! than `kinds`, to see whether what holds there holds elsewhere.

use std::f64::consts::TAU;

use crate::kinds::{Kind, Series, autoregression, kind, length, served};
use crate::random::Random;

pub(crate) const HEALTHY: &[Kind] = &[
    kind("counts", |r, _| {
        let run = Run::draw(r).counted(r);
        let wander = run.wander(r, &[0.0, 0.5, 0.9]);
        run.series(|_, at| wander[at])
    }),
    kind("AR(1), much or little", |r, _| {
        let run = Run::draw(r);
        let wander = run.wander(r, &[0.5, 0.7, 0.85, 0.93, 0.97]);
        run.series(|_, at| wander[at])
    }),
    kind("sum of two AR(1)", |r, _| {
        let run = Run::draw(r);
        let (slow, fast) = (run.wander(r, &[0.95, 0.97]), run.wander(r, &[0.0, 0.6]));
        let share = r.between(0.2, 1.5);
        run.series(|_, at| slow[at] + share * fast[at])
    }),
    kind("walk under a ceiling", |r, _| {
        let run = Run::draw(r);
        let (until, ceiling) = (r.between(0.1, 0.4), run.noise * r.scale(5.0, 40.0));
        let length = until * run.count() as f64;
        let mut wander = 0.0;
        let walk: Vec<f64> = (0..run.count())
            .map(|_| {
                let drift = ceiling / length;
                wander = f64::clamp(
                    wander + drift + 0.3 * ceiling / length.sqrt() * r.normal(),
                    0.0,
                    ceiling,
                );
                wander
            })
            .collect();
        let noise = run.wander(r, &[0.0, 0.7]);
        run.series(|_, at| walk[at] + noise[at])
    }),
    kind("two-stage warm-up", |r, _| {
        let run = Run::draw(r);
        let (fast, slow) = (r.between(0.005, 0.05), r.between(0.06, 0.3));
        let (first, then) = (r.scale(5.0, 80.0), r.scale(3.0, 40.0));
        let wander = run.wander(r, &[0.0, 0.0, 0.6]);
        run.series(|x, at| {
            let risen = first * (1.0 - (-x / fast).exp()) + then * (1.0 - (-x / slow).exp());
            run.noise * risen + wander[at]
        })
    }),
    kind("cache that fills", |r, _| {
        // In a straight line until it is full.
        let run = Run::draw(r);
        let (full, size) = (r.between(0.05, 0.65), run.noise * r.scale(5.0, 200.0));
        let wander = run.wander(r, &[0.0, 0.0, 0.6]);
        run.series(|x, at| size * (x / full).min(1.0) + wander[at])
    }),
    kind("collections, uneven", |r, _| {
        let run = Run::draw(r);
        let saw = saw(r, &run);
        let wander = run.wander(r, &[0.0, 0.5]);
        run.series(|_, at| saw[at] + 0.3 * wander[at])
    }),
    kind("steps, some soft", |r, _| {
        let run = Run::draw(r);
        let steps: Vec<[f64; 3]> = (0..r.whole(1, 4))
            .map(|_| {
                [
                    r.between(0.02, 0.98),
                    r.pick(&[1e-6, 0.005, 0.02]),
                    run.noise * r.scale(2.0, 80.0) * r.pick(&[1.0, 1.0, -1.0]),
                ]
            })
            .collect();
        let wander = run.wander(r, &[0.0, 0.5, 0.9]);
        run.series(|x, at| {
            let of =
                |[from, length, height]: &[f64; 3]| height * ((x - from) / length).clamp(0.0, 1.0);
            steps.iter().map(of).sum::<f64>() + wander[at]
        })
    }),
    kind("office hours", |r, _| {
        let run = Run::draw_of(r, &DAYS);
        let (phase, height) = (r.uniform(), run.noise * r.scale(2.0, 40.0));
        let turns = run.hours / 24.0;
        let flat = r.pick(&[1.0, 2.5]);
        let cycle = |x: f64| ((TAU * (turns * x + phase)).sin() * flat).clamp(-0.3, 1.0);
        let wander = run.wander(r, &[0.0, 0.5, 0.9]);
        let load = (r.uniform() < 0.5)
            .then(|| run.loads(|x| 200.0 * (1.0 + cycle(x)) * (1.0 + 0.05 * r.normal())));
        let series = run.series(|x, at| height * cycle(x) + wander[at]);
        Series { load, ..series }
    }),
    kind("load in stages", |r, _| {
        let run = Run::draw(r);
        let stages = r.whole(2, 6);
        let most = r.between(2.0, 6.0);
        let down = r.uniform() < 0.3;
        let stage = |x: f64| {
            let x = if down && x > 0.8 { 0.3 } else { x };
            1.0 + (most - 1.0) * (x * stages as f64).floor() / stages as f64
        };
        let (share, shaky) = (run.noise * r.scale(2.0, 30.0), r.between(0.01, 0.15));
        let wander = run.wander(r, &[0.0, 0.5]);
        let load = run.loads(|x| 50.0 * stage(x) * (1.0 + shaky * r.normal()));
        let series = run.series(|x, at| share * stage(x) + wander[at]);
        Series {
            load: Some(load),
            ..series
        }
    }),
    kind("bursts that pass", |r, _| {
        let run = Run::draw(r);
        let bursts: Vec<[f64; 3]> = (0..r.whole(1, 3))
            .map(|_| {
                [
                    r.between(0.0, 0.9),
                    r.between(0.03, 0.4),
                    run.noise * r.scale(4.0, 80.0),
                ]
            })
            .collect();
        let wander = run.wander(r, &[0.0, 0.5]);
        run.series(|x, at| {
            let of = |[from, length, height]: &[f64; 3]| {
                let gone = (x - from) / length;
                if gone < 0.0 {
                    0.0
                } else {
                    height * (1.0 - gone).max(0.0)
                }
            };
            bursts.iter().map(of).sum::<f64>() + wander[at]
        })
    }),
    kind("few levels", |r, _| {
        let run = Run::draw(r);
        let wander = run.wander(r, &[0.0, 0.9, 0.97]);
        let stair = run.noise * r.scale(1.0, 8.0);
        run.series(|_, at| (wander[at] / stair).round() * stair)
    }),
    kind("torn", |r, _| {
        let run = Run::draw(r);
        let wander = run.wander(r, &[0.0, 0.5, 0.9]);
        let mut series = run.series(|_, at| wander[at]);
        // Readings that come twice, clocks that jump, long stretches without.
        for at in 1..series.hours.len() {
            if r.uniform() < 0.1 {
                series.hours[at] = series.hours[at - 1];
            }
            if r.uniform() < 0.3 {
                series.values[at] = f64::NAN;
            }
        }
        let (from, gap) = (r.between(0.1, 0.9), run.hours * r.between(0.1, 1.0));
        for hour in &mut series.hours {
            if *hour > from * run.hours {
                *hour += gap;
            }
        }
        series
    }),
    kind("spikes upwards", |r, _| {
        let run = Run::draw(r);
        let (often, height) = (r.scale(0.005, 0.1), run.noise * r.scale(5.0, 100.0));
        let wander = run.wander(r, &[0.0, 0.5]);
        let spikes: Vec<f64> = (0..run.count())
            .map(|_| {
                if r.uniform() < often {
                    height * -r.uniform().max(1e-9).ln()
                } else {
                    0.0
                }
            })
            .collect();
        run.series(|_, at| wander[at] + spikes[at])
    }),
];

pub(crate) const LEAKS: &[Kind] = &[
    kind("counted", |r, growth| {
        let run = Run::draw(r).counted(r);
        run.leaking(r, growth, |x| x)
    }),
    kind("linear", |r, growth| {
        let run = Run::draw(r);
        run.leaking(r, growth, |x| x)
    }),
    kind("per request, in stages", |r, growth| {
        let run = Run::draw(r);
        let stages: Vec<f64> = (0..r.whole(2, 8)).map(|_| r.between(20.0, 200.0)).collect();
        let load = run.loads(|x| {
            let stage = (x * stages.len() as f64) as usize;
            stages[stage.min(stages.len() - 1)] * (1.0 + 0.05 * r.normal())
        });
        let served = served(&load);
        let wander = run.wander(r, &[0.0, 0.3, 0.6]);
        let series = run.series(|_, at| run.noise * growth * served[at] + wander[at]);
        Series {
            load: Some(load),
            ..series
        }
    }),
    kind("in jumps", |r, growth| {
        let run = Run::draw(r);
        let jumps: Vec<f64> = (0..r.whole(8, 40)).map(|_| r.uniform()).collect();
        run.leaking(r, growth, |x| {
            jumps.iter().filter(|at| **at <= x).count() as f64 / jumps.len() as f64
        })
    }),
    kind("late, then steady", |r, growth| {
        let run = Run::draw(r);
        let start = r.between(0.1, 0.6);
        run.leaking(r, growth, move |x| ((x - start) / (1.0 - start)).max(0.0))
    }),
    kind("doubling", |r, growth| {
        let run = Run::draw(r);
        let times = r.between(1.0, 4.0);
        run.leaking(r, growth, move |x| {
            (times * x).exp_m1() / f64::exp_m1(times)
        })
    }),
    kind("under collections", |r, growth| {
        let run = Run::draw(r);
        let saw = saw(r, &run);
        let wander = run.wander(r, &[0.0, 0.5]);
        run.series(|x, at| run.noise * growth * x + saw[at] + wander[at])
    }),
];

/// Hours and seconds from one reading to the next.
const ANY: [(f64, f64); 8] = [
    (0.25, 5.0),
    (0.3, 1.0),
    (0.5, 5.0),
    (1.0, 10.0),
    (2.0, 1.0),
    (8.0, 30.0),
    (24.0, 10.0),
    (72.0, 120.0),
];
const DAYS: [(f64, f64); 3] = [(26.0, 30.0), (48.0, 120.0), (72.0, 300.0)];

struct Run {
    hours: f64,
    times: Vec<f64>,
    column: &'static str,
    level: f64,
    noise: f64,
}

impl Run {
    fn draw(r: &mut Random) -> Run {
        Run::draw_of(r, &ANY)
    }

    fn draw_of(r: &mut Random, spans: &[(f64, f64)]) -> Run {
        let (hours, count) = length(r, spans);
        let late = r.pick(&[0.0, 0.0, 0.4]);
        let times = (0..count)
            .map(|at| (at as f64 + late * r.uniform()) / count as f64 * hours)
            .collect();
        let level = r.scale(30.0, 4000.0);
        Run {
            hours,
            times,
            column: "rss_mb",
            level,
            // From a tenth of a percent of the level, but no grain of sand.
            noise: (level * r.scale(0.001, 0.02)).max(1.0),
        }
    }

    /// The same of things, which are whole and not many.
    fn counted(self, r: &mut Random) -> Run {
        Run {
            column: "open_fds",
            level: r.scale(10.0, 300.0),
            noise: r.between(1.5, 6.0),
            ..self
        }
    }

    fn count(&self) -> usize {
        self.times.len()
    }

    fn wander(&self, r: &mut Random, kept: &[f64]) -> Vec<f64> {
        let kept = r.pick(kept);
        autoregression(r, self.count(), kept, self.noise)
    }

    fn series(&self, value: impl Fn(f64, usize) -> f64) -> Series {
        let whole = self.column == "open_fds";
        let values = self.times.iter().enumerate().map(|(at, hour)| {
            let value = self.level + value(hour / self.hours, at);
            if whole { value.round().max(0.0) } else { value }
        });
        Series {
            column: self.column,
            hours: self.times.clone(),
            values: values.collect(),
            load: None,
        }
    }

    fn leaking(&self, r: &mut Random, growth: f64, leak: impl Fn(f64) -> f64) -> Series {
        let wander = self.wander(r, &[0.0, 0.0, 0.3, 0.6]);
        self.series(|x, at| self.noise * growth * leak(x) + wander[at])
    }

    fn loads(&self, mut load: impl FnMut(f64) -> f64) -> Vec<f64> {
        self.times
            .iter()
            .map(|hour| load(hour / self.hours))
            .collect()
    }
}

/// Teeth of uneven length and height, which begin where the heap was left.
fn saw(r: &mut Random, run: &Run) -> Vec<f64> {
    let height = run.noise * r.scale(3.0, 30.0);
    let usual = r.scale(8.0, run.count() as f64 / 12.0);
    let uneven = r.between(0.0, 0.4);
    let (mut gone, mut length) = (usual * r.uniform(), usual);
    (0..run.count())
        .map(|_| {
            gone += 1.0;
            if gone >= length {
                gone = 0.0;
                length = (usual * (1.0 + uneven * r.normal())).max(3.0);
            }
            height * gone / usual
        })
        .collect()
}
