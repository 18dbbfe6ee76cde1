//! The kinds of events, each with its fields: what the agent writes to
//! `events.jsonl` and what is read of it.
//!
//! An [`Event`] is any line of that file, also of a kind that this version does
//! not know. An [`EventKind`] is one that it does.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::run::Event;

/// The kind of a [`LeakEvent`].
pub(crate) const LEAK: &str = "leak";

/// An event of a kind that this version knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A phase began.
    Phase(PhaseEvent),
    /// A request was slow.
    SlowSpan(Box<SlowSpanEvent>),
    /// A request ran a statement over and over.
    NPlusOne(NPlusOneEvent),
    /// A budget broke, warns, or holds again.
    Budget(BudgetEvent),
    /// Something was lost.
    Drop(DropEvent),
    /// Trouble inside the agent.
    Warning(WarningEvent),
    /// The first answer, while the run goes on, that something leaks.
    Leak(LeakEvent),
}

/// A phase began; the one before ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseEvent {
    /// What it is called. Some agents of format 1.1 wrote this as `phase`.
    #[serde(alias = "phase")]
    pub name: String,
}

/// A request was slow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SlowSpanEvent {
    /// The request's name, as in `spans.csv`.
    pub span: Option<String>,
    /// The phase it ended in.
    pub phase: String,
    /// How long it took.
    pub took_ms: f64,
    /// How long it may take.
    pub limit_ms: f64,
    /// Where that limit comes from.
    pub rule: SlowRule,
    /// Whether it failed.
    pub error: bool,
    /// Slow requests of the route, since the last that has an event, that have
    /// none.
    pub suppressed: u64,
    /// A thread was in the request's span.
    pub busy_ms: f64,
    /// None was, and a span directly inside was open.
    pub waiting_ms: f64,
    /// None was, and no such span was open.
    pub unaccounted_ms: f64,
    /// What was recorded on the request's span.
    pub fields: Map<String, Value>,
    /// The spans inside, the longest first.
    pub children: Vec<ChildSpan>,
    /// Spans inside that found no room among these.
    #[serde(skip_serializing_if = "is_zero")]
    pub children_without_room: u64,
    /// The statements that took longest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementTotal>,
}

/// Where the limit of a slow request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SlowRule {
    /// The option `slow_request`.
    #[default]
    #[serde(rename = "slow_request")]
    SlowRequest,
    /// Three times what 99 of 100 requests on the route took so far.
    #[serde(rename = "3 x the route's own p99")]
    OwnP99,
    /// A rule that this version does not know.
    #[serde(other)]
    Other,
}

/// Spans of one name inside a request, under one parent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildSpan {
    /// Their name.
    pub span: Option<String>,
    /// How many there were.
    pub count: u64,
    /// From opening to close, of all together.
    pub took_ms: f64,
    /// Of that, time in which a thread was in them.
    pub busy_ms: f64,
    /// The spans inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildSpan>,
}

/// What a request did with one statement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementTotal {
    /// The statement with `?` for values.
    pub statement: String,
    /// How often it ran.
    pub count: u64,
    /// How long that took.
    pub total_ms: f64,
}

/// A request ran a statement over and over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NPlusOneEvent {
    /// The request's name.
    pub route: String,
    /// The statement with `?` for values and for lists of them.
    pub statement: String,
    /// How often it ran in one request, at most, one after the other.
    pub count: u64,
    /// Requests in which it was found.
    pub requests: u64,
    /// Statements in them.
    pub statements: u64,
    /// Time in these.
    pub total_ms: f64,
    /// Whether all had the same values; `None` where placeholders hide them.
    pub same_parameters: Option<bool>,
    /// The innermost span around it.
    pub span: Option<String>,
    /// File and line of that span's callsite.
    pub location: Option<String>,
}

/// A budget changed its state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetEvent {
    /// The budget, as in `verdict.json`.
    pub budget: String,
    /// What it has come to.
    pub state: BudgetState,
    /// The value that is compared.
    pub value: Option<f64>,
    /// The same in a sentence.
    pub message: String,
}

/// What a budget has come to while the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BudgetState {
    /// It holds, or too little is known.
    #[default]
    Holds,
    /// It holds, and the bound that warns is passed.
    Warning,
    /// The bound that fails is passed.
    Broken,
    /// A state that this version does not know.
    #[serde(other)]
    Other,
}

/// Something was lost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DropEvent {
    /// What, and why; see [`DropCause`](crate::DropCause).
    pub cause: String,
    /// How many so far.
    pub count: u64,
}

/// Trouble inside the agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WarningEvent {
    /// What happened.
    pub message: String,
}

/// Somebody asked, and was answered that something leaks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LeakEvent {
    /// The answer.
    pub headline: String,
}

impl Default for NPlusOneEvent {
    fn default() -> Self {
        Self {
            route: String::new(),
            statement: String::new(),
            count: 0,
            // It is there because a request has it.
            requests: 1,
            statements: 0,
            total_ms: 0.0,
            same_parameters: None,
            span: None,
            location: None,
        }
    }
}

impl EventKind {
    /// The kinds, as they are written.
    pub const NAMES: [&str; 7] = [
        "phase",
        "slow_span",
        "n_plus_one",
        "budget",
        "drop",
        "warning",
        LEAK,
    ];

    /// One line of `events.jsonl`, with its newline.
    #[must_use]
    pub fn to_line(&self, time: &str, elapsed_min: f64) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            time: &'a str,
            elapsed_min: f64,
            #[serde(flatten)]
            kind: &'a EventKind,
        }
        let elapsed_min = (elapsed_min * 1e5).round() / 1e5;
        let line = Line {
            time,
            elapsed_min,
            kind: self,
        };
        // A tree of text, numbers and flags is always JSON.
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl Event {
    /// What the event says; `None` of a kind that this version does not know and
    /// of fields that are not what they should be.
    #[must_use]
    pub fn known(&self) -> Option<EventKind> {
        fn read<'a, T: Deserialize<'a>>(fields: &'a Map<String, Value>) -> Option<T> {
            T::deserialize(fields).ok()
        }
        let fields = &self.fields;
        Some(match self.kind.as_str() {
            "phase" => EventKind::Phase(read(fields)?),
            "slow_span" => EventKind::SlowSpan(read(fields)?),
            "n_plus_one" => EventKind::NPlusOne(read(fields)?),
            "budget" => EventKind::Budget(read(fields)?),
            "drop" => EventKind::Drop(read(fields)?),
            "warning" => EventKind::Warning(read(fields)?),
            LEAK => EventKind::Leak(read(fields)?),
            _ => return None,
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<EventKind> {
        let child = ChildSpan {
            span: Some("query".to_owned()),
            count: 3,
            children: vec![ChildSpan::default()],
            ..ChildSpan::default()
        };
        vec![
            EventKind::Phase(PhaseEvent {
                name: "steady".to_owned(),
            }),
            EventKind::SlowSpan(Box::new(SlowSpanEvent {
                span: Some("GET /a".to_owned()),
                rule: SlowRule::OwnP99,
                fields: Map::from_iter([("http.route".to_owned(), "/a".into())]),
                children: vec![child],
                children_without_room: 2,
                statements: vec![StatementTotal::default()],
                ..SlowSpanEvent::default()
            })),
            EventKind::NPlusOne(NPlusOneEvent::default()),
            EventKind::Budget(BudgetEvent {
                state: BudgetState::Broken,
                value: Some(7.5),
                ..BudgetEvent::default()
            }),
            EventKind::Drop(DropEvent {
                cause: "span_rows".to_owned(),
                count: 2,
            }),
            EventKind::Warning(WarningEvent {
                message: "late".to_owned(),
            }),
            EventKind::Leak(LeakEvent {
                headline: "heap".to_owned(),
            }),
        ]
    }

    #[test]
    fn what_is_written_of_each_kind_is_read() {
        let time = "2026-01-31T12:00:00.250Z";
        let mut kinds = Vec::new();
        for kind in every_kind() {
            let line = kind.to_line(time, 1.234_567_8);
            assert!(line.ends_with("}\n"), "{line}");
            let event: Event = serde_json::from_str(&line).unwrap();
            assert_eq!((event.time.as_str(), event.elapsed_min), (time, 1.23457));
            assert_eq!(event.known().as_ref(), Some(&kind), "{line}");
            kinds.push(event.kind);
        }
        assert_eq!(kinds, EventKind::NAMES);
    }

    #[test]
    fn other_writers_are_understood() {
        let read = |line: &str| serde_json::from_str::<Event>(line).unwrap().known();
        let steady = PhaseEvent {
            name: "steady".to_owned(),
        };
        for line in [
            r#"{"kind":"phase","name":"steady"}"#,
            r#"{"kind":"phase","phase":"steady"}"#,
            r#"{"kind":"phase","name":"steady","moon":"full"}"#,
        ] {
            assert_eq!(read(line), Some(EventKind::Phase(steady.clone())), "{line}");
        }
        assert_eq!(read(r#"{"kind":"eclipse"}"#), None);
        assert_eq!(read(r#"{"kind":"drop","count":"many"}"#), None);
        let Some(EventKind::Budget(budget)) = read(r#"{"kind":"budget","state":"bent"}"#) else {
            panic!("a budget");
        };
        assert_eq!(budget.state, BudgetState::Other);
    }
}
