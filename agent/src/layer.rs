//! The tracing layer: measures spans, tells requests from the rest, and puts
//! on each thread the word of the span it is in.
//!
//! A span is a request when it was opened with a field `http.route`, or with
//! `otel.kind = "server"`. Its name is method and route (never the raw URI);
//! any other span's name is its own. It failed when
//! `http.response.status_code` is 500 or more, when `error` or
//! `otel.status_code = "ERROR"` was recorded, or when an ERROR event happened
//! inside.
//!
//! Only requests carry a [`Scope`]; a span outside of any costs the entry in
//! the registry and one in the ledger.

use std::sync::Arc;
use std::time::Duration;

use quanta::Instant;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::entered;
use crate::fields::Fields;
use crate::labels::{Callsite, Kind, route_of, scenario_of, word};
use crate::ledger::Closed;
use crate::request_end;
use crate::scope::{Position, Scope};
use crate::session::Session;
use crate::statements::{Place, Statement};
use crate::wanted::{Sight, Wanted};

/// Measures spans. Made by `Agent::layer`.
pub(crate) struct SpanLayer {
    session: Option<Arc<Session>>,
    sight: Sight,
}

/// What a span carries from its opening to its close.
struct Open {
    /// What samples carry while a thread is in the span.
    word: u64,
    /// The number of its name.
    name: u32,
    /// How often it is entered now, on all threads.
    depth: u32,
    opened: Instant,
    entered: Instant,
    busy: Duration,
    error: bool,
    request: bool,
    metadata: &'static Metadata<'static>,
    inside: Option<Inside>,
    /// What it tells of a statement, if it is one.
    statement: Option<Box<Statement>>,
}

/// The request that a span is, or is in.
#[derive(Clone)]
struct Inside {
    scope: Arc<Scope>,
    position: Position,
    opened: Instant,
}

impl SpanLayer {
    pub(crate) fn new(session: Option<Arc<Session>>) -> Self {
        let sight = session.as_ref().map(|session| Sight {
            level: session.config.span_level,
            statements: session.config.most_repeats > 0,
        });
        Self {
            session,
            sight: sight.unwrap_or(Sight {
                level: tracing::level_filters::LevelFilter::OFF,
                statements: false,
            }),
        }
    }

    /// What it looks at; `None` where the agent is disabled.
    pub(crate) fn sight(&self) -> Option<Sight> {
        self.session.as_ref().map(|_| self.sight)
    }

    fn callsite(&self, session: &Session, metadata: &'static Metadata<'static>) -> Callsite {
        let wanted = || Wanted::of(metadata, self.sight);
        session.spans.labels.callsite(metadata, wanted)
    }
}

/// The word of the span that a new span is in, 0 for none that is in a request,
/// and the request's inside.
fn around<S>(
    run: u32,
    attributes: &Attributes<'_>,
    context: &Context<'_, S>,
) -> (u64, Option<Inside>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let parent = if attributes.is_contextual() {
        // Most spans are in no request, and need not be looked for.
        match entered::innermost(run) {
            Some(entered) if route_of(entered.word) != 0 => Some(Id::from_u64(entered.id)),
            _ => None,
        }
    } else {
        attributes.parent().cloned()
    };
    parent
        .and_then(|parent| context.span(&parent))
        .and_then(|parent| measured(&parent, |open| (open.word, open.inside.clone())))
        .unwrap_or((0, None))
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
        let metadata = attributes.metadata();
        let callsite = self.callsite(session, metadata);
        if !callsite.wanted.span() {
            return;
        }
        let Some(span) = context.span(id) else {
            return;
        };
        let spans = &session.spans;
        let (above, inside) = around(spans.labels.serial(), attributes, &context);
        let now = Instant::now();
        let mut open = Open {
            word: word(scenario_of(above), route_of(above), callsite.name),
            name: callsite.name,
            depth: 0,
            opened: now,
            entered: now,
            busy: Duration::ZERO,
            error: false,
            request: false,
            metadata,
            inside,
            statement: None,
        };
        if callsite.wanted.fields() {
            open.read(attributes, callsite.wanted, session);
        }
        if let (false, Some(inside)) = (open.request, &mut open.inside) {
            inside.position = inside.scope.below(inside.position, open.name);
        }
        let request = open.request;
        // A second layer of the same agent sees the same spans again.
        if span.extensions_mut().replace(open).is_none() {
            spans.opened(request);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let (Some(session), Some(span)) = (&self.session, context.span(id)) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<Open>() else {
            return;
        };
        let mut fields = if open.request {
            Fields::keeping()
        } else {
            Fields::default()
        };
        values.record(&mut fields);
        open.error |= fields.error;
        if self.sight.statements
            && let Some(sql) = fields.statement()
        {
            open.statement = Some(Box::new(session.spans.statements.told(sql)));
        }
        if let (Some(kept), Some(inside)) = (fields.kept, &open.inside) {
            inside.scope.tell(kept);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(session) = &self.session else {
            return;
        };
        let wanted = self.callsite(session, event.metadata()).wanted;
        if wanted == Wanted::NOTHING {
            return;
        }
        let Some(span) = context.event_span(event) else {
            return;
        };
        if wanted.error_event() {
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
        if wanted.statement() {
            let around = measured(&span, |open| {
                // A span that tells the statement has told this one.
                let told = open.statement.is_some();
                (open.inside.clone().filter(|_| !told), open.metadata)
            });
            if let Some((Some(inside), around)) = around {
                inside.statement_event(event, around, session);
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
            open.close(session);
        }
    }
}

impl Open {
    /// Reads the fields that the span opened with.
    fn read(&mut self, attributes: &Attributes<'_>, wanted: Wanted, session: &Session) {
        let mut fields = if wanted.request() {
            Fields::keeping()
        } else {
            Fields::default()
        };
        attributes.record(&mut fields);
        self.error = fields.error;
        if let (true, Some(sql)) = (wanted.statement(), fields.statement()) {
            self.statement = Some(Box::new(session.spans.statements.told(sql)));
        }
        if fields.request() {
            let name = fields.name(self.metadata.name());
            let (method, route) = (fields.method.as_deref(), fields.route.as_deref());
            self.request = true;
            self.name = session.spans.request(&name, method, route);
            let number = |text| {
                let labels = &session.spans.labels;
                labels.number(Kind::Scenario, text, || None)
            };
            let scenario = fields.scenario.as_deref().map_or(0, number);
            self.word = word(scenario, self.name, self.name);
            let scope = Arc::new(Scope::default());
            scope.tell(fields.kept.unwrap_or_default());
            self.inside = Some(Inside {
                scope,
                position: Position::REQUEST,
                opened: self.opened,
            });
        }
    }

    fn close(self, session: &Session) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let closed = Closed {
            name: self.name,
            error: self.error,
            took_ns: nanos(self.opened.elapsed()),
            busy_ns: nanos(self.busy),
        };
        session.spans.closed(closed, self.request);
        let Some(inside) = self.inside else { return };
        if let Some(statement) = &self.statement {
            let place = Place {
                span: self.metadata.name(),
                file: self.metadata.file(),
                line: self.metadata.line(),
            };
            let end_ns = nanos(inside.opened.elapsed());
            inside.scope.ran(statement, end_ns, closed.took_ns, place);
        }
        if self.request {
            request_end::look(&inside.scope, &closed, session);
        } else {
            inside
                .scope
                .closed(inside.position, closed.took_ns, closed.busy_ns);
        }
    }
}

impl Inside {
    /// An event told a statement that has ended.
    fn statement_event(
        &self,
        event: &Event<'_>,
        around: &'static Metadata<'static>,
        session: &Session,
    ) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Some(sql) = fields.statement() else {
            return;
        };
        let statement = session.spans.statements.told(sql);
        let took = fields.elapsed_seconds.unwrap_or(0.0).clamp(0.0, 1e6);
        let end_ns = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // The event's own callsite is in the library that ran the statement.
        let ours = around.target().starts_with(env!("CARGO_CRATE_NAME"));
        let place = Place {
            span: around.name(),
            file: around.file().filter(|_| !ours),
            line: around.line().filter(|_| !ours),
        };
        self.scope
            .ran(&statement, end_ns, (took * 1e9) as u64, place);
    }
}
