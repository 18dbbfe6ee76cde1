//! A series reduced to the floor of each block.
//!
//! A cache that fills and is emptied, a heap that grows until it is collected:
//! a line through such a saw-tooth points up or down by accident. Its floor
//! does not, and a leak lifts the floor.

/// Blocks a series is cut into: few samples each for a short run, and no more
/// than are needed for a slope.
const SAMPLES_PER_BLOCK: usize = 4;
const LEAST_BLOCKS: usize = 8;
const MOST_BLOCKS: usize = 60;

/// One sample: hours and value.
pub(super) type Point = (f64, f64);

/// The lowest sample of each of a number of equal stretches of samples.
pub(super) fn floors(points: &[Point]) -> Vec<Point> {
    let blocks = (points.len() / SAMPLES_PER_BLOCK).clamp(LEAST_BLOCKS, MOST_BLOCKS);
    blocks_of(points, blocks)
        .filter_map(|block| {
            let floor = block.iter().map(|p| p.1).min_by(f64::total_cmp)?;
            let middle = (block.first()?.0 + block.last()?.0) / 2.0;
            Some((middle, floor))
        })
        .collect()
}

/// The floor of each quarter: its lowest tenth, so that one false reading does
/// not stand for a quarter.
pub(super) fn quarters(points: &[Point]) -> Vec<Option<f64>> {
    blocks_of(points, 4)
        .map(|block| {
            let mut values: Vec<f64> = block.iter().map(|p| p.1).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 10).copied()
        })
        .collect()
}

fn blocks_of(points: &[Point], blocks: usize) -> impl Iterator<Item = &[Point]> {
    let at = move |block: usize| block * points.len() / blocks.max(1);
    (0..blocks).map(move |block| &points[at(block)..at(block + 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saw_tooth_is_flat_at_its_floor() {
        let points: Vec<Point> = (0..400)
            .map(|n| (n as f64, 100.0 + (n % 5) as f64))
            .collect();
        let floors = floors(&points);
        assert_eq!(floors.len(), MOST_BLOCKS);
        assert!(floors.iter().all(|floor| floor.1 == 100.0));
    }

    #[test]
    fn quarters_shrug_off_one_false_reading() {
        let mut points: Vec<Point> = (0..40).map(|n| (n as f64, 50.0)).collect();
        points[25].1 = 0.0;
        assert_eq!(quarters(&points), [Some(50.0); 4]);
        assert_eq!(quarters(&[]), [None; 4]);
    }
}
