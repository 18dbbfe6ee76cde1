//! Axes: where a value lies and which round numbers to write beside it.

use crate::number::number;
use crate::timeline::Timeline;

/// The shared time axis.
#[derive(Debug)]
pub(super) struct TimeAxis {
    left: f64,
    right: f64,
    /// Hours at the left and the right end.
    from: f64,
    to: f64,
}

/// Units of time: name, hours in one, steps between ticks in that unit.
const TIME_UNITS: [(&str, f64, &[f64]); 4] = [
    (
        "seconds",
        1.0 / 3600.0,
        &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0],
    ),
    (
        "minutes",
        1.0 / 60.0,
        &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0],
    ),
    ("hours", 1.0, &[0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 12.0]),
    ("days", 24.0, &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]),
];

impl TimeAxis {
    pub(super) fn new(timeline: &Timeline, left: f64, right: f64) -> TimeAxis {
        let hours = timeline.elapsed_hours();
        let from = hours.first().copied().unwrap_or(0.0);
        let to = hours.last().copied().unwrap_or(0.0);
        TimeAxis {
            left,
            right,
            from,
            // A single row still needs a width to lie in.
            to: if to > from { to } else { from + 1.0 / 3600.0 },
        }
    }

    pub(super) fn x(&self, hours: f64) -> f64 {
        self.left + (hours - self.from) / (self.to - self.from) * (self.right - self.left)
    }

    pub(super) fn left(&self) -> f64 {
        self.left
    }

    pub(super) fn right(&self) -> f64 {
        self.right
    }

    /// Ticks as hours and label, and the unit of the labels.
    fn ticks(&self) -> (Vec<(f64, String)>, &'static str) {
        let span = self.to - self.from;
        let fits = |(_, unit, steps): &&(&str, f64, &[f64])| {
            steps.last().is_some_and(|step| span / unit / step <= 12.0)
        };
        let &(name, unit, steps) = TIME_UNITS.iter().find(fits).unwrap_or(&TIME_UNITS[3]);
        let step = steps
            .iter()
            .copied()
            .find(|step| span / unit / step <= 12.0)
            .unwrap_or_else(|| (span / unit / 12.0).ceil());
        let first = (self.from / unit / step).ceil() as i64;
        let last = (self.to / unit / step + 1e-9).floor() as i64;
        let ticks = (first..=last)
            .map(|n| n as f64 * step)
            .map(|at| (at * unit, number(at, 1)))
            .collect();
        (ticks, name)
    }

    /// Where vertical grid lines lie.
    pub(super) fn grid(&self) -> Vec<f64> {
        self.ticks()
            .0
            .iter()
            .map(|(hours, _)| self.x(*hours))
            .collect()
    }

    pub(super) fn draw(&self, y: f64) -> String {
        let (ticks, unit) = self.ticks();
        let mut svg = String::new();
        for (hours, label) in ticks {
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{label}</text>\n",
                self.x(hours),
                y + 17.0
            ));
        }
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{unit} since the start</text>\n",
            (self.left + self.right) / 2.0,
            y + 36.0
        ));
        svg
    }
}

/// The value axis of one panel.
#[derive(Debug)]
pub(super) struct ValueAxis {
    low: f64,
    high: f64,
    step: f64,
    top: f64,
    bottom: f64,
}

impl ValueAxis {
    /// An axis that holds all values. It starts at zero unless that would hide
    /// how they change.
    pub(super) fn new(low: f64, high: f64, top: f64, bottom: f64) -> ValueAxis {
        let near_zero = low >= 0.0 && low < 0.6 * high;
        let low = if near_zero { 0.0 } else { low };
        let span = if high > low {
            high - low
        } else {
            high.abs().max(1.0) * 0.1
        };
        let rows = ((bottom - top) / 34.0).max(2.0);
        let step = round_step(span / rows);
        let low = (low / step).floor() * step;
        let high = ((high / step).ceil() * step).max(low + step);
        ValueAxis {
            low,
            high,
            step,
            top,
            bottom,
        }
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)
    }

    /// Ticks as height and label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        let count = ((self.high - self.low) / self.step)
            .round()
            .clamp(1.0, 20.0) as usize;
        (0..=count)
            .map(|n| self.low + n as f64 * self.step)
            .map(|value| (self.y(value), with_thousands(&number(value, decimals))))
            .collect()
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|n| n * power >= least * 0.999);
    step.unwrap_or(10.0) * power
}

/// `1234567` as `1 234 567`, with thin spaces.
fn with_thousands(number: &str) -> String {
    let (whole, rest) = match number.find('.') {
        Some(point) => number.split_at(point),
        None => (number, ""),
    };
    let digits = whole.trim_start_matches('-').len();
    let mut text = String::new();
    for (index, c) in whole.trim_start_matches('-').chars().enumerate() {
        if index > 0 && (digits - index).is_multiple_of(3) && digits > 4 {
            text.push('\u{2009}');
        }
        text.push(c);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    format!("{sign}{text}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_hold_the_values() {
        for (low, high) in [
            (0.0, 1.0),
            (97.0, 103.0),
            (3.0, 3.0),
            (-5.0, 1e6),
            (0.0, 0.0),
        ] {
            let axis = ValueAxis::new(low, high, 0.0, 150.0);
            assert!(axis.low <= low && high <= axis.high, "{axis:?}");
            assert!((2..=20).contains(&axis.ticks().len()), "{axis:?}");
        }
        assert_eq!(round_step(0.013), 0.02);
        assert_eq!(round_step(7.0), 10.0);
    }

    #[test]
    fn growth_on_a_high_level_is_not_flattened() {
        let axis = ValueAxis::new(500.0, 540.0, 0.0, 150.0);
        assert!(axis.low >= 400.0);
        assert_eq!(ValueAxis::new(1.0, 540.0, 0.0, 150.0).low, 0.0);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(with_thousands("1234"), "1234");
        assert_eq!(with_thousands("-1234567.5"), "-1\u{2009}234\u{2009}567.5");
    }
}
