//! Many series, many chances of a false alarm.

/// For each of several chances, the level it must not exceed so that all of
/// them together raise a false alarm with no more than `alpha` (Holm 1979, "A
/// simple sequentially rejective multiple test procedure").
pub(super) fn levels(chances: &[Option<f64>], alpha: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len())
        .filter(|index| chances[*index].is_some())
        .collect();
    order.sort_by(|a, b| {
        let chance = |index: &usize| chances[*index].unwrap_or(1.0);
        chance(a).total_cmp(&chance(b))
    });
    let mut levels = vec![0.0; chances.len()];
    for (rank, index) in order.iter().enumerate() {
        let level = alpha / (order.len() - rank) as f64;
        levels[*index] = level;
        if chances[*index].unwrap_or(1.0) > level {
            // The first that fails takes all that are less certain with it.
            break;
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_pays_for_all_and_the_next_for_those_left() {
        let chances = [Some(0.02), None, Some(0.001), Some(0.03)];
        assert_eq!(levels(&chances, 0.06), [0.03, 0.0, 0.02, 0.06]);
        assert_eq!(levels(&chances, 0.03), [0.015, 0.0, 0.01, 0.0]);
    }
}
