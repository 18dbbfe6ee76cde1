//! What happens in a run: what the agent writes to `events.jsonl` and what is
//! read of it.
//!
//! An [`Event`] is any line of that file, also of a kind that this version does
//! not know. An [`EventKind`] is one that it does, with its fields.

mod fields;
mod memory;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use fields::{
    BudgetEvent, BudgetState, ChildSpan, DropEvent, LeakEvent, NPlusOneEvent, PhaseEvent, SlowRule,
    SlowSpanEvent, StatementTotal, WarningEvent,
};

/// One line of `events.jsonl`: something that happened at a moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// When, RFC 3339.
    pub time: String,
    /// When, in minutes since the start of the run.
    pub elapsed_min: f64,
    /// What, such as `phase`; [`known`](Event::known) reads what it says.
    pub kind: String,
    /// What else the kind says.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

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
    /// The event as one line with its newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

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

    #[test]
    fn events_carry_fields_of_their_own() {
        let line =
            r#"{"time":"2026-01-01T00:00:00Z","elapsed_min":1.5,"kind":"phase","name":"steady"}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(event.fields["name"], "steady");
        assert_eq!(event.to_line().trim_end(), line);
    }
}
