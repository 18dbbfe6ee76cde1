//! Every planted fault really leaks its resource, and the healthy shop leaks none.
//!
//! One process, one counter: descriptors and sockets are counted for the whole process, so these run in turn.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fs;

use shop::{Leak, Options};
use support::Visit;
use tokio::sync::Mutex;

static IN_TURN: Mutex<()> = Mutex::const_new(());
const ORDER: &str = r#"{"user": 7, "lines": [{"product": 5, "quantity": 1}]}"#;

async fn place(visit: &Visit, orders: usize) {
    for _ in 0..orders {
        assert_eq!(visit.ask("POST", "/orders", ORDER).await.0, 201);
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn status_kib(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sockets of this process in a state, by the number the kernel gives it.
fn sockets_in(state: &str) -> usize {
    let ours: Vec<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[3] == state && ours.iter().any(|inode| inode == row[9]))
        .count()
}

#[tokio::test]
async fn the_healthy_shop_keeps_nothing() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::None).await;
    place(&visit, 5).await;
    let before = open_descriptors();
    place(&visit, 60).await;
    assert_eq!(visit.shop.hoarded(), 0);
    assert!(open_descriptors() <= before);
    visit.shop.stop().await;
}

#[tokio::test]
async fn memory_grows_with_every_request() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::Memory).await;
    visit.ask("GET", "/products/1", "").await;
    let before = status_kib("VmRSS:");
    for _ in 0..2_000 {
        visit.ask("GET", "/products/1", "").await;
    }
    assert_eq!(visit.shop.hoarded(), 2_001);
    let grown = status_kib("VmRSS:") - before;
    assert!(grown > 2_000 * 5, "only {grown} KiB in 2,000 requests");
    visit.shop.stop().await;
}

#[tokio::test]
async fn connections_stay_in_close_wait() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::Connections).await;
    place(&visit, 100).await;
    assert_eq!(visit.shop.hoarded(), 5);
    assert_eq!(sockets_in("08"), 5, "sockets in CLOSE_WAIT");
    visit.shop.stop().await;
}

#[tokio::test]
async fn descriptors_stay_open() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::Fds).await;
    place(&visit, 10).await;
    let before = open_descriptors();
    place(&visit, 100).await;
    assert_eq!(visit.shop.hoarded(), 5);
    assert_eq!(open_descriptors(), before + 5);
    visit.shop.stop().await;
}

#[tokio::test]
async fn tasks_never_finish() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::Tasks).await;
    place(&visit, 1).await;
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    place(&visit, 50).await;
    assert_eq!(visit.shop.hoarded(), 51);
    // Tasks of the client and the server come and go beside them.
    assert!(alive() > before + 40, "{} tasks, {before} before", alive());
    visit.shop.stop().await;
}

#[tokio::test]
async fn a_burst_stays_resident_while_little_of_it_lives() {
    let _turn = IN_TURN.lock().await;
    let visit = Visit::with(Leak::Retention).await;
    let mut before = 0;
    for number in 1..=3_000 {
        if number == 3_000 {
            assert_eq!(visit.shop.hoarded(), 0);
            before = status_kib("VmRSS:");
        }
        visit.ask("GET", "/products/1", "").await;
    }
    let pins = visit.shop.hoarded();
    assert!(
        pins * 1024 < 4 * 1024 * 1024,
        "{pins} records of 1 KiB live"
    );
    let grown = status_kib("VmRSS:") - before;
    assert!(grown > 64 * 1024, "only {grown} KiB stayed resident");
    visit.shop.stop().await;
}

#[tokio::test]
async fn the_database_is_deleted_when_the_shop_closes() {
    let _turn = IN_TURN.lock().await;
    let databases = || {
        let links = fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links
            .filter(|link| link.ends_with("shop.sqlite"))
            .collect::<Vec<_>>()
    };
    let visit = Visit::to(Options::default()).await;
    let open = databases();
    assert!(!open.is_empty());
    visit.shop.stop().await;
    assert!(open.iter().all(|path| !path.exists()), "{open:?}");
}
