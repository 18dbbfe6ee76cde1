//! What the fields of a span or an event say, as far as it matters here.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

use super::filter::STATEMENTS;
use super::kept::{Kept, Piece, Slice};
use crate::spans::method;

/// Fields that are kept of every request. Any other may hold what is nobody's
/// business, so it is kept only where the service names it
/// (`Builder::keep_fields`).
const ALWAYS_KEPT: [&str; 5] = [
    "http.request.method",
    "http.method",
    "http.route",
    "http.response.status_code",
    "http.status_code",
];

/// Bytes of a value that are kept.
const MAX_VALUE: usize = 200;
/// Bytes of a statement that are kept.
const MAX_STATEMENT: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    kept: Kept,
    /// The fields to keep beside [`ALWAYS_KEPT`]; `None` keeps none at all.
    keep: Option<&'a [String]>,
    method: Option<Slice>,
    route: Option<Slice>,
    otel_name: Option<Slice>,
    scenario: Option<Slice>,
    statement: Option<Slice>,
    /// What sqlx calls a short statement, which it then gives nowhere else.
    summary: Option<Slice>,
    server: bool,
    pub(crate) error: bool,
    pub(crate) elapsed_seconds: Option<f64>,
}

impl<'a> Fields<'a> {
    /// A visitor that keeps fields for an event to show.
    pub(crate) fn keeping(names: &'a [String]) -> Self {
        Self {
            kept: Kept::roomy(),
            ..Self::few(names)
        }
    }

    /// The same, with no room yet: for the few fields that are recorded later.
    pub(crate) fn few(names: &'a [String]) -> Self {
        Self {
            keep: Some(names),
            ..Self::default()
        }
    }

    /// A visitor with room for a statement.
    pub(crate) fn of_statement() -> Self {
        Self {
            kept: Kept::for_text(),
            ..Self::default()
        }
    }

    /// Whether the span that opened with these is a request.
    pub(crate) fn request(&self) -> bool {
        self.server || self.route.is_some()
    }

    pub(crate) fn method(&self) -> Option<&str> {
        self.method.map(|slice| self.kept.at(slice))
    }

    pub(crate) fn route(&self) -> Option<&str> {
        self.route.map(|slice| self.kept.at(slice))
    }

    /// The load's scenario that the request is part of.
    pub(crate) fn scenario(&self) -> Option<&str> {
        self.scenario.map(|slice| self.kept.at(slice))
    }

    /// `GET /orders/{user}` where method and route are known, else what the
    /// span calls itself.
    pub(crate) fn name<'b>(&'b self, span_name: &'b str, room: &'b mut String) -> &'b str {
        let name = self.otel_name.map(|slice| self.kept.at(slice));
        match (self.method(), self.route(), name) {
            (Some(method), Some(route), _) => {
                room.clear();
                room.extend([method, " ", route]);
                room
            }
            (None, Some(route), _) => route,
            (_, None, Some(name)) => name,
            (_, None, None) => span_name,
        }
    }

    /// The statement that was run, whole.
    pub(crate) fn statement(&self) -> Option<&str> {
        let whole = self.statement.map(|slice| self.kept.at(slice).trim());
        whole
            .filter(|sql| !sql.is_empty())
            .or(self.summary.map(|slice| self.kept.at(slice)))
    }

    /// The fields to keep.
    pub(crate) fn into_kept(self) -> Kept {
        self.kept
    }

    fn keep(&mut self, field: &Field, value: Piece) {
        if self.keeps(field.name()) {
            self.kept.put(field.name(), value);
        }
    }

    fn keeps(&self, name: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|known| known == name);
        self.keep
            .is_some_and(|names| ALWAYS_KEPT.contains(&name) || named(names))
    }

    fn text(&mut self, field: &Field, value: Slice) {
        let mut short = self.kept.cut(value, |text| up_to(text, MAX_VALUE));
        let text = self.kept.at(value);
        match field.name() {
            "http.request.method" | "http.method" => {
                let known = method::known(text);
                if known != text {
                    short = self.kept.write(|text| text.push_str(known));
                }
                self.method = Some(short);
            }
            "http.route" => self.route = Some(short),
            "k6.scenario" => self.scenario = Some(short),
            "otel.name" => self.otel_name = Some(short),
            "otel.kind" => self.server = text.eq_ignore_ascii_case("server"),
            "otel.status_code" => self.error |= text.eq_ignore_ascii_case("error"),
            "error" => self.error |= !text.is_empty() && text != "false",
            "http.response.status_code" | "http.status_code" => {
                let code = text.parse().unwrap_or(0);
                self.status(code);
            }
            "summary" => self.summary = Some(value),
            name if STATEMENTS.contains(&name) => self.statement = Some(value),
            _ => {}
        }
        self.keep(field, Piece::Text(short));
    }

    fn status(&mut self, code: u64) {
        self.error |= code >= 500;
    }

    /// Whether the text of a field is looked at: it is known, or kept.
    fn reads(&self, name: &str) -> bool {
        let known = || ["http.", "otel.", "db.", "k6."].iter();
        let read = name == "error" || name == "summary" || self.keeps(name);
        read || known().any(|prefix| name.starts_with(prefix))
    }
}

/// As much of a text as fits into so many bytes.
fn up_to(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.reads(field.name()) {
            let value = up_to(value, MAX_STATEMENT);
            let value = self.kept.write(|text| text.push_str(value));
            self.text(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, Piece::Unsigned(value));
        if matches!(
            field.name(),
            "http.response.status_code" | "http.status_code"
        ) {
            self.status(value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.keep(field, Piece::Signed(value)),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, Piece::Float(value));
        if field.name() == "elapsed_secs" {
            self.elapsed_seconds = Some(value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, Piece::Bool(value));
        if field.name() == "error" {
            self.error |= value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `%value` and `?value` arrive here; only what is looked at is
        // formatted, and no further than is kept. A name that method and
        // route make up already is not worth formatting.
        let name = field.name();
        let told_already = name == "otel.name" && self.method.is_some() && self.route.is_some();
        if told_already || !self.reads(name) {
            return;
        }
        let value = self.kept.write(|text| {
            let end = text.len() + MAX_STATEMENT;
            // The end of the room is an error to `write!`, and none to us.
            let _ = write!(Bounded { text, end }, "{value:?}");
        });
        let value = self.kept.cut(value, |text| text.trim_matches('"'));
        self.text(field, value);
    }
}

/// Takes what is written to it up to an end.
struct Bounded<'a> {
    text: &'a mut String,
    end: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.end.saturating_sub(self.text.len());
        self.text.push_str(up_to(text, room));
        if text.len() > room {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
