//! Request spans on axum: routes as matched, methods that are known and status,
//! one route for what matches none, and the load's scenario on the samples.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use soakscope::Agent;
use soakscope_report::{ProfileRange, RunDir, SpanRange};
use tracing_subscriber::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_named_by_route_and_failures_by_status() {
    let temp = tempfile::tempdir().unwrap();
    let agent = Agent::builder("axum")
        .run_path(temp.path().join("run"))
        .cpu_frequency(997)
        .tick(Duration::from_millis(100))
        .start()
        .unwrap();
    tracing_subscriber::registry().with(agent.layer()).init();
    let routes = Router::new()
        .route("/busy/{turns}", get(busy))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .layer(soakscope::axum::trace_layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let send = async |method: &str, path: &str, scenario: &str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{addr}{path}"))
            .header(
                "baggage",
                format!("k6.scenario={scenario},k6.name=anything"),
            )
            .body(Full::default())
            .unwrap();
        client.request(request).await.unwrap().status().as_u16()
    };
    let ask = async |path: &str| send("GET", path, "spike").await;
    // A client that invents names takes the place of none that come later.
    for number in 0..600 {
        let (method, scenario) = (format!("BREW{number}"), format!("invented-{number}"));
        let path = format!("/invented/{number}");
        assert_eq!(send(&method, "/broken", &scenario).await, 405);
        assert_eq!(send(&method, &path, &scenario).await, 404);
    }
    for number in 0..20 {
        assert_eq!(ask("/busy/3").await, 200);
        assert_eq!(ask(&format!("/nowhere/{number}")).await, 404);
    }
    assert_eq!(ask("/broken").await, 500);
    server.abort();
    let outcome = tokio::task::spawn_blocking(move || agent.finish())
        .await
        .unwrap()
        .unwrap();
    let dir = RunDir::open(outcome.run_dir().unwrap()).unwrap();
    let (spans, _) = dir.spans(&SpanRange::default()).unwrap();
    let requests: Vec<(&str, u64, u64)> = spans
        .iter()
        .filter(|span| span.kind == "request")
        .map(|span| (span.name.as_str(), span.count, span.errors))
        .collect();
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert_eq!(requests[0], ("GET /busy/{turns}", 20, 0), "the costliest");
    assert!(requests.contains(&("_OTHER /broken", 600, 0)));
    assert!(requests.contains(&("_OTHER unmatched", 600, 0)));
    assert!(requests.contains(&("GET unmatched", 20, 0)));
    assert!(requests.contains(&("GET /broken", 1, 1)));
    let (cpu, _) = dir.profile("cpu", &ProfileRange::default()).unwrap();
    let cpu = cpu.unwrap();
    let of = |label, value| cpu.filter(|s| s.label(label) == Some(value)).total(1);
    let busy = of("route", "GET /busy/{turns}");
    assert!(busy > 0);
    // The first request of the twenty was still among the invented ones.
    let spike = of("scenario", "spike");
    assert!(spike * 10 >= busy * 8, "{spike} of {busy}");
}

/// Works in turns, so that the task is polled anew for each.
async fn busy(axum::extract::Path(turns): axum::extract::Path<u32>) {
    for _ in 0..turns {
        let mut sum = 0_u64;
        for n in 0..300_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n * n));
        }
        tokio::task::yield_now().await;
    }
}
