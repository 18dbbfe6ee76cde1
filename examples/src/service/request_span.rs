//! One tracing span for each request, named by its route and never by its raw path.
//!
//! This is all that a service needs for the agent to see its requests: the fields are those of OpenTelemetry's
//! HTTP conventions, so any other subscriber understands them too.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;

use super::Counter;

/// Runs the rest of the service inside the request's span, and lets the planted fault see the request.
pub(super) async fn record(
    State(counter): State<Arc<Counter>>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = request.method().as_str();
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = format_args!("{method} {route}"),
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    let served = async {
        let response = next.run(request).await;
        counter.faults.on_request(route);
        response
    };
    let response = served.instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}
