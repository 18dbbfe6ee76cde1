//! What single readings are worth: which cannot be, how fine they are, and whether
//! they are all of one thing.

use super::candidates::Unit;
use super::window::Point;

/// The rule of rows that are about several things in turn.
pub(super) const TURNS: &str = "turns";

/// Rows at each time of which it is asked whether they are of different things.
const MAX_TURNS: usize = 64;
/// Times with so many rows each.
const MIN_TIMES: usize = 8;
/// The part of the variance within a time that the places in it explain.
const BY_PLACE: f64 = 0.5;

/// Leaves out what no process can hold: less than nothing; and at the end no
/// memory at all, which is a process that has gone.
pub(super) fn leave_out_impossible(points: &mut Vec<Point>, unit: Unit) {
    points.retain(|point| point.1 >= 0.0);
    let held = points.iter().any(|point| point.1 > 0.0);
    if held && matches!(unit, Unit::Memory { .. }) {
        while points.last().is_some_and(|point| point.1 <= 0.0) {
            points.pop();
        }
    }
}

/// Readings that are looked at first.
const FEW: usize = 1_000;

/// The least by which two readings differ; 0 where all are equal. Where that of
/// some is no more than `matters`, that will do: all have none that is larger.
pub(super) fn resolution(points: &[Point], matters: f64) -> f64 {
    let few = points.iter().step_by(points.len() / FEW + 1);
    match least_gap(few.map(|point| point.1).collect()) {
        least if least > 0.0 && least <= matters => least,
        _ => least_gap(points.iter().map(|point| point.1).collect()),
    }
}

fn least_gap(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let apart = values.windows(2).map(|pair| pair[1] - pair[0]);
    let highest = values.last().map_or(0.0, |value| value.abs());
    // What is less is rounding.
    let least = apart.filter(|apart| *apart > 1e-9 * highest);
    let least = least.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

/// Whether each time has several rows that differ by their place among them.
pub(super) fn take_turns(points: &[Point]) -> bool {
    let times = || points.chunk_by(|a, b| a.0 == b.0);
    let count = times().count();
    if count < MIN_TIMES || points.len() < 2 * count - count / 2 {
        return false;
    }
    let mut times: Vec<&[Point]> = times().collect();
    // The usual number of rows at a time.
    let mut sizes: Vec<usize> = times.iter().map(|time| time.len()).collect();
    sizes.sort_unstable();
    let usual = sizes[sizes.len() / 2];
    times.retain(|time| time.len() == usual);
    if !(2..=MAX_TURNS).contains(&usual) || times.len() < MIN_TIMES {
        return false;
    }
    let mut by_place = vec![0.0; usual];
    let mut within = 0.0;
    for time in &times {
        let mean = time.iter().map(|point| point.1).sum::<f64>() / usual as f64;
        for (sum, point) in by_place.iter_mut().zip(*time) {
            *sum += point.1 - mean;
            within += (point.1 - mean).powi(2);
        }
    }
    let count = times.len() as f64;
    let explained: f64 = by_place.iter().map(|sum| sum * sum / count).sum();
    within > 0.0 && explained > BY_PLACE * within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_seen_and_fast_readings_are_none() {
        let noise = |n: usize| (n * 7_919 % 101) as f64 / 50.0;
        let three: Vec<Point> = (0..120)
            .map(|n| ((n / 3) as f64, 100.0 + 10.0 * (n % 3) as f64 + noise(n)))
            .collect();
        assert!(take_turns(&three));
        let fast: Vec<Point> = (0..120)
            .map(|n| ((n / 3) as f64, 100.0 + noise(n)))
            .collect();
        assert!(!take_turns(&fast));
        let leaking: Vec<Point> = (0..120)
            .map(|n| ((n / 3) as f64, 100.0 + n as f64 / 100.0 + noise(n)))
            .collect();
        assert!(!take_turns(&leaking));
    }

    #[test]
    fn a_process_that_has_gone_holds_nothing_and_is_left_out() {
        let memory = Unit::Memory { bytes: 1 };
        let mut points = vec![(0.0, 5.0), (1.0, 0.0), (2.0, -1.0), (3.0, 6.0), (4.0, 0.0)];
        let mut counts = points.clone();
        leave_out_impossible(&mut points, memory);
        assert_eq!(points, [(0.0, 5.0), (1.0, 0.0), (3.0, 6.0)]);
        leave_out_impossible(&mut counts, Unit::Count);
        assert_eq!(counts.len(), 4, "none is a number of things, too");
        assert_eq!(resolution(&points, 0.0), 1.0);
        let many: Vec<Point> = (0..5_000).map(|n| (n as f64, (n % 4) as f64)).collect();
        assert_eq!(resolution(&many, 0.5), 1.0);
        assert_eq!(resolution(&[(0.0, 2.0), (1.0, 2.0)], 9.0), 0.0);
    }
}
