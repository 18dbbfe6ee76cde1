//! Every route answers as it should, over real HTTP.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use serde_json::json;
use shop::{Leak, Options};
use support::Visit;

#[tokio::test]
async fn products_come_in_pages() {
    let visit = Visit::with(Leak::None).await;
    let (status, page) = visit.json("GET", "/products?page=3&per_page=5", "").await;
    assert_eq!(status, 200);
    let ids: Vec<i64> = page["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [11, 12, 13, 14, 15]);
    assert_eq!(
        visit.json("GET", "/products", "").await.1["products"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    assert_eq!(
        visit.json("GET", "/products?page=5000", "").await.1["products"],
        json!([])
    );
    for bad in ["?page=0", "?per_page=101", "?page=two"] {
        let (status, refusal) = visit.json("GET", &format!("/products{bad}"), "").await;
        assert_eq!(status, 400, "{bad}");
        assert!(refusal["error"]["message"].is_string());
    }
    visit.shop.stop().await;
}

#[tokio::test]
async fn a_product_has_details_or_is_not_found() {
    let visit = Visit::with(Leak::None).await;
    let (status, product) = visit.json("GET", "/products/12", "").await;
    assert_eq!((status.as_u16(), product["id"].as_i64()), (200, Some(12)));
    assert!(
        product["description"]
            .as_str()
            .unwrap()
            .ends_with("made to last.")
    );
    let (status, refusal) = visit.json("GET", "/products/2001", "").await;
    assert_eq!(
        (status.as_u16(), &refusal["error"]["code"]),
        (404, &json!("no_such_product"))
    );
    let (status, refusal) = visit.json("GET", "/products/oak", "").await;
    assert_eq!(
        (status.as_u16(), &refusal["error"]["code"]),
        (400, &json!("bad_path"))
    );
}

#[tokio::test]
async fn an_order_placed_is_an_order_shown() {
    let visit = Visit::with(Leak::None).await;
    let price = visit.json("GET", "/products/5", "").await.1["price_cents"]
        .as_i64()
        .unwrap();
    let order =
        r#"{"user": 7, "lines": [{"product": 5, "quantity": 3}, {"product": 6, "quantity": 1}]}"#;
    let (status, placed) = visit.json("POST", "/orders", order).await;
    assert_eq!(status, 201);
    let (status, list) = visit.json("GET", "/orders/7", "").await;
    assert_eq!(status, 200);
    let newest = &list["orders"][0];
    assert_eq!(newest["id"], placed["id"]);
    assert_eq!(newest["status"], "placed");
    assert_eq!(
        (
            newest["lines"][0]["product"].as_i64(),
            newest["lines"][0]["quantity"].as_i64()
        ),
        (Some(5), Some(3))
    );
    assert_eq!(newest["lines"][0]["price_cents"], price);
    let lines = newest["lines"].as_array().unwrap().iter();
    let total: i64 = lines
        .map(|l| l["price_cents"].as_i64().unwrap() * l["quantity"].as_i64().unwrap())
        .sum();
    assert_eq!(placed["total_cents"], total);
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused_whole() {
    let visit = Visit::with(Leak::None).await;
    let before = visit.json("GET", "/orders/7", "").await.1;
    for (body, status, code) in [
        ("{", 400, "bad_body"),
        (r#"{"user": 7}"#, 400, "bad_body"),
        (r#"{"user": 7, "lines": []}"#, 400, "bad_lines"),
        (
            r#"{"user": 7, "lines": [{"product": 1, "quantity": 0}]}"#,
            400,
            "bad_quantity",
        ),
        (
            r#"{"user": 7, "lines": [{"product": 1, "quantity": 1}, {"product": 9999, "quantity": 1}]}"#,
            400,
            "no_such_product",
        ),
        (
            r#"{"user": 501, "lines": [{"product": 1, "quantity": 1}]}"#,
            404,
            "no_such_user",
        ),
    ] {
        let (got, refusal) = visit.json("POST", "/orders", body).await;
        assert_eq!(
            (got.as_u16(), &refusal["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    assert_eq!(visit.json("GET", "/orders/7", "").await.1, before);
}

#[tokio::test]
async fn what_is_not_there_says_so_in_json() {
    let visit = Visit::with(Leak::None).await;
    for (method, path, status, code) in [
        ("GET", "/orders/501", 404, "no_such_user"),
        ("GET", "/nowhere", 404, "no_such_page"),
        ("DELETE", "/products", 405, "no_such_method"),
    ] {
        let (got, refusal) = visit.json(method, path, "").await;
        assert_eq!(
            (got.as_u16(), &refusal["error"]["code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_report_sums_up_what_was_sold() {
    let visit = Visit::with(Leak::None).await;
    let (status, page) = visit.ask("GET", "/report", "").await;
    assert_eq!(status, 200);
    assert!(
        page.starts_with("Revenue ") && page.contains("95 % interval"),
        "{page}"
    );
    assert!(page.lines().count() > 500);
    assert!(
        page.lines()
            .any(|line| line.trim_start().starts_with("1 ") && line.ends_with('#'))
    );
}

#[tokio::test]
async fn n_plus_one_gives_the_same_orders_with_more_statements() {
    let good = Visit::with(Leak::None).await;
    let bad = Visit::to(Options {
        n_plus_one: true,
        ..Options::default()
    })
    .await;
    let right = good.json("GET", "/orders/42", "").await.1;
    assert_eq!(
        bad.json("GET", "/orders/42", "").await.1["orders"][0]["lines"],
        right["orders"][0]["lines"]
    );
    let orders = right["orders"].as_array().unwrap().len() as u64;
    assert!(orders > 5);
    assert_eq!(good.shop.statements(), 1);
    assert_eq!(bad.shop.statements(), 1 + orders);
}

#[tokio::test]
async fn the_pool_is_idle_when_nobody_asks() {
    let visit = Visit::with(Leak::None).await;
    let in_use = visit.shop.pool_in_use();
    visit.ask("GET", "/products", "").await;
    // A connection goes back a moment after its answer.
    for _ in 0..200 {
        if in_use().abs() < 0.5 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} connections stay in use", in_use());
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let visit = Visit::with(Leak::None).await;
    let listen = visit.shop.addr();
    let error = shop::Shop::start(Options {
        listen,
        ..Options::default()
    })
    .await
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("cannot listen on {listen}")),
        "{error}"
    );
}
