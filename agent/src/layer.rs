//! The tracing layer: spans that are requests become rates and latencies.
//!
//! A span is a request when it was opened with a field `http.route`, or with
//! `otel.kind = "server"`. Its name is method and route (never the raw URI);
//! it failed when `http.response.status_code` is 500 or more, or `error` or
//! `otel.status_code = "ERROR"` was recorded.
//!
//! Callsites that cannot be a request are turned away at registration, so a
//! disabled `trace!` stays as cheap as without this layer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::requests::Route;
use crate::session::Session;

/// Longest method, route or name kept.
const LONGEST: usize = 200;

/// Counts requests. Made by `Agent::layer`.
pub(crate) struct RequestLayer {
    session: Option<Arc<Session>>,
}

/// Lets through the callsites of spans that may be a request.
pub(crate) struct RequestFilter;

impl<S> Filter<S> for RequestFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        may_be_request(metadata)
    }

    fn callsite_enabled(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if may_be_request(metadata) {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }
}

fn may_be_request(metadata: &Metadata<'_>) -> bool {
    let fields = metadata.fields();
    metadata.is_span()
        && (fields.field("http.route").is_some() || fields.field("otel.kind").is_some())
}

impl RequestLayer {
    pub(crate) fn new(session: Option<Arc<Session>>) -> Self {
        Self { session }
    }
}

/// What a request's span carries from its opening to its close.
struct Request {
    route: Arc<Route>,
    opened: Instant,
    entered: Option<Instant>,
    depth: u32,
    busy: Duration,
    error: bool,
}

impl<S> Layer<S> for RequestLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(session) = &self.session else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if !fields.server && fields.route.is_none() {
            return;
        }
        let (Some(span), name) = (context.span(id), fields.name(attributes.metadata().name()))
        else {
            return;
        };
        session.requests.opened();
        span.extensions_mut().insert(Request {
            route: session.route(&name, &fields),
            opened: Instant::now(),
            entered: None,
            depth: 0,
            busy: Duration::ZERO,
            error: fields.error,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(request) = extensions.get_mut::<Request>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            request.error |= fields.error;
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(request) = extensions.get_mut::<Request>() {
            request.depth += 1;
            request.entered.get_or_insert_with(Instant::now);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(request) = extensions.get_mut::<Request>() {
            request.depth = request.depth.saturating_sub(1);
            if request.depth == 0
                && let Some(entered) = request.entered.take()
            {
                request.busy += entered.elapsed();
            }
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let (Some(session), Some(span)) = (&self.session, context.span(&id)) else {
            return;
        };
        let request = span.extensions_mut().remove::<Request>();
        if let Some(request) = request {
            session.requests.closed();
            request
                .route
                .record(request.opened.elapsed(), request.busy, request.error);
        }
    }
}

/// The fields of a request's span that matter here.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) method: Option<String>,
    pub(crate) route: Option<String>,
    otel_name: Option<String>,
    server: bool,
    error: bool,
}

impl Fields {
    /// `GET /orders/{user}` where method and route are known, else what the
    /// span calls itself.
    fn name(&self, span_name: &str) -> String {
        match (&self.method, &self.route, &self.otel_name) {
            (Some(method), Some(route), _) => format!("{method} {route}"),
            (None, Some(route), _) => route.clone(),
            (_, None, Some(name)) => name.clone(),
            (_, None, None) => span_name.to_owned(),
        }
    }

    fn text(&mut self, field: &str, value: &str) {
        let kept = || Some(value.chars().take(LONGEST).collect());
        match field {
            "http.request.method" | "http.method" => self.method = kept(),
            "http.route" => self.route = kept(),
            "otel.name" => self.otel_name = kept(),
            "otel.kind" => self.server = value.eq_ignore_ascii_case("server"),
            "otel.status_code" => self.error |= value.eq_ignore_ascii_case("error"),
            "error" => self.error |= !value.is_empty() && value != "false",
            "http.response.status_code" | "http.status_code" => {
                self.status(value.parse().unwrap_or(0));
            }
            _ => {}
        }
    }

    fn status(&mut self, code: u64) {
        self.error |= code >= 500;
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if matches!(
            field.name(),
            "http.response.status_code" | "http.status_code"
        ) {
            self.status(value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_u64(field, u64::try_from(value).unwrap_or(0));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "error" {
            self.error |= value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `%value` and `?value` arrive here; only the known fields are formatted.
        if field.name().starts_with("http.")
            || field.name().starts_with("otel.")
            || field.name() == "error"
        {
            let text = format!("{value:?}");
            self.text(field.name(), text.trim_matches('"'));
        }
    }
}
