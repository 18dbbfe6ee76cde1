//! How likely a growth is without a leak, and how many may be believed.

/// The probability that a fair coin shows heads at least `heads` times in
/// `heads + tails`.
pub(super) fn fair_coin(heads: u64, tails: u64) -> f64 {
    let flips = heads + tails;
    if heads == 0 {
        return 1.0;
    }
    // The logarithm of the probability of exactly `heads`, then its neighbours.
    let log_choose: f64 = (1..=tails)
        .map(|k| ((heads + k) as f64 / k as f64).ln())
        .sum();
    let mut term = (log_choose - flips as f64 * std::f64::consts::LN_2).exp();
    if term == 0.0 {
        // Below the smallest number there is, or the sum is all but one.
        return if heads > tails { 0.0 } else { 1.0 };
    }
    let mut sum = 0.0;
    for k in heads..=flips {
        sum += term;
        term *= (flips - k) as f64 / (k + 1) as f64;
    }
    sum.min(1.0)
}

/// Which of these chances are small enough that of all those a share of
/// `rate` is false on average (Benjamini and Hochberg 1995).
pub(super) fn rejected(chances: &[f64], rate: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]));
    let believed = order
        .iter()
        .enumerate()
        .filter(|(rank, index)| chances[**index] <= rate * (rank + 1) as f64 / chances.len() as f64)
        .map(|(rank, _)| rank + 1)
        .max()
        .unwrap_or(0);
    let mut rejected = vec![false; chances.len()];
    for index in &order[..believed] {
        rejected[*index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coin_is_fair() {
        for (heads, tails, chance) in [
            (0, 5, 1.0),
            (5, 0, 1.0 / 32.0),
            (4, 1, 6.0 / 32.0),
            (60, 40, 0.028_443_966),
            (5_000, 5_000, 0.503_989),
            (9_000, 1_000, 0.0),
            (1_000, 9_000, 1.0),
        ] {
            let found = fair_coin(heads, tails);
            assert!((found - chance).abs() < 1e-6, "{heads}:{tails} {found}");
        }
    }

    #[test]
    fn one_sure_discovery_lets_a_less_sure_one_in() {
        assert_eq!(
            rejected(&[0.9, 0.001, 0.02, 0.2], 0.05),
            [false, true, true, false]
        );
        assert_eq!(rejected(&[0.03, 0.9], 0.05), [false, false]);
        assert!(rejected(&[], 0.05).is_empty());
    }
}
