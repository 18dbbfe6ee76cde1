//! The arithmetic of the sales report: pure functions that burn CPU for a reason.
//!
//! They are `#[inline(never)]` so that a flame graph shows each under its own name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use super::store::SaleRow;

/// Resamples behind the interval of the revenue.
const RESAMPLES: usize = 4_000;
/// Rounds until the ranking is as settled as the report shows it.
const ROUNDS: usize = 200;
/// The share of a product's rank that it passes on to what is bought with it.
const DAMPING: f64 = 0.85;

/// One line of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sale {
    order: i64,
    product: i64,
    name: String,
    category: String,
    quantity: i64,
    price_cents: i64,
}

impl From<SaleRow> for Sale {
    fn from((order, product, name, category, quantity, price_cents): SaleRow) -> Self {
        Self {
            order,
            product,
            name,
            category,
            quantity,
            price_cents,
        }
    }
}

impl Sale {
    fn cents(&self) -> i64 {
        self.quantity * self.price_cents
    }
}

/// What came in, and how far chance could have moved it.
#[derive(Debug, PartialEq)]
pub(super) struct Revenue {
    total_cents: i64,
    low_cents: i64,
    high_cents: i64,
    by_category: BTreeMap<String, i64>,
}

/// Adds up the revenue, with a 95 % interval by resampling whole orders (Efron's percentile bootstrap).
#[inline(never)]
pub(super) fn tally_revenue(sales: &[Sale]) -> Revenue {
    let mut by_category = BTreeMap::new();
    let mut by_order: BTreeMap<i64, i64> = BTreeMap::new();
    for sale in sales {
        *by_category.entry(sale.category.clone()).or_default() += sale.cents();
        *by_order.entry(sale.order).or_default() += sale.cents();
    }
    let orders: Vec<i64> = by_order.into_values().collect();
    let total_cents = orders.iter().sum();
    let mut chance = orders.len() as u64 + 1;
    let mut resampled: Vec<i64> = (0..RESAMPLES)
        .map(|_| {
            (0..orders.len())
                .map(|_| orders[draw(&mut chance) as usize % orders.len()])
                .sum()
        })
        .collect();
    resampled.sort_unstable();
    let (low_cents, high_cents) = (
        resampled[RESAMPLES / 40],
        resampled[RESAMPLES - 1 - RESAMPLES / 40],
    );
    Revenue {
        total_cents,
        low_cents,
        high_cents,
        by_category,
    }
}

/// The next of a stream of well-mixed numbers (Steele, Lea and Flood's SplitMix64, 2014).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) >> 33
}

/// Ranks products by what is bought together with them: PageRank over the graph of shared orders.
///
/// Gives `(product, rank)`, best first; the ranks add up to 1.
#[inline(never)]
pub(super) fn rank_products(sales: &[Sale]) -> Vec<(i64, f64)> {
    let mut index: HashMap<i64, usize> = HashMap::new();
    let mut orders: HashMap<i64, Vec<usize>> = HashMap::new();
    for sale in sales {
        let next = index.len();
        let node = *index.entry(sale.product).or_insert(next);
        orders.entry(sale.order).or_default().push(node);
    }
    let mut partners: Vec<Vec<usize>> = vec![Vec::new(); index.len()];
    for nodes in orders.values() {
        for &a in nodes {
            partners[a].extend(nodes.iter().filter(|&&b| b != a));
        }
    }
    let even = 1.0 / index.len().max(1) as f64;
    let mut ranks = vec![even; index.len()];
    for _ in 0..ROUNDS {
        let mut next = vec![0.0; ranks.len()];
        let mut unlinked = 0.0;
        for (node, partners) in partners.iter().enumerate() {
            if partners.is_empty() {
                unlinked += ranks[node];
            }
            for &partner in partners {
                next[partner] += ranks[node] / partners.len() as f64;
            }
        }
        for rank in &mut next {
            *rank = (1.0 - DAMPING) * even + DAMPING * (*rank + unlinked * even);
        }
        ranks = next;
    }
    let mut ranking: Vec<(i64, f64)> = index
        .into_iter()
        .map(|(product, node)| (product, ranks[node]))
        .collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranking
}

/// Writes the report: the revenue, then every product sold with its rank, pieces, money and a bar.
#[inline(never)]
pub(super) fn render_report(sales: &[Sale], revenue: &Revenue, ranking: &[(i64, f64)]) -> String {
    let mut sold: HashMap<i64, (&str, i64, i64)> = HashMap::new();
    for sale in sales {
        let (_, pieces, cents) = sold.entry(sale.product).or_insert((&sale.name, 0, 0));
        *pieces += sale.quantity;
        *cents += sale.cents();
    }
    let best = ranking.first().map_or(1.0, |(_, rank)| *rank);
    let mut page = String::with_capacity(64 * (ranking.len() + 8));
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "Revenue {} (95 % interval {} to {})",
        money(revenue.total_cents),
        money(revenue.low_cents),
        money(revenue.high_cents)
    );
    for (category, &cents) in &revenue.by_category {
        let _ = writeln!(page, "  {category:<12}{:>16}", money(cents));
    }
    for (place, (product, rank)) in ranking.iter().enumerate() {
        let (name, pieces, cents) = sold.get(product).copied().unwrap_or_default();
        let bar = "#".repeat((rank / best * 24.0).round() as usize);
        let _ = writeln!(
            page,
            "{:>5} {name:<28}{pieces:>5}{:>14}  {bar}",
            place + 1,
            money(cents)
        );
    }
    page
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(order: i64, product: i64, quantity: i64, price_cents: i64) -> Sale {
        Sale::from((
            order,
            product,
            format!("thing {product}"),
            "office".to_owned(),
            quantity,
            price_cents,
        ))
    }

    #[test]
    fn revenue_adds_up_and_lies_in_its_interval() {
        let sales: Vec<Sale> = (0..50).map(|n| sale(n / 2, n, 2, 100 + n)).collect();
        let revenue = tally_revenue(&sales);
        assert_eq!(
            revenue.total_cents,
            sales.iter().map(Sale::cents).sum::<i64>()
        );
        assert!(
            revenue.low_cents < revenue.total_cents && revenue.total_cents < revenue.high_cents
        );
        assert_eq!(revenue.by_category["office"], revenue.total_cents);
    }

    #[test]
    fn what_is_bought_with_most_ranks_first() {
        let sales = [
            sale(1, 1, 1, 1),
            sale(1, 2, 1, 1),
            sale(2, 1, 1, 1),
            sale(2, 3, 1, 1),
            sale(3, 4, 1, 1),
        ];
        let ranking = rank_products(&sales);
        assert_eq!(ranking[0].0, 1);
        assert!((ranking.iter().map(|(_, rank)| rank).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_shop_has_an_empty_report() {
        let revenue = tally_revenue(&[]);
        assert!(rank_products(&[]).is_empty());
        assert!(
            render_report(&[], &revenue, &[])
                .starts_with("Revenue 0.00 (95 % interval 0.00 to 0.00)")
        );
    }
}
