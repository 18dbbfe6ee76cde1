//! What the fields of a span or an event say, as far as it matters here.

use std::fmt::{self, Write};

use serde_json::Value;
use tracing::field::{Field, Visit};

use super::wanted::STATEMENTS;

/// Longest method, route or name kept, in characters.
const LONGEST: usize = 200;
/// Longest statement kept, in bytes.
const LONGEST_STATEMENT: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) method: Option<String>,
    pub(crate) route: Option<String>,
    otel_name: Option<String>,
    server: bool,
    pub(crate) error: bool,
    pub(crate) statement: Option<String>,
    /// The load's scenario that the request is part of.
    pub(crate) scenario: Option<String>,
    /// What sqlx calls a short statement, which it then tells nowhere else.
    summary: Option<String>,
    pub(crate) elapsed_seconds: Option<f64>,
    /// All fields, by name, where they are wanted.
    pub(crate) kept: Option<Vec<(&'static str, Value)>>,
}

impl Fields {
    /// Whether the span that opened with these is a request.
    pub(crate) fn request(&self) -> bool {
        self.server || self.route.is_some()
    }

    /// `GET /orders/{user}` where method and route are known, else what the
    /// span calls itself.
    pub(crate) fn name(&self, span_name: &str) -> String {
        match (&self.method, &self.route, &self.otel_name) {
            (Some(method), Some(route), _) => format!("{method} {route}"),
            (None, Some(route), _) => route.clone(),
            (_, None, Some(name)) => name.clone(),
            (_, None, None) => span_name.to_owned(),
        }
    }

    /// A visitor that keeps every field, for an event to tell.
    pub(crate) fn keeping() -> Self {
        Self {
            kept: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// The statement that was run, whole.
    pub(crate) fn statement(&self) -> Option<&str> {
        let told = self.statement.as_deref().map(str::trim);
        told.filter(|sql| !sql.is_empty())
            .or(self.summary.as_deref())
    }

    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        if let Some(kept) = &mut self.kept {
            kept.push((field.name(), value.into()));
        }
    }

    fn text(&mut self, field: &str, value: &str) {
        let kept = || Some(value.chars().take(LONGEST).collect());
        match field {
            "http.request.method" | "http.method" => self.method = kept(),
            "http.route" => self.route = kept(),
            "k6.scenario" => self.scenario = kept(),
            "otel.name" => self.otel_name = kept(),
            "otel.kind" => self.server = value.eq_ignore_ascii_case("server"),
            "otel.status_code" => self.error |= value.eq_ignore_ascii_case("error"),
            "error" => self.error |= !value.is_empty() && value != "false",
            "http.response.status_code" | "http.status_code" => {
                self.status(value.parse().unwrap_or(0));
            }
            "summary" => self.summary = Some(up_to(value, LONGEST_STATEMENT).to_owned()),
            _ if STATEMENTS.contains(&field) => {
                self.statement = Some(up_to(value, LONGEST_STATEMENT).to_owned());
            }
            _ => {}
        }
    }

    fn status(&mut self, code: u64) {
        self.error |= code >= 500;
    }
}

/// As much of a text as fits into so many bytes.
fn up_to(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
        self.keep(field, up_to(value, LONGEST));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
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
            Err(_) => self.keep(field, value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
        if field.name() == "elapsed_secs" {
            self.elapsed_seconds = Some(value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
        if field.name() == "error" {
            self.error |= value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `%value` and `?value` arrive here; only the known fields are
        // formatted, and no further than is kept.
        let name = field.name();
        let known = ["http.", "otel.", "db."]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if known || name == "error" || name == "summary" || self.kept.is_some() {
            let mut text = Bounded(String::new());
            // The end of the room is an error to `write!`, and none to us.
            let _ = write!(text, "{value:?}");
            let text = text.0.trim_matches('"');
            self.text(name, text);
            self.keep(field, up_to(text, LONGEST));
        }
    }
}

/// Takes the beginning of what is written to it.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_STATEMENT.saturating_sub(self.0.len());
        self.0.push_str(up_to(text, room));
        if text.len() > room {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
