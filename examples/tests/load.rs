//! The load generator keeps its rate and its bounds.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shop::Leak;
use shop::load::{Phase, Plan, Sent, Tally, generate};
use support::Visit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn plan(phases: &[(&str, f64, f64)]) -> Plan {
    let phases = phases.iter().map(|&(name, seconds, rate)| Phase {
        name: name.to_owned(),
        length: Duration::from_secs_f64(seconds),
        from_rate: rate,
        to_rate: rate,
    });
    Plan::new(phases.collect()).unwrap()
}

fn running() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_the_plan_is_sent_in_its_time() {
    let visit = Visit::with(Leak::None).await;
    let plan = plan(&[("steady", 2.0, 100.0), ("spike", 1.0, 300.0)]);
    let mut begun = Vec::new();
    let mut reported = Vec::new();
    let Sent {
        tallies, length, ..
    } = generate(
        &plan,
        visit.shop.addr(),
        8,
        running(),
        |phase| begun.push(phase),
        |progress| reported.push(progress),
    )
    .await
    .unwrap();
    assert_eq!(
        tallies.iter().map(Tally::requests).collect::<Vec<_>>(),
        [200, 300]
    );
    assert_eq!(tallies.iter().map(Tally::errors).sum::<u64>(), 0);
    assert!((3.0..4.0).contains(&length.as_secs_f64()), "{length:?}");
    assert_eq!(begun, [0, 1]);
    assert!(
        (80.0..120.0).contains(&reported[0].per_second),
        "{reported:?}"
    );
    let statuses: Vec<u16> = tallies
        .iter()
        .flat_map(|tally| tally.statuses().keys().copied())
        .collect();
    assert!(
        statuses.contains(&200) && statuses.contains(&201) && statuses.contains(&404),
        "{statuses:?}"
    );
    visit.shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_when_asked() {
    let visit = Visit::with(Leak::None).await;
    let stop = running();
    let asked = Arc::clone(&stop);
    let begin = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        asked.store(true, Ordering::Relaxed);
    });
    let plan = plan(&[("long", 600.0, 50.0)]);
    let Sent { tallies, .. } = generate(&plan, visit.shop.addr(), 2, stop, |_| {}, |_| {})
        .await
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert!(tallies[0].requests() < 60);
}

#[tokio::test]
async fn only_this_machine_is_ever_loaded() {
    let plan = plan(&[("steady", 1.0, 10.0)]);
    let target = "192.0.2.1:80".parse().unwrap();
    let error = generate(&plan, target, 1, running(), |_| {}, |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_every_request_that_was_due_in_it() {
    // One connection, and a server that answers at once except for one pause of half a second.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        for number in 0.. {
            if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            if number == 20 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    });
    let plan = plan(&[("steady", 2.0, 100.0)]);
    let Sent { tallies, .. } = generate(&plan, target, 1, running(), |_| {}, |_| {})
        .await
        .unwrap();
    let latency = tallies[0].percentiles();
    assert_eq!(tallies[0].requests(), 200);
    // Fifty requests were due in the pause; a closed loop would have seen one slow one.
    assert!(latency.p95_ms > 300.0, "{latency:?}");
    assert!(latency.p50_ms < 100.0, "{latency:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_door_is_counted_not_hidden() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    drop(listener);
    let plan = plan(&[("steady", 0.5, 40.0)]);
    let Sent { tallies, .. } = generate(&plan, target, 4, running(), |_| {}, |_| {})
        .await
        .unwrap();
    assert_eq!((tallies[0].requests(), tallies[0].errors()), (20, 20));
}
