//! The tracing layer: measures spans, tells requests from the rest, and puts
//! on each thread the word of the span it is in.
//!
//! A span is a request when it was opened with a field `http.route`, or with
//! `otel.kind = "server"`. Its name is method and route (never the raw URI);
//! any other span's name is its own. It failed when
//! `http.response.status_code` is 500 or more, when `error` or
//! `otel.status_code = "ERROR"` was recorded, or when an ERROR event happened
//! inside.

use std::sync::Arc;
use std::time::Duration;

use quanta::Instant;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::entered;
use crate::fields::Fields;
use crate::labels::{Callsite, route_of, word};
use crate::ledger::Closed;
use crate::session::Session;
use crate::wanted::Wanted;

/// Measures spans. Made by `Agent::layer`.
pub(crate) struct SpanLayer {
    session: Option<Arc<Session>>,
    level: LevelFilter,
}

/// What a span carries from its opening to its close.
struct Open {
    /// What samples carry while a thread is in the span.
    word: u64,
    /// The number of its name.
    name: u32,
    opened: Instant,
    entered: Instant,
    /// How often it is entered now, on all threads.
    depth: u32,
    busy: Duration,
    request: bool,
    error: bool,
}

impl SpanLayer {
    pub(crate) fn new(session: Option<Arc<Session>>) -> Self {
        let level = session.as_ref().map(|session| session.config.span_level);
        Self {
            session,
            level: level.unwrap_or(LevelFilter::OFF),
        }
    }

    fn callsite(&self, session: &Session, metadata: &'static Metadata<'static>) -> Callsite {
        let wanted = || Wanted::of(metadata, self.level);
        session.spans.labels.callsite(metadata, wanted)
    }

    /// The route of the request that a new span is in; 0 for none.
    fn route_around<S>(
        &self,
        run: u32,
        attributes: &Attributes<'_>,
        context: &Context<'_, S>,
    ) -> u32
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if attributes.is_contextual() {
            return entered::innermost(run).map_or(0, |entered| route_of(entered.word));
        }
        let Some(parent) = attributes.parent().and_then(|parent| context.span(parent)) else {
            return 0;
        };
        measured(&parent, |open| route_of(open.word)).unwrap_or(0)
    }
}

/// Runs `f` on the innermost measured span of this one and those around it.
fn measured<'a, S, R>(span: &SpanRef<'a, S>, f: impl FnOnce(&mut Open) -> R) -> Option<R>
where
    S: LookupSpan<'a>,
{
    let holder = span
        .scope()
        .find(|span| span.extensions().get::<Open>().is_some())?;
    holder.extensions_mut().get_mut::<Open>().map(f)
}

impl<S> Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(session) = &self.session else {
            return;
        };
        let callsite = self.callsite(session, attributes.metadata());
        if !callsite.wanted.span() {
            return;
        }
        let Some(span) = context.span(id) else {
            return;
        };
        let labels = &session.spans.labels;
        let mut name = callsite.name;
        let mut route = self.route_around(labels.serial(), attributes, &context);
        let (mut request, mut error) = (false, false);
        if callsite.wanted.fields() {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            error = fields.error;
            if fields.request() {
                request = true;
                let full = fields.name(attributes.metadata().name());
                let (method, path) = (fields.method.as_deref(), fields.route.as_deref());
                name = session.spans.request(&full, method, path);
                route = name;
            }
        }
        let now = Instant::now();
        let before = span.extensions_mut().replace(Open {
            word: word(route, name),
            name,
            opened: now,
            entered: now,
            depth: 0,
            busy: Duration::ZERO,
            request,
            error,
        });
        // A second layer of the same agent sees the same spans again.
        if before.is_none() {
            session.spans.opened(request);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(open) = extensions.get_mut::<Open>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            open.error |= fields.error;
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(session) = &self.session else {
            return;
        };
        let wanted = self.callsite(session, event.metadata()).wanted;
        if !wanted.error_event() {
            return;
        }
        let Some(span) = context.event_span(event) else {
            return;
        };
        // The span it happened in failed, and the request around that.
        for span in span.scope() {
            let mut extensions = span.extensions_mut();
            if let Some(open) = extensions.get_mut::<Open>() {
                open.error = true;
                if open.request {
                    break;
                }
            }
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let (Some(session), Some(span)) = (&self.session, context.span(id)) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(open) = extensions.get_mut::<Open>() {
            open.depth += 1;
            if open.depth == 1 {
                open.entered = Instant::now();
            }
            entered::enter(session.spans.labels.serial(), id, open.word);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let (Some(session), Some(span)) = (&self.session, context.span(id)) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        if let Some(open) = extensions.get_mut::<Open>() {
            entered::exit(session.spans.labels.serial(), id);
            if open.depth == 1 {
                open.busy += open.entered.elapsed();
            }
            open.depth = open.depth.saturating_sub(1);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let (Some(session), Some(span)) = (&self.session, context.span(&id)) else {
            return;
        };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(open) = open {
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let closed = Closed {
                name: open.name,
                error: open.error,
                took_ns: nanos(open.opened.elapsed()),
                busy_ns: nanos(open.busy),
            };
            session.spans.closed(closed, open.request);
        }
    }
}
