//! The tracing layer: measures spans, knows requests from the rest, and puts
//! on each thread the word of the span it is in.
//!
//! A span is a request when it was opened with a field `http.route`, or with
//! `otel.kind = "server"`. Its name is method and route (never the raw URI);
//! any other span's name is its own. It failed when
//! `http.response.status_code` is 500 or more, when `error` or
//! `otel.status_code = "ERROR"` was recorded, or when an ERROR event happened
//! inside.
//!
//! Only requests carry a [`Scope`]; a span outside of any costs an entry among
//! the open ones and one in the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quanta::Instant;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::callsites::{Callsite, callsite};
use super::entered;
use super::fields::Fields;
use super::filter::{Reasons, Selection};
use super::open_spans::OpenSpans;
use super::request_end;
use super::scope::{Position, Scope};
use crate::session::Session;
use crate::spans::cpu::Meter;
use crate::spans::labels::{Room, route_of, scenario_of, word};
use crate::spans::ledger::Closed;
use crate::spans::statements::{Place, Statement};

/// Measures spans. Made by `Agent::layer`.
pub(crate) struct SpanLayer {
    session: Option<Arc<Session>>,
    selection: Selection,
    /// Distinguishes this layer's spans from those of another: ids are a registry's.
    number: u32,
    open: OpenSpans<Open>,
}

/// What a span carries from its opening to its close.
struct Open {
    /// What samples carry while a thread is in the span.
    word: u64,
    /// The number of its name.
    name: u32,
    /// How often it is entered now, on all threads, entries counted by
    /// [`entered::enter_again`] left out.
    depth: u32,
    opened: Instant,
    entered: Instant,
    busy: Duration,
    error: bool,
    request: bool,
    metadata: &'static Metadata<'static>,
    inside: Option<Inside>,
    /// The statement that it stands for, if it does.
    statement: Option<Box<Statement>>,
}

/// The request that a span is, or is in.
#[derive(Clone)]
struct Inside {
    scope: Arc<Scope>,
    position: Position,
    opened: Instant,
    /// What its CPU time is measured with, where it is.
    meter: Option<Arc<Meter>>,
}

impl SpanLayer {
    pub(crate) fn new(session: Option<Arc<Session>>) -> Self {
        let selection = session.as_ref().map(|session| Selection {
            level: session.config.span_level,
            statements: session.config.most_repeats > 0,
        });
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            open: OpenSpans::default(),
            session,
            selection: selection.unwrap_or(Selection {
                level: tracing::level_filters::LevelFilter::OFF,
                statements: false,
            }),
        }
    }

    /// What it measures; `None` where the agent is disabled.
    pub(crate) fn selection(&self) -> Option<Selection> {
        self.session.as_ref().map(|_| self.selection)
    }

    /// The session, in the process that it runs in: a child takes no lock that a
    /// thread of its parent may have held.
    fn session(&self) -> Option<&Arc<Session>> {
        let session = self.session.as_ref();
        session.filter(|session| !session.process.is_forked())
    }

    fn callsite(&self, session: &Session, metadata: &'static Metadata<'static>) -> Callsite {
        let reasons = || Reasons::of(metadata, self.selection);
        callsite(&session.spans.labels, metadata, reasons)
    }

    /// The word of the span that a new span is in, 0 for none that is in a
    /// request, and the request's inside.
    fn around<S>(&self, attributes: &Attributes<'_>, context: &Context<'_, S>) -> Around
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let kept = |open: &mut Open| (open.word, open.inside.clone());
        if attributes.is_contextual() {
            // Most spans are in no request, and need not be looked for.
            let entered = entered::innermost(self.number);
            let inside = entered.filter(|entered| route_of(entered.word) != 0);
            let kept = inside.and_then(|at| self.open.with(&Id::from_u64(at.id), kept));
            return kept.unwrap_or_default();
        }
        let parent = attributes.parent().and_then(|id| context.span(id));
        let kept = parent.and_then(|parent| self.measured(&parent, kept));
        kept.unwrap_or_default()
    }

    /// Runs `f` on the innermost measured span of this one and those around it.
    fn measured<'a, S, R>(&self, span: &SpanRef<'a, S>, f: impl Fn(&mut Open) -> R) -> Option<R>
    where
        S: LookupSpan<'a>,
    {
        span.scope().find_map(|span| self.open.with(&span.id(), &f))
    }
}

type Around = (u64, Option<Inside>);

impl<S> Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(session) = self.session() else {
            return;
        };
        let metadata = attributes.metadata();
        let callsite = self.callsite(session, metadata);
        if !callsite.reasons.span() {
            return;
        }
        let spans = &session.spans;
        let (above, inside) = self.around(attributes, &context);
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
        if callsite.reasons.fields() {
            open.read(attributes, callsite.reasons, session);
        }
        if let (false, Some(inside)) = (open.request, &mut open.inside) {
            inside.position = inside.scope.below(inside.position, open.name);
        }
        let request = open.request;
        spans.opened(request);
        if let Some(lost) = self.open.insert(id, open) {
            // A span of this id whose close was never seen.
            lost.close(session);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let Some(session) = self.session() else {
            return;
        };
        // Fields are the service's code, which must not run under our lock.
        let Some(request) = self.open.with(id, |open| open.request) else {
            return;
        };
        let mut fields = if request {
            Fields::few(&session.config.keep_fields)
        } else {
            Fields::default()
        };
        values.record(&mut fields);
        let sql = fields.statement().filter(|_| self.selection.statements);
        let statement = sql.map(|sql| Box::new(session.spans.statements.of(sql)));
        let inside = self.open.with(id, |open| {
            open.error |= fields.error;
            open.statement = statement.or(open.statement.take());
            open.inside.clone()
        });
        if let (true, Some(Some(inside))) = (request, inside) {
            inside.scope.record(&fields.into_kept());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(session) = self.session() else {
            return;
        };
        let reasons = self.callsite(session, event.metadata()).reasons;
        if reasons == Reasons::NONE {
            return;
        }
        let Some(span) = context.event_span(event) else {
            return;
        };
        if reasons.error_event() {
            // The span it happened in failed, and the request around that.
            let fail = |open: &mut Open| {
                open.error = true;
                open.request
            };
            span.scope()
                .find(|span| self.open.with(&span.id(), fail) == Some(true));
        }
        if reasons.statement() {
            let around = self.measured(&span, |open| {
                // A span that stands for the statement has counted this one.
                let counted = open.statement.is_some();
                (open.inside.clone().filter(|_| !counted), open.metadata)
            });
            if let Some((Some(inside), around)) = around {
                inside.statement_event(event, around, session);
            }
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        if self.session().is_none() || entered::enter_again(self.number, id) {
            return;
        }
        let now = Instant::now();
        let entered = self.open.with(id, |open| {
            open.depth += 1;
            if open.depth == 1 {
                open.entered = now;
            }
            let inside = open.inside.as_ref();
            (open.word, inside.and_then(|inside| inside.meter.clone()))
        });
        if let Some((word, meter)) = entered {
            entered::enter(self.number, id, word, meter);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        if self.session().is_none() || !entered::exit(self.number, id) {
            return;
        }
        let now = Instant::now();
        self.open.with(id, |open| {
            if open.depth == 1 {
                open.busy += now.duration_since(open.entered);
            }
            open.depth = open.depth.saturating_sub(1);
        });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let Some(session) = self.session() else {
            return;
        };
        if let Some(open) = self.open.remove(&id) {
            open.close(session);
        }
    }
}

impl Drop for SpanLayer {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && session.process.is_forked()
        {
            // It is the parent's, and what is in it may be locked for good.
            std::mem::forget(session);
        }
    }
}

impl Open {
    /// Reads the fields that the span opened with.
    fn read(&mut self, attributes: &Attributes<'_>, reasons: Reasons, session: &Session) {
        let mut fields = if reasons.request() {
            Fields::keeping(&session.config.keep_fields)
        } else {
            Fields::default()
        };
        attributes.record(&mut fields);
        self.error = fields.error;
        if let (true, Some(sql)) = (reasons.statement(), fields.statement()) {
            self.statement = Some(Box::new(session.spans.statements.of(sql)));
        }
        if fields.request() {
            let mut room = String::with_capacity(64);
            let name = fields.name(self.metadata.name(), &mut room);
            self.request = true;
            self.name = session.spans.request(name, fields.method(), fields.route());
            let number = |text| {
                let labels = &session.spans.labels;
                labels.number(Room::Scenario, text, || None)
            };
            let scenario = fields.scenario().map_or(0, number);
            self.word = word(scenario, self.name, self.name);
            self.inside = Some(Inside {
                scope: Arc::new(Scope::new(fields.into_kept())),
                position: Position::REQUEST,
                opened: self.opened,
                meter: session.spans.cpu.open(self.name),
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
            if let Some(meter) = &inside.meter {
                meter.ended();
            }
            request_end::look(&inside.scope, &closed, session);
        } else {
            inside
                .scope
                .closed(inside.position, closed.took_ns, closed.busy_ns);
        }
    }
}

impl Inside {
    /// An event reports a statement that has ended.
    fn statement_event(
        &self,
        event: &Event<'_>,
        around: &'static Metadata<'static>,
        session: &Session,
    ) {
        let mut fields = Fields::of_statement();
        event.record(&mut fields);
        let Some(sql) = fields.statement() else {
            return;
        };
        let statement = session.spans.statements.of(sql);
        let took = fields.elapsed_seconds.unwrap_or(0.0).clamp(0.0, 1e6);
        let end_ns = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // The event's own callsite is in the library that ran the statement.
        let of_agent = around.target().starts_with(env!("CARGO_CRATE_NAME"));
        let place = Place {
            span: around.name(),
            file: around.file().filter(|_| !of_agent),
            line: around.line().filter(|_| !of_agent),
        };
        self.scope
            .ran(&statement, end_ns, (took * 1e9) as u64, place);
    }
}
