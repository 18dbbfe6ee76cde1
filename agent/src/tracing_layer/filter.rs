//! Which callsites the layer looks at, and why.
//!
//! A callsite is judged when it is registered, so that one that is not looked
//! at stays as cheap as without the layer. Looked at are
//!
//! - spans at or above a level (`Builder::span_level`, INFO by default),
//! - spans down to DEBUG that may be a request or a database's statement,
//! - ERROR events, which make the request around them one that failed,
//! - events that carry a statement, such as those of `sqlx`.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Fields that hold a statement, by the conventions of OpenTelemetry, old and
/// new.
pub(crate) const STATEMENTS: [&str; 2] = ["db.statement", "db.query.text"];

/// The target of sqlx's event for each statement it ran.
const SQLX: &str = "sqlx::query";

/// Fields by which a span or an event says that it failed.
const FAILURES: [&str; 4] = [
    "error",
    "otel.status_code",
    "http.response.status_code",
    "http.status_code",
];

/// What the layer is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Spans at or above it.
    pub(crate) level: LevelFilter,
    /// Whether statements are looked at.
    pub(crate) statements: bool,
}

/// Why a callsite is looked at; nothing in it means that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reasons(u8);

impl Reasons {
    pub(crate) const NONE: Self = Self(0);
    const SPAN: u8 = 1;
    const REQUEST: u8 = 2;
    const FAILURE: u8 = 4;
    const STATEMENT: u8 = 8;
    const ERROR_EVENT: u8 = 16;

    /// Those that a callsite has.
    pub(crate) fn of(metadata: &Metadata<'_>, selection: Selection) -> Self {
        let fields = metadata.fields();
        let has = |names: &[&str]| names.iter().any(|name| fields.field(*name).is_some());
        let statement = selection.statements && has(&STATEMENTS);
        if !metadata.is_span() {
            let mut reasons = 0;
            // `enabled!` asks about a callsite without fields.
            if statement || (selection.statements && metadata.target() == SQLX) {
                reasons |= Self::STATEMENT;
            }
            if metadata.is_event() && *metadata.level() == Level::ERROR {
                reasons |= Self::ERROR_EVENT;
            }
            return Self(reasons);
        }
        let request = has(&["http.route", "otel.kind"]);
        if !(request || statement || *metadata.level() <= selection.level) {
            return Self::NONE;
        }
        let mut reasons = Self::SPAN;
        if request {
            reasons |= Self::REQUEST;
        }
        if statement {
            reasons |= Self::STATEMENT;
        }
        if has(&FAILURES) {
            reasons |= Self::FAILURE;
        }
        Self(reasons)
    }

    /// Whether it is a span that is measured.
    pub(crate) fn span(self) -> bool {
        self.0 & Self::SPAN != 0
    }

    /// Whether a span of it may be a request.
    pub(crate) fn request(self) -> bool {
        self.0 & Self::REQUEST != 0
    }

    /// Whether it may carry a statement.
    pub(crate) fn statement(self) -> bool {
        self.0 & Self::STATEMENT != 0
    }

    /// Whether it is an ERROR event.
    pub(crate) fn error_event(self) -> bool {
        self.0 & Self::ERROR_EVENT != 0
    }

    /// Whether the fields a span opens with have to be read.
    pub(crate) fn fields(self) -> bool {
        self.0 & (Self::REQUEST | Self::FAILURE | Self::STATEMENT) != 0
    }
}

/// Lets through the callsites that are looked at.
pub(crate) struct CallsiteFilter {
    /// `None` in an agent that is disabled.
    selection: Option<Selection>,
}

impl CallsiteFilter {
    pub(crate) fn new(selection: Option<Selection>) -> Self {
        Self { selection }
    }
}

impl<S: Subscriber> Filter<S> for CallsiteFilter {
    /// Says yes to everything: the answer that counts is the one of
    /// [`callsite_enabled`](Filter::callsite_enabled), and the layer looks
    /// again at what it is given.
    ///
    /// A no is kept by tracing-subscriber, for this thread, until a span or an
    /// event follows the question. When none does (`enabled!`, or
    /// `log_enabled!` through `LogTracer`) it strikes the next span instead,
    /// which then opens unseen (tokio-rs/tracing#3572).
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.selection.is_some()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.selection {
            Some(selection) if Reasons::of(metadata, selection) != Reasons::NONE => {
                Interest::always()
            }
            _ => Interest::never(),
        }
    }

    /// Requests and statements are wanted at DEBUG, too. Below that is only
    /// what the level asks for, so that `trace!` ends at tracing's first test.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.selection {
            Some(selection) => selection.level.max(LevelFilter::DEBUG),
            None => LevelFilter::OFF,
        })
    }
}
