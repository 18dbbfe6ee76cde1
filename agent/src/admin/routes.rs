//! The routes, and what each answers. Whatever changes the run is POST only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::admin::guard::{self, Guard};
use crate::admin::lane::Cancellation;
use crate::admin::respond::{self, answer, broken};
use crate::admin::site::Site;
use crate::admin::{pprof, status};

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus 3 demands of the text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn router(site: Arc<Site>, address: SocketAddr) -> Router {
    let guard = Guard {
        address,
        token: site.live.session.config.token.as_deref().map(Into::into),
    };
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/timeline.csv", get(timeline))
        .route("/phase/{*name}", post(phase))
        .route("/finish", post(finish))
        .merge(pprof::routes())
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "no such page; GET / lists what there is\n",
            )
        })
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(site)
}

async fn index(State(site): State<Arc<Site>>) -> Response {
    let session = &site.live.session;
    let text = format!(
        "soakscope: {}, {:.1} minutes into the run\n\n\
         GET  /status                           the run so far, with its verdict (JSON)\n\
         GET  /metrics                          Prometheus metrics\n\
         GET  /timeline.csv[?last=ROWS]         the timeline\n\
         GET  /debug/pprof/profile?seconds=N    CPU profile of the next N seconds\n\
         GET  /debug/pprof/heap                 who holds the heap, now\n\
         POST /phase/NAME                       begin a phase\n\
         POST /finish                           end the run and seal its directory\n\
         GET  /healthz                          whether this server answers\n",
        session.service,
        session.clock.elapsed_min()
    );
    ([(CONTENT_TYPE, TEXT)], text).into_response()
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let of = Arc::clone(&site);
    let make = move |_: &Cancellation| {
        let session = &of.live.session;
        of.publish(&session.telemetry);
        ([(CONTENT_TYPE, METRICS)], session.metrics()).into_response()
    };
    answer(&site.lanes.metrics, make).await
}

async fn status(State(site): State<Arc<Site>>) -> Response {
    let of = Arc::clone(&site);
    let make = move |_: &Cancellation| {
        let text = status::status(&of).to_string();
        ([(CONTENT_TYPE, JSON)], text).into_response()
    };
    answer(&site.lanes.status, make).await
}

#[derive(Deserialize)]
struct Last {
    last: Option<usize>,
}

/// The rows kept in memory: the whole run, at a coarser step once it is long.
/// The file in the run directory has them all.
async fn timeline(State(site): State<Arc<Site>>, Query(query): Query<Last>) -> Response {
    let turn = match site.lanes.timeline.enter().await {
        Ok(turn) => turn,
        Err(refused) => return refused.into_response(),
    };
    let live = Arc::clone(&site.live);
    let make = move |_: &Cancellation| match query.last {
        Some(last) => newest(&live.session.history.csv(), last).into_bytes(),
        None => live.session.history.csv().into_bytes(),
    };
    match site.lanes.timeline.run(turn, make).await {
        Some(made) => ([(CONTENT_TYPE, CSV)], respond::made(made)).into_response(),
        None => broken("the timeline could not be read"),
    }
}

/// The header and the last rows of a timeline.
fn newest(text: &str, last: usize) -> String {
    let rows = text.lines().count().saturating_sub(1);
    let skip = rows.saturating_sub(last);
    let mut kept = String::new();
    for (index, line) in text.lines().enumerate() {
        if index == 0 || index > skip {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

async fn phase(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    match site.live.phase(&name) {
        Ok(began) => ([(CONTENT_TYPE, TEXT)], format!("{began}\n")).into_response(),
        Err(refusal) => (StatusCode::BAD_REQUEST, format!("{refusal}\n")).into_response(),
    }
}

/// Once begun it ends, whether or not the client waits for it.
async fn finish(State(site): State<Arc<Site>>) -> Response {
    let live = Arc::clone(&site.live);
    let make = move |_: &Cancellation| match live.finish() {
        Ok(outcome) => {
            let mut json = outcome.verdict_json();
            json.push('\n');
            ([(CONTENT_TYPE, JSON)], json).into_response()
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the run could not be sealed: {error}\n"),
        )
            .into_response(),
    };
    answer(&site.lanes.finish, make).await
}
