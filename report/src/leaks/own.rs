//! What the agent's own columns mean to the leak test, which needs no guessing.

use super::meaning::Meaning;
use crate::columns::{Column, ColumnKind};

/// What a column of the agent's is; `None` for words and for the time.
pub(super) fn meaning(column: &Column) -> Option<Meaning> {
    Some(match column.kind {
        ColumnKind::Clock | ColumnKind::Phase => return None,
        ColumnKind::Memory => Meaning::Memory,
        ColumnKind::Level => Meaning::Level,
        ColumnKind::Virtual => Meaning::Virtual,
        ColumnKind::Peak => Meaning::Peak,
        ColumnKind::Limit => Meaning::Limit,
        ColumnKind::Waiting | ColumnKind::Rate => Meaning::Rate,
        ColumnKind::Counter => Meaning::Counter,
        ColumnKind::Delay => Meaning::Time,
        ColumnKind::Host => Meaning::Host,
        ColumnKind::Agent => Meaning::Agent,
    })
}
