//! The database: an SQLite file in a temporary directory, filled when the shop opens, deleted when it closes.
//!
//! Limits are written into the statements: SQLite plans a statement anew each time another value is bound to its
//! `LIMIT`, which took a sixth of the CPU of `GET /orders/{user}` until the shop's own flame graph showed it.
//!
//! A soak must be able to run for days on it, so nothing in it grows without end: the shop keeps the newest
//! [`ORDERS`] orders, and each connection's page cache holds the whole file from the start.

mod seed;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, SqlitePool, Transaction};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::Error;

/// Products on offer, numbered from 1.
pub(crate) const PRODUCTS: i64 = 2_000;
/// Customers, numbered from 1.
pub(crate) const USERS: i64 = 500;
/// Orders kept; older ones are deleted as new ones come.
const ORDERS: i64 = 6_000;
/// Connections to the database, each with a thread of its own.
const CONNECTIONS: u32 = 4;

/// One line of the product list.
pub(super) type ProductRow = (i64, String, String, i64);
/// One line of an order: order, time, status, product, name, quantity, price of one in cents.
pub(super) type OrderLineRow = (i64, i64, String, i64, String, i64, i64);
/// One line sold: order, product, name, category, quantity, price of one in cents.
pub(super) type SaleRow = (i64, i64, String, String, i64, i64);

/// The open database.
#[derive(Debug)]
pub(super) struct Store {
    pool: SqlitePool,
    /// SQLite has one writer; waiting here is fair, waiting in its busy handler is not.
    writer: Mutex<()>,
    statements: AtomicU64,
    _home: TempDir,
}

impl Store {
    pub(super) async fn open() -> Result<Self, Error> {
        let home = tempfile::Builder::new()
            .prefix("shop-")
            .tempdir()
            .map_err(Error::Directory)?;
        let options = SqliteConnectOptions::new()
            .filename(home.path().join("shop.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-2048");
        // Alone, because SQLite switches a file to WAL only while nobody else has it open.
        seed::fill(options.connect().await?).await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        seed::warm(&pool, CONNECTIONS).await?;
        Ok(Self {
            pool,
            writer: Mutex::new(()),
            statements: AtomicU64::new(0),
            _home: home,
        })
    }

    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// The pool, for one statement.
    fn asked(&self) -> &SqlitePool {
        self.statements.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }

    /// The products after `first`, up to and with `last`; they are numbered without gaps.
    pub(super) async fn products(&self, first: i64, last: i64) -> sqlx::Result<Vec<ProductRow>> {
        sqlx::query_as(
            "SELECT id, name, category, price_cents FROM products WHERE id > ? AND id <= ? ORDER BY id",
        )
        .bind(first)
        .bind(last)
        .fetch_all(self.asked())
        .await
    }

    pub(super) async fn product(
        &self,
        id: i64,
    ) -> sqlx::Result<Option<(String, String, i64, String)>> {
        sqlx::query_as("SELECT name, category, price_cents, description FROM products WHERE id = ?")
            .bind(id)
            .fetch_optional(self.asked())
            .await
    }

    pub(super) async fn user_name(&self, user: i64) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar("SELECT name FROM users WHERE id = ?")
            .bind(user)
            .fetch_optional(self.asked())
            .await
    }

    /// A user's twenty newest orders with their lines: one statement, whatever their number.
    pub(super) async fn order_lines_of(&self, user: i64) -> sqlx::Result<Vec<OrderLineRow>> {
        sqlx::query_as(
            "SELECT o.id, o.placed_at, o.status, l.product_id, p.name, l.quantity, l.price_cents
             FROM (SELECT id, placed_at, status FROM orders WHERE user_id = ?
                   ORDER BY id DESC LIMIT 20) AS o
             JOIN order_lines AS l ON l.order_id = o.id JOIN products AS p ON p.id = l.product_id
             ORDER BY o.id DESC, l.product_id",
        )
        .bind(user)
        .fetch_all(self.asked())
        .await
    }

    /// A user's twenty newest orders without their lines, newest first: order, time, status.
    pub(super) async fn orders_of(&self, user: i64) -> sqlx::Result<Vec<(i64, i64, String)>> {
        sqlx::query_as(
            "SELECT id, placed_at, status FROM orders WHERE user_id = ? ORDER BY id DESC LIMIT 20",
        )
        .bind(user)
        .fetch_all(self.asked())
        .await
    }

    /// The lines of one order: product, name, quantity, price of one in cents.
    pub(super) async fn lines_of(&self, order: i64) -> sqlx::Result<Vec<(i64, String, i64, i64)>> {
        sqlx::query_as(
            "SELECT l.product_id, p.name, l.quantity, l.price_cents FROM order_lines AS l
             JOIN products AS p ON p.id = l.product_id WHERE l.order_id = ? ORDER BY l.product_id",
        )
        .bind(order)
        .fetch_all(self.asked())
        .await
    }

    /// What the 400 newest orders sold, newest order first.
    pub(super) async fn newest_sales(&self) -> sqlx::Result<Vec<SaleRow>> {
        sqlx::query_as(
            "SELECT l.order_id, p.id, p.name, p.category, l.quantity, l.price_cents
             FROM (SELECT id FROM orders ORDER BY id DESC LIMIT 400) AS o
             JOIN order_lines AS l ON l.order_id = o.id JOIN products AS p ON p.id = l.product_id
             ORDER BY o.id DESC",
        )
        .fetch_all(self.asked())
        .await
    }

    /// Writes an order of `(product, quantity)` lines at today's prices, and deletes the oldest one kept.
    ///
    /// Gives the order's number and its total in cents, or the first product that is not on offer.
    pub(super) async fn place(
        &self,
        user: i64,
        lines: &[(i64, i64)],
    ) -> sqlx::Result<Result<(i64, i64), i64>> {
        let _turn = self.writer.lock().await;
        let mut change: Transaction<'static, Sqlite> =
            self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let order: i64 = sqlx::query_scalar(
            "INSERT INTO orders (user_id, placed_at, status) VALUES (?, unixepoch(), 'placed') RETURNING id",
        )
        .bind(user)
        .fetch_one(&mut *change)
        .await?;
        let mut total_cents = 0;
        for &(product, quantity) in lines {
            let price: Option<i64> = sqlx::query_scalar(
                "INSERT INTO order_lines (order_id, product_id, quantity, price_cents)
                 SELECT ?1, id, ?3, price_cents FROM products WHERE id = ?2
                 ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity RETURNING price_cents",
            )
            .bind(order)
            .bind(product)
            .bind(quantity)
            .fetch_optional(&mut *change)
            .await?;
            match price {
                Some(cents) => total_cents += cents * quantity,
                None => {
                    change.rollback().await?;
                    return Ok(Err(product));
                }
            }
        }
        sqlx::query("DELETE FROM orders WHERE id <= ?")
            .bind(order - ORDERS)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        self.statements
            .fetch_add(2 + lines.len() as u64, Ordering::Relaxed);
        Ok(Ok((order, total_cents)))
    }
}
