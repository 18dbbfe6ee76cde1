//! The fields of each kind of event.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
