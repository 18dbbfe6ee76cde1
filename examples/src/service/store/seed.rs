//! What is in the shop when it opens. No randomness: every shop has the same stock and the same past.

use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::{ORDERS, PRODUCTS, USERS};

const SCHEMA: &str = include_str!("schema.sql");

const USERS_SQL: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO users SELECT i, 'Customer ' || i FROM n";

const PRODUCTS_SQL: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?),
    named (i, material, thing, category) AS (
        SELECT i,
            CASE i % 5 WHEN 0 THEN 'Oak' WHEN 1 THEN 'Walnut' WHEN 2 THEN 'Steel' WHEN 3 THEN 'Linen' ELSE 'Cork' END,
            CASE i % 7 WHEN 0 THEN 'desk' WHEN 1 THEN 'lamp' WHEN 2 THEN 'chair' WHEN 3 THEN 'shelf'
                       WHEN 4 THEN 'bowl' WHEN 5 THEN 'blanket' ELSE 'clock' END,
            CASE i % 4 WHEN 0 THEN 'office' WHEN 1 THEN 'kitchen' WHEN 2 THEN 'bedroom' ELSE 'garden' END
        FROM n)
    INSERT INTO products
    SELECT i, material || ' ' || thing || ' no. ' || i, category, 500 + (i * 7919) % 20000,
        'A ' || thing || ' of ' || lower(material) || ' for the ' || category || ', made to last.'
    FROM named";

const ORDERS_SQL: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO orders
    SELECT i, 1 + (i * 31) % ?2, unixepoch() - (?1 - i) * 60,
        CASE WHEN i % 9 = 0 THEN 'returned' ELSE 'delivered' END
    FROM n";

/// Two or three lines for each order; the steps are primes, so that one order never repeats a product.
const LINES_SQL: &str = "
    WITH steps (k) AS (VALUES (0), (1), (2))
    INSERT INTO order_lines
    SELECT o.id, p.id, 1 + (o.id + k) % 3, p.price_cents
    FROM orders AS o CROSS JOIN steps
    JOIN products AS p ON p.id = 1 + (o.id * 37 + k * 613) % ?
    WHERE k < 2 + o.id % 2";

/// Makes the tables of an empty database, fills them and closes it.
pub(super) async fn fill(mut database: SqliteConnection) -> sqlx::Result<()> {
    let mut change = database.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *change).await?;
    sqlx::query(USERS_SQL)
        .bind(USERS)
        .execute(&mut *change)
        .await?;
    sqlx::query(PRODUCTS_SQL)
        .bind(PRODUCTS)
        .execute(&mut *change)
        .await?;
    sqlx::query(ORDERS_SQL)
        .bind(ORDERS)
        .bind(USERS)
        .execute(&mut *change)
        .await?;
    sqlx::query(LINES_SQL)
        .bind(PRODUCTS)
        .execute(&mut *change)
        .await?;
    change.commit().await?;
    database.close().await
}

/// Opens every connection and has each read every page, so that page caches do not fill for minutes under
/// load and look like a leak.
pub(super) async fn warm(pool: &SqlitePool, connections: u32) -> sqlx::Result<()> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(pool.acquire().await?);
    }
    for connection in &mut open {
        for sql in [
            "SELECT sum(length(name)) FROM users",
            "SELECT sum(length(description)) FROM products",
            "SELECT sum(placed_at) FROM orders",
            "SELECT max(user_id) FROM orders INDEXED BY orders_by_user WHERE user_id > 0",
            "SELECT sum(quantity) FROM order_lines",
        ] {
            sqlx::query(sql).execute(&mut **connection).await?;
        }
    }
    Ok(())
}
