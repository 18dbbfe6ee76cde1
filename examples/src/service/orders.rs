//! `GET /orders/{user}` and `POST /orders`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::Instrument;

use super::Counter;
use super::refusal::Refusal;
use super::store::Store;

/// An order has at most this many lines, and a line at most this many pieces.
const MOST: i64 = 100;

#[derive(Serialize)]
pub(super) struct OrderList {
    user: i64,
    orders: Vec<Order>,
}

#[derive(Serialize)]
struct Order {
    id: i64,
    placed_at: i64,
    status: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    product: i64,
    name: String,
    quantity: i64,
    price_cents: i64,
}

#[derive(Deserialize)]
pub(super) struct NewOrder {
    user: i64,
    lines: Vec<NewLine>,
}

#[derive(Deserialize)]
struct NewLine {
    product: i64,
    quantity: i64,
}

/// A user's newest orders with their lines.
pub(super) async fn of_user(
    State(counter): State<Arc<Counter>>,
    user: Result<Path<i64>, PathRejection>,
) -> Result<Json<OrderList>, Refusal> {
    let Path(user) = user?;
    // Spans of the service's own: the agent attributes time and statements to them.
    let orders = if counter.n_plus_one {
        let span = tracing::info_span!("a query for each order");
        with_a_query_for_each_order(&counter.store, user)
            .instrument(span)
            .await?
    } else {
        let span = tracing::info_span!("one join");
        with_one_join(&counter.store, user).instrument(span).await?
    };
    if orders.is_empty() && counter.store.user_name(user).await?.is_none() {
        return Err(no_such_user(user));
    }
    Ok(Json(OrderList { user, orders }))
}

/// The right way: one statement, rows grouped here.
async fn with_one_join(store: &Store, user: i64) -> sqlx::Result<Vec<Order>> {
    let mut orders: Vec<Order> = Vec::new();
    for (id, placed_at, status, product, name, quantity, price_cents) in
        store.order_lines_of(user).await?
    {
        let line = Line {
            product,
            name,
            quantity,
            price_cents,
        };
        match orders.last_mut() {
            Some(order) if order.id == id => order.lines.push(line),
            _ => orders.push(Order {
                id,
                placed_at,
                status,
                lines: vec![line],
            }),
        }
    }
    Ok(orders)
}

/// The wrong way, on request: one statement for the orders, and one more for each of them.
async fn with_a_query_for_each_order(store: &Store, user: i64) -> sqlx::Result<Vec<Order>> {
    let mut orders = Vec::new();
    for (id, placed_at, status) in store.orders_of(user).await? {
        let lines = store.lines_of(id).await?;
        let lines = lines
            .into_iter()
            .map(|(product, name, quantity, price_cents)| Line {
                product,
                name,
                quantity,
                price_cents,
            })
            .collect();
        orders.push(Order {
            id,
            placed_at,
            status,
            lines,
        });
    }
    Ok(orders)
}

/// Places an order; the answer gives its number and its price.
pub(super) async fn place(
    State(counter): State<Arc<Counter>>,
    order: Result<Json<NewOrder>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(NewOrder { user, lines }) = order?;
    if lines.is_empty() || lines.len() > MOST as usize {
        return Err(Refusal::bad_request(
            "bad_lines",
            format!("an order has 1 to {MOST} lines"),
        ));
    }
    if let Some(line) = lines
        .iter()
        .find(|line| !(1..=MOST).contains(&line.quantity))
    {
        let message = format!(
            "a line has 1 to {MOST} pieces; product {} has {}",
            line.product, line.quantity
        );
        return Err(Refusal::bad_request("bad_quantity", message));
    }
    if counter.store.user_name(user).await?.is_none() {
        return Err(no_such_user(user));
    }
    let lines: Vec<(i64, i64)> = lines
        .iter()
        .map(|line| (line.product, line.quantity))
        .collect();
    let (id, total_cents) = counter
        .store
        .place(user, &lines)
        .await?
        .map_err(|product| {
            Refusal::bad_request(
                "no_such_product",
                format!("product {product} is not on offer"),
            )
        })?;
    counter.faults.on_order(id, total_cents).await;
    let location = [(header::LOCATION, format!("/orders/{user}"))];
    Ok((
        StatusCode::CREATED,
        location,
        Json(json!({ "id": id, "user": user, "total_cents": total_cents })),
    ))
}

fn no_such_user(user: i64) -> Refusal {
    Refusal::not_found("no_such_user", format!("there is no user {user}"))
}
