//! Request spans for services on axum (feature `axum`).
//!
//! ```
//! # async fn handler() {}
//! let routes: axum::Router = axum::Router::new()
//!     .route("/orders/{user}", axum::routing::get(handler))
//!     .layer(soakscope::axum::trace_layer());
//! ```
//!
//! Add the layer last, to the whole router: it then sees every request, with
//! the route that matched. What matches none is one route, `unmatched`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::Empty;

use crate::spans::method;

/// The route of requests that match none.
const UNMATCHED: &str = "unmatched";
/// Bytes of a value that are taken from a `baggage` header.
const MAX_VALUE: usize = 100;

/// A layer that opens a span for each request, as [`Agent::layer`] knows them:
/// method, matched route and status by OpenTelemetry's names, so that any other
/// subscriber understands them, too.
///
/// A method that HTTP does not define is `_OTHER`, as a client may invent any.
///
/// The span is entered while the request is worked on and closes with its
/// answer's head. Where a load generator sends k6's `baggage` header, its
/// `k6.scenario` and `k6.name` are fields of the span, and CPU samples carry
/// the label `scenario`.
///
/// [`Agent::layer`]: crate::Agent::layer
pub fn trace_layer() -> TraceLayer {
    TraceLayer(())
}

/// Made by [`trace_layer`].
#[derive(Debug, Clone, Copy)]
pub struct TraceLayer(());

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner }
    }
}

/// A service whose requests have spans.
#[derive(Debug, Clone)]
pub struct Traced<S> {
    inner: S,
}

impl<S> Service<Request> for Traced<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answering {
        let span = span_of(&request);
        let answering = span.in_scope(|| self.inner.call(request));
        Answering {
            answering: Box::pin(answering),
            span,
        }
    }
}

/// A request that is worked on, in its span.
pub struct Answering {
    answering: Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>,
    span: Span,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let answered = this.span.in_scope(|| this.answering.as_mut().poll(context));
        let answer = ready!(answered);
        if let Ok(response) = &answer {
            let status = response.status().as_u16();
            this.span.record("http.response.status_code", status);
        }
        Poll::Ready(answer)
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

fn span_of(request: &Request) -> Span {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or(UNMATCHED, MatchedPath::as_str);
    let method = method::known(request.method().as_str());
    let baggage = request.headers().get("baggage");
    let baggage = baggage.and_then(|value| value.to_str().ok()).unwrap_or("");
    tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        otel.name = format_args!("{method} {route}"),
        http.response.status_code = Empty,
        k6.scenario = carried(baggage, "k6.scenario"),
        k6.name = carried(baggage, "k6.name"),
    )
}

/// A member of W3C baggage: `key=value`, properties after a semicolon.
fn carried<'a>(baggage: &'a str, key: &str) -> Option<&'a str> {
    let value = baggage.split(',').find_map(|member| {
        let (name, value) = member.split_once('=')?;
        (name.trim() == key).then(|| value.split(';').next().unwrap_or("").trim())
    })?;
    Some(&value[..value.floor_char_boundary(MAX_VALUE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_baggage_is_found_among_others() {
        let baggage = "a=1, k6.scenario = spike;p=q ,k6.name=GET%20%2F";
        assert_eq!(carried(baggage, "k6.scenario"), Some("spike"));
        assert_eq!(carried(baggage, "k6.name"), Some("GET%20%2F"));
        assert_eq!(carried(baggage, "k6"), None);
        assert_eq!(carried("k6.scenario", "k6.scenario"), None);
    }
}
