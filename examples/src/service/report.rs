//! `GET /report`: what the newest orders sold, as a page of text.
//!
//! The figures cost some milliseconds of CPU, so they are made off the async workers, as they should be.

use std::sync::Arc;

use axum::extract::State;

use super::Counter;
use super::ledger::{Sale, rank_products, render_report, tally_revenue};
use super::refusal::Refusal;

/// The sales report.
pub(super) async fn sales(State(counter): State<Arc<Counter>>) -> Result<String, Refusal> {
    let sales: Vec<Sale> = counter
        .store
        .newest_sales()
        .await?
        .into_iter()
        .map(Sale::from)
        .collect();
    let _turn = counter
        .reports
        .acquire()
        .await
        .map_err(|error| Refusal::internal(&error))?;
    // A blocking task begins without a span; the request's goes with it, so that its CPU is the request's.
    let span = tracing::Span::current();
    let page = tokio::task::spawn_blocking(move || {
        span.in_scope(|| {
            let revenue = tally_revenue(&sales);
            let ranking = rank_products(&sales);
            render_report(&sales, &revenue, &ranking)
        })
    });
    page.await.map_err(|error| Refusal::internal(&error))
}
