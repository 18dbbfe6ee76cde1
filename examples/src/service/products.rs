//! `GET /products` and `GET /products/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::Counter;
use super::refusal::Refusal;

/// Products on a page unless the client asks for another number.
const PER_PAGE: i64 = 20;
/// The most a client can ask for.
const PER_PAGE_MOST: i64 = 100;

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default = "first")]
    page: i64,
    #[serde(default = "per_page")]
    per_page: i64,
}

fn first() -> i64 {
    1
}

fn per_page() -> i64 {
    PER_PAGE
}

#[derive(Serialize)]
pub(super) struct List {
    page: i64,
    products: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    id: i64,
    name: String,
    category: String,
    price_cents: i64,
}

#[derive(Serialize)]
pub(super) struct Product {
    id: i64,
    name: String,
    category: String,
    price_cents: i64,
    description: String,
}

/// One page of the products, in the order of their numbers.
pub(super) async fn list(
    State(counter): State<Arc<Counter>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<List>, Refusal> {
    let Query(Page { page, per_page }) = page?;
    if page < 1 || !(1..=PER_PAGE_MOST).contains(&per_page) {
        let message = format!(
            "page begins at 1, per_page is 1 to {PER_PAGE_MOST}; got {page} and {per_page}"
        );
        return Err(Refusal::bad_request("bad_page", message));
    }
    let before = (page - 1).saturating_mul(per_page);
    let rows = counter
        .store
        .products(before, before.saturating_add(per_page))
        .await?;
    let products = rows
        .into_iter()
        .map(|(id, name, category, price_cents)| Listed {
            id,
            name,
            category,
            price_cents,
        })
        .collect();
    Ok(Json(List { page, products }))
}

/// One product with all the shop knows of it.
pub(super) async fn detail(
    State(counter): State<Arc<Counter>>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<Product>, Refusal> {
    let Path(id) = id?;
    let (name, category, price_cents, description) =
        counter.store.product(id).await?.ok_or_else(|| {
            Refusal::not_found("no_such_product", format!("there is no product {id}"))
        })?;
    Ok(Json(Product {
        id,
        name,
        category,
        price_cents,
        description,
    }))
}
