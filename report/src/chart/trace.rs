//! One series as a line: no more points than pixels, and no line across a gap.

/// A stretch without readings this many times the usual step is a gap.
const GAP_STEPS: f64 = 3.5;

/// The series' points on the picture, a list for each unbroken stretch.
///
/// Where several readings fall on one pixel, the first, lowest, highest and
/// last are kept, so that no spike is lost.
pub(super) fn stretches(
    hours: &[f64],
    values: &[f64],
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) -> Vec<Vec<(f64, f64)>> {
    let points: Vec<(f64, f64)> = hours
        .iter()
        .zip(values)
        .filter(|(_, value)| value.is_finite())
        .map(|(hour, value)| (*hour, *value))
        .collect();
    // A series read every tenth tick has nine empty cells between two readings;
    // only what is missing by its own step is a gap.
    let gap = usual_step(&points) * GAP_STEPS;
    points
        .chunk_by(|a, b| b.0 - a.0 <= gap)
        .map(|stretch| {
            let mut drawn = Vec::new();
            for pixel in stretch.chunk_by(|a, b| x(a.0).floor() == x(b.0).floor()) {
                thin(pixel, &mut drawn);
            }
            drawn
                .into_iter()
                .map(|(hour, value)| (x(hour), y(value)))
                .collect()
        })
        .collect()
}

fn thin(pixel: &[(f64, f64)], drawn: &mut Vec<(f64, f64)>) {
    if pixel.len() <= 4 {
        drawn.extend(pixel);
        return;
    }
    let by_value = |a: &usize, b: &usize| pixel[*a].1.total_cmp(&pixel[*b].1);
    let mut kept = vec![0, pixel.len() - 1];
    kept.extend((0..pixel.len()).min_by(by_value));
    kept.extend((0..pixel.len()).max_by(by_value));
    kept.sort_unstable();
    kept.dedup();
    drawn.extend(kept.into_iter().map(|index| pixel[index]));
}

fn usual_step(points: &[(f64, f64)]) -> f64 {
    let mut steps: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(0.0)
}

/// The stretches as the data of one SVG path. A lone point becomes a dot.
pub(super) fn path(stretches: &[Vec<(f64, f64)>]) -> String {
    let mut path = String::new();
    for stretch in stretches {
        for (index, (x, y)) in stretch.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{command}{x:.1} {y:.1}"));
        }
        if stretch.len() == 1 {
            path.push_str("h0.1");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(hours: &[f64], values: &[f64]) -> Vec<Vec<(f64, f64)>> {
        stretches(hours, values, |x| x, |y| y)
    }

    #[test]
    fn gaps_break_the_line_and_sparse_series_do_not() {
        let hours: Vec<f64> = (0..20).map(f64::from).collect();
        let mut values = vec![1.0; 20];
        values[8..14].fill(f64::NAN);
        assert_eq!(plain(&hours, &values).len(), 2);
        let sparse: Vec<f64> = (0..20)
            .map(|n| if n % 5 == 0 { 1.0 } else { f64::NAN })
            .collect();
        assert_eq!(plain(&hours, &sparse).len(), 1);
    }

    #[test]
    fn many_points_become_few_and_the_spike_stays() {
        let hours: Vec<f64> = (0..100_000).map(|n| f64::from(n) / 100.0).collect();
        let mut values = vec![5.0; 100_000];
        values[54_321] = 99.0;
        let drawn = plain(&hours, &values);
        assert!(drawn[0].len() <= 4_000, "{}", drawn[0].len());
        assert!(drawn[0].iter().any(|point| point.1 == 99.0));
    }

    #[test]
    fn a_lone_point_is_visible() {
        assert_eq!(path(&plain(&[1.0], &[2.0])), "M1.0 2.0h0.1");
    }
}
