//! The planted fault sees every request, from inside the request's span.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Counter;

/// Lets the rest of the service answer, and then the fault have its way.
pub(super) async fn strike(
    State(counter): State<Arc<Counter>>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    counter.faults.on_request(route);
    response
}
