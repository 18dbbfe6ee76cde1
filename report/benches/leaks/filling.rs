//! What fills: tables that double, caches and pools that are full, and counts
//! under a load that begins and ends.

use crate::kinds::{Kind, Series, autoregression, kind, length};
use crate::random::Random;

/// Leaks of tables that double. No run may pass with one.
pub(crate) const TABLES: &[Kind] = &[
    kind("table, inline", |r, _| {
        let size = r.scale(8.0, 300.0);
        Run::draw(r).table(r, size, 0.0)
    }),
    kind("table, boxed", |r, _| {
        let (size, share) = (r.scale(8.0, 300.0), r.between(0.3, 0.8));
        Run::draw(r).table(r, size, share)
    }),
    kind("table, small", |r, _| {
        let (size, share) = (r.between(3.0, 8.0), r.pick(&[0.0, 0.0, 0.4]));
        Run::draw(r).table(r, size, share)
    }),
    kind("table, late", |r, _| {
        // Nothing is put in at first, and the load is known.
        let size = r.scale(8.0, 300.0);
        let mut run = Run::draw(r);
        run.from = r.between(0.05, 0.3);
        run.table(r, size, 0.0)
    }),
];

/// What filled in the first third, and then is level.
pub(crate) const FULL: &[Kind] = &[
    kind("cache, full early", |r, _| {
        let run = Run::draw(r);
        let (full, size) = (r.between(0.03, 0.33), run.noise * r.scale(5.0, 200.0));
        run.series(r, |x| size * (x / full).min(1.0))
    }),
    kind("table, full early", |r, _| {
        let run = Run::draw(r);
        let (full, size) = (r.between(0.05, 0.33), run.noise * r.scale(5.0, 200.0));
        run.series(r, |x| size * capacity((x / full).min(1.0), 1.0))
    }),
    kind("pool under load", |r, _| {
        let run = Run::draw(r).counted(r).loaded(r);
        let (from, until) = (run.from, run.until);
        let (full, size) = (r.between(0.005, 0.1), r.scale(10.0, 300.0));
        let stays = r.uniform() < 0.5;
        run.series(r, |x| {
            let open = ((x - from) / full).clamp(0.0, 1.0);
            let kept = if stays || x <= until { 1.0 } else { 0.0 };
            size * open * kept
        })
    }),
];

/// Counts that rise with every request, and stay when the load ends.
pub(crate) const NEVER_FALL: &[Kind] = &[
    kind("kept, load ends", |r, _| {
        let run = Run::draw(r).counted(r).loaded(r);
        let size = r.scale(30.0, 5000.0);
        run.kept(r, size)
    }),
    kind("kept, load unknown", |r, _| {
        let mut run = Run::draw(r).counted(r).loaded(r);
        // The load ended a few rows before the run did.
        run.from = r.between(0.0, 0.05);
        run.until = 1.0 - r.between(0.0, 0.08);
        run.tells_load = false;
        let size = r.scale(30.0, 5000.0);
        run.kept(r, size)
    }),
    kind("memory, load unknown", |r, _| {
        let mut run = Run::draw(r).loaded(r);
        run.from = r.between(0.0, 0.05);
        run.until = 1.0 - r.between(0.0, 0.08);
        run.tells_load = false;
        let size = run.noise * r.scale(5.0, 200.0);
        run.kept(r, size)
    }),
    kind("memory, load ends", |r, _| {
        let run = Run::draw(r).loaded(r);
        let size = run.noise * r.scale(5.0, 200.0);
        run.kept(r, size)
    }),
];

/// A rise that is still slowing when the run ends, or was until late: neither a
/// leak nor a pass.
pub(crate) const LATE: &[Kind] = &[
    kind("smooth rise, cut", |r, _| {
        let run = Run::draw(r);
        let (time, rise) = (r.between(0.35, 1.0), run.noise * r.scale(20.0, 300.0));
        run.series(r, |x| {
            rise * (1.0 - (-x / time).exp()) / (1.0 - (-1.0 / time).exp())
        })
    }),
    kind("plateau, late", |r, _| {
        let run = Run::draw(r);
        let (full, rise) = (r.between(0.6, 0.9), run.noise * r.scale(10.0, 300.0));
        run.series(r, |x| rise * (x / full).min(1.0))
    }),
];

/// The size of a table that doubles, where it holds so much that it did so last
/// at `last`.
fn capacity(filled: f64, last: f64) -> f64 {
    if filled <= 0.0 {
        return 0.0;
    }
    2.0_f64.powf((filled / last).log2().floor()).min(1.0)
}

/// Two minutes to three days, as hours and seconds from one reading to the next.
const ANY: [(f64, f64); 8] = [
    (1.0 / 30.0, 1.0),
    (1.0 / 15.0, 1.0),
    (0.25, 1.0),
    (1.0, 5.0),
    (4.0, 10.0),
    (12.0, 30.0),
    (24.0, 60.0),
    (72.0, 120.0),
];

struct Run {
    hours: f64,
    count: usize,
    column: &'static str,
    level: f64,
    noise: f64,
    /// The load's beginning and end, as parts of the time.
    from: f64,
    until: f64,
    tells_load: bool,
}

impl Run {
    fn draw(r: &mut Random) -> Run {
        let (hours, count) = length(r, &ANY);
        Run {
            hours,
            count,
            column: r.pick(&["rss_mb", "heap_live_mb", "cgroup_anon_mb"]),
            level: r.scale(30.0, 800.0),
            // In short runs, what is small does not matter.
            noise: if hours < 0.2 {
                r.scale(3.0, 6.0)
            } else {
                r.scale(1.0, 5.0)
            },
            from: 0.0,
            until: 1.0,
            tells_load: true,
        }
    }

    fn counted(self, r: &mut Random) -> Run {
        Run {
            column: r.pick(&["open_fds", "connections", "tokio_alive_tasks", "sessions"]),
            level: r.scale(10.0, 300.0),
            noise: r.pick(&[0.0, 0.5, 2.0, 4.0]),
            ..self
        }
    }

    /// With idle time before and after the load.
    fn loaded(self, r: &mut Random) -> Run {
        Run {
            from: r.between(0.02, 0.25),
            until: 1.0 - r.between(0.02, 0.25),
            ..self
        }
    }

    /// How much of all requests was served by then.
    fn served(&self, x: f64) -> f64 {
        ((x - self.from) / (self.until - self.from)).clamp(0.0, 1.0)
    }

    /// A table that doubles, with a share of what grows in a line; so many
    /// deviations in all.
    fn table(self, r: &mut Random, size: f64, share: f64) -> Series {
        let last = 2.0_f64.powf(-r.uniform());
        let size = size * self.noise;
        let served = |x: f64| ((x - self.from) / (self.until - self.from)).clamp(0.0, 1.0);
        let value = |x: f64| {
            let filled = served(x);
            size * (share * filled + (1.0 - share) * capacity(filled, last))
        };
        self.series(r, value)
    }

    /// What rises with each request and stays.
    fn kept(self, r: &mut Random, size: f64) -> Series {
        let (from, until) = (self.from, self.until);
        let value = |x: f64| size * ((x - from) / (until - from)).clamp(0.0, 1.0);
        self.series(r, value)
    }

    fn series(&self, r: &mut Random, value: impl Fn(f64) -> f64) -> Series {
        let kept = r.pick(&[0.0, 0.0, 0.3, 0.6]);
        let wander = autoregression(r, self.count, kept, self.noise);
        let whole = !self.column.ends_with("_mb");
        let last = self.count as f64 - 1.0;
        let place = |at: usize| at as f64 / last;
        let values = (0..self.count).map(|at| {
            let value = self.level + value(place(at)) + wander[at];
            if whole { value.round().max(0.0) } else { value }
        });
        let values = values.collect();
        let idles = self.from > 0.0 || self.until < 1.0;
        let load = (idles && self.tells_load).then(|| {
            let rate = |at: usize| {
                let on = self.served(place(at)) > 0.0 && place(at) <= self.until;
                f64::from(u8::from(on)) * 200.0 * (1.0 + 0.05 * r.normal())
            };
            (0..self.count).map(rate).collect()
        });
        Series {
            column: self.column,
            hours: (0..self.count).map(|at| self.hours * place(at)).collect(),
            values,
            load,
        }
    }
}
