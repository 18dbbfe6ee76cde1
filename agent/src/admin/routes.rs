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
use crate::admin::{pprof, status};
use crate::live::Live;

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus 3 demands of the text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn router(live: Arc<Live>, address: SocketAddr) -> Router {
    let guard = Guard {
        address,
        token: live.session.config.token.as_deref().map(Into::into),
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
        .with_state(live)
}

async fn index(State(live): State<Arc<Live>>) -> Response {
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
        live.session.service,
        live.session.elapsed_min()
    );
    ([(CONTENT_TYPE, TEXT)], text).into_response()
}

async fn metrics(State(live): State<Arc<Live>>) -> Response {
    ([(CONTENT_TYPE, METRICS)], live.session.metrics()).into_response()
}

async fn status(State(live): State<Arc<Live>>) -> Response {
    let text = blocking(move || status::status(&live).to_string()).await;
    match text {
        Some(text) => ([(CONTENT_TYPE, JSON)], text).into_response(),
        None => broken("the status could not be made"),
    }
}

#[derive(Deserialize)]
struct Last {
    last: Option<usize>,
}

/// The rows kept in memory: the whole run, at a coarser step once it is long.
/// The file in the run directory has them all.
async fn timeline(State(live): State<Arc<Live>>, Query(query): Query<Last>) -> Response {
    let mut text = live.session.history.csv();
    if let Some(last) = query.last {
        let rows = text.lines().count().saturating_sub(1);
        let skip = rows.saturating_sub(last);
        let mut kept = String::new();
        for (index, line) in text.lines().enumerate() {
            if index == 0 || index > skip {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        text = kept;
    }
    ([(CONTENT_TYPE, CSV)], text).into_response()
}

async fn phase(State(live): State<Arc<Live>>, Path(name): Path<String>) -> Response {
    match live.phase(&name) {
        Ok(began) => ([(CONTENT_TYPE, TEXT)], format!("{began}\n")).into_response(),
        Err(refusal) => (StatusCode::BAD_REQUEST, format!("{refusal}\n")).into_response(),
    }
}

async fn finish(State(live): State<Arc<Live>>) -> Response {
    match blocking(move || live.finish()).await {
        Some(Ok(outcome)) => {
            let mut json = outcome.verdict_json();
            json.push('\n');
            ([(CONTENT_TYPE, JSON)], json).into_response()
        }
        Some(Err(error)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the run could not be sealed: {error}\n"),
        )
            .into_response(),
        None => broken("the run could not be sealed"),
    }
}

/// Runs what takes a while beside the server's thread; `None` if it panicked.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

pub(super) fn broken(what: &str) -> Response {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("{what}; the agent's own log says more\n"),
    )
        .into_response()
}
