//! What a column of a timeline can be taken for.

use serde::Serialize;

/// What a column of a timeline is taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnRole {
    /// The column's name.
    pub name: String,
    /// What it is taken for.
    pub role: Role,
    /// What its numbers are in, such as `KB` or `count`, where that matters.
    pub unit: Option<String>,
    /// Why, in a few words.
    pub why: String,
}

/// Why a column is judged of which there is no more to say.
pub(super) const HELD: &str = "held at a time";

impl ColumnRole {
    /// Whether the role goes without saying.
    pub(crate) fn is_plain(&self) -> bool {
        self.role == Role::Judged && self.why == HELD
    }
}

/// What a column can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// It is judged.
    Judged,
    /// It looks like something held and cannot be read.
    Unreadable,
    /// It counts events since the start and grows for ever.
    Counter,
    /// A rate, a share, or a number per row.
    Rate,
    /// A time or a duration.
    Time,
    /// Address space that nothing need back.
    Virtual,
    /// A limit, or the highest so far.
    Bound,
    /// It names something, as a process id does.
    Identity,
    /// The machine's, not the process's.
    Host,
    /// What the agent itself takes.
    Agent,
    /// Another column says the same, more often or more exactly.
    Covered,
    /// Words.
    Text,
    /// It has no reading.
    Empty,
    /// It is left out because somebody said so.
    Skipped,
}

impl Role {
    /// The role as it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Judged => "judged",
            Role::Unreadable => "unreadable",
            Role::Counter => "counter",
            Role::Rate => "rate",
            Role::Time => "time",
            Role::Virtual => "virtual",
            Role::Bound => "bound",
            Role::Identity => "identity",
            Role::Host => "host",
            Role::Agent => "agent",
            Role::Covered => "covered",
            Role::Text => "text",
            Role::Empty => "empty",
            Role::Skipped => "skipped",
        }
    }
}
