//! Which columns of a timeline are judged, as what, and why the others are not.
//!
//! Every column but the time has a role. Its name's whole words (`meaning`) and
//! its values decide: a limit that changes at every row is none, a peak that falls
//! is the highest of an interval. Where a column of things held could not be read,
//! or in which unit it is cannot be seen, the verdict is not a pass.

use super::LeakOptions;
use super::candidates::Unit;
use super::course::Course;
use super::meaning::{self, Meaning};
use super::options::Kind;
use super::role::{ColumnRole, HELD, Role};
use super::vocabulary::{LIMITS, PEAKS};
use super::words::words;
use super::{own, units, unread};
use crate::columns::{self, Column as OwnColumn};
use crate::timeline::{CellUnit, ColumnFacts, Timeline};

/// A column that is judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    /// Its place in the timeline.
    pub column: usize,
    pub name: String,
    /// The units that its numbers can be in, the likeliest first; empty where it
    /// has no number to judge.
    pub units: Vec<Unit>,
    /// Its name and its values would do for a running counter as well.
    pub may_count: bool,
    /// Its numbers are memory in no unit that a process has.
    pub no_unit: bool,
    /// What of it could not be read, in a sentence.
    pub unread: Option<String>,
}

/// What was decided about all columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    /// Every column but the time, in the timeline's order.
    pub columns: Vec<ColumnRole>,
    /// Those to be judged, in the same order.
    pub judged: Vec<Judged>,
    /// Whether the agent wrote the timeline.
    pub of_agent: bool,
}

pub(super) fn of(timeline: &Timeline, options: &LeakOptions) -> Roles {
    let names = timeline.columns();
    let of_agent = columns::of_agent(names);
    let mut roles = Roles {
        of_agent,
        ..Roles::default()
    };
    let mut shares = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if timeline.is_time(index) {
            continue;
        }
        let column = Column {
            timeline,
            options,
            index,
            name,
            words: words(name),
            facts: timeline.facts(name),
            values: timeline.readings(name),
            origin: match columns::find(name) {
                Some(column) if of_agent => Origin::Agent(column),
                None if of_agent => Origin::Tracked,
                _ => Origin::Foreign,
            },
        };
        let decision = column.decide();
        if let Some(judged) = decision.judged {
            if decision.is_share {
                shares.push(roles.columns.len());
            }
            roles.judged.push(judged);
        }
        roles.columns.push(decision.role);
    }
    cover(&mut roles, &shares, names);
    roles
}

/// A share of the machine's memory says nothing that memory in bytes does not.
fn cover(roles: &mut Roles, shares: &[usize], names: &[String]) {
    let in_bytes = |judged: &Judged| matches!(judged.units.first(), Some(Unit::Memory { .. }));
    let Some(exact) = roles.judged.iter().find(|judged| in_bytes(judged)) else {
        return;
    };
    let exact = exact.name.clone();
    for &share in shares {
        let column = &mut roles.columns[share];
        column.role = Role::Covered;
        column.why = format!("{exact} says it in bytes");
        let name = column.name.clone();
        roles.judged.retain(|judged| names[judged.column] != name);
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Origin {
    /// The agent's own column.
    Agent(&'static OwnColumn),
    /// A series that the service has the agent track.
    Tracked,
    /// A column of somebody else's file.
    Foreign,
}

struct Column<'a> {
    timeline: &'a Timeline,
    options: &'a LeakOptions,
    index: usize,
    name: &'a str,
    words: Vec<String>,
    facts: ColumnFacts,
    /// Its numbers, if it has one.
    values: Option<Vec<f64>>,
    origin: Origin,
}

struct Decision {
    role: ColumnRole,
    judged: Option<Judged>,
    is_share: bool,
}

impl Column<'_> {
    fn decide(&self) -> Decision {
        if self.options.skip.iter().any(|name| name == self.name) {
            return self.left_out(Role::Skipped, "as was asked");
        }
        if let Some(unit) = self.options.judge.get(self.name) {
            let unit = unit.as_deref().and_then(units::of_option);
            return self.judged(self.meaning(), unit, "as was asked");
        }
        match self.options.kinds.get(self.name) {
            Some(Kind::Counter) => {
                return self.left_out(Role::Counter, "the service calls it a counter");
            }
            Some(Kind::Rate) => return self.left_out(Role::Rate, "the service calls it a rate"),
            Some(Kind::Level) => {
                return self.judged(self.meaning(), None, "the service calls it a level");
            }
            Some(Kind::Bytes) => {
                let bytes = Some(Unit::Memory { bytes: 1 });
                return self.judged(Meaning::Memory, bytes, "the service calls it bytes");
            }
            Some(Kind::Other) | None => {}
        }
        // Readings taken so seldom that a short run has too few of them.
        let covered_by = columns::find(self.name).and_then(|column| column.covered_by);
        if let Some(other) = covered_by.filter(|other| self.timeline.has_readings(other)) {
            return self.left_out(Role::Covered, &format!("{other} is read at every row"));
        }
        self.by_meaning(self.meaning())
    }

    fn meaning(&self) -> Meaning {
        let known = match self.origin {
            Origin::Agent(column) => own::meaning(column),
            Origin::Tracked | Origin::Foreign => None,
        };
        known.unwrap_or_else(|| meaning::of(&self.words, self.origin == Origin::Foreign))
    }

    fn by_meaning(&self, meaning: Meaning) -> Decision {
        let Some(values) = &self.values else {
            return self.without_numbers(meaning);
        };
        let meaning = match (self.facts.unit, meaning) {
            (Some(CellUnit::Percent), Meaning::Memory | Meaning::MemoryShare) => {
                Meaning::MemoryShare
            }
            (Some(CellUnit::Percent), _) => Meaning::Rate,
            (Some(CellUnit::Seconds), _) => Meaning::Time,
            (Some(CellUnit::Bytes), Meaning::Unknown | Meaning::Level) => Meaning::Memory,
            (_, meaning) => meaning,
        };
        let course = Course::of(values);
        let (role, why) = match meaning {
            Meaning::Counter if self.origin == Origin::Foreign && !course.never_falls() => (
                Role::Rate,
                "a number of events per row, as it goes up and down",
            ),
            Meaning::Counter => (Role::Counter, "counts events since the start"),
            Meaning::Traffic if course.never_falls() => (Role::Counter, "counts what went through"),
            Meaning::Traffic => (Role::Rate, "what went through in a row"),
            Meaning::Rate => (Role::Rate, "a rate, a share or a quantile"),
            Meaning::Time => (Role::Time, "a time"),
            Meaning::Virtual => (Role::Virtual, "virtual memory, which nothing need back"),
            Meaning::Identity => (Role::Identity, "names something"),
            Meaning::Host => (Role::Host, "the machine's, or not the process's alone"),
            Meaning::Agent => (Role::Agent, "what the agent takes"),
            // No limit changes like that, and the highest so far does not fall.
            Meaning::Limit if self.origin == Origin::Foreign && course.is_lively() => {
                return self.by_meaning(self.beneath());
            }
            Meaning::Peak if self.origin == Origin::Foreign && !course.never_falls() => {
                return self.by_meaning(self.beneath());
            }
            Meaning::Peak => (Role::Bound, "the highest so far, or a limit"),
            Meaning::Limit => (Role::Bound, "a limit"),
            Meaning::Unknown => {
                return self.judged(meaning, None, "its name says nothing of it");
            }
            Meaning::LevelOrTotal | Meaning::MemoryOrTotal => {
                return self.judged(meaning, None, "held at a time, as its name reads");
            }
            _ => return self.judged(meaning, None, HELD),
        };
        self.left_out(role, why)
    }

    fn without_numbers(&self, meaning: Meaning) -> Decision {
        let held = meaning.is_held() || self.facts.unit == Some(CellUnit::Bytes);
        if self.origin == Origin::Foreign && held {
            self.unreadable()
        } else if self.facts.cells > 0 {
            self.left_out(Role::Text, "words")
        } else {
            self.left_out(Role::Empty, "no reading")
        }
    }

    /// What the highest or the limit is of.
    fn beneath(&self) -> Meaning {
        let words: Vec<String> = self
            .words
            .iter()
            .filter(|word| !PEAKS.has(word) && !LIMITS.has(word))
            .cloned()
            .collect();
        meaning::of(&words, false)
    }

    fn judged(&self, meaning: Meaning, unit: Option<Unit>, why: &str) -> Decision {
        let Some(values) = &self.values else {
            return self.unreadable();
        };
        let is_memory = matches!(meaning, Meaning::Memory | Meaning::MemoryOrTotal);
        let named = units::of_words(&self.words, is_memory).map(|(bytes, _)| bytes);
        let mut why = why.to_owned();
        let mut no_unit = false;
        let units = match (unit, self.facts.unit, named) {
            (Some(unit), ..) => vec![unit],
            (None, Some(CellUnit::Bytes), _) => vec![Unit::Memory { bytes: 1 }],
            (None, _, Some(bytes)) if meaning != Meaning::Level => vec![Unit::Memory { bytes }],
            _ if !is_memory => vec![Unit::Count],
            _ => {
                let units = units::plausible(values, meaning::is_resident(&self.words));
                why = unit_why(&units);
                if units.is_empty() {
                    no_unit = values
                        .iter()
                        .any(|value| value.is_finite() && *value != 0.0);
                    vec![Unit::Memory { bytes: 1 << 20 }]
                } else {
                    units
                }
            }
        };
        let asked = self.options.judge.contains_key(self.name);
        let may_count = !asked
            && self.origin == Origin::Foreign
            && matches!(
                meaning,
                Meaning::Unknown | Meaning::LevelOrTotal | Meaning::MemoryOrTotal
            )
            && Course::of(values).never_falls();
        if may_count {
            why.push_str("; a running counter, or a level that only rises");
        }
        let looked_at = self.origin == Origin::Foreign && (asked || meaning.is_held());
        let unread = looked_at
            .then(|| unread::of(self.timeline, values, &self.facts))
            .flatten();
        Decision {
            role: ColumnRole {
                name: self.name.to_owned(),
                role: Role::Judged,
                unit: Some(match meaning {
                    Meaning::MemoryShare => "%".to_owned(),
                    _ => units[0].of_cells().to_owned(),
                }),
                why,
            },
            judged: Some(Judged {
                column: self.index,
                name: self.name.to_owned(),
                units,
                may_count,
                no_unit,
                unread,
            }),
            is_share: meaning == Meaning::MemoryShare && !asked,
        }
    }

    fn unreadable(&self) -> Decision {
        let sentence = unread::nothing(&self.facts);
        let mut decision = self.left_out(Role::Unreadable, &sentence);
        decision.judged = Some(Judged {
            column: self.index,
            name: self.name.to_owned(),
            units: Vec::new(),
            may_count: false,
            no_unit: false,
            unread: Some(sentence),
        });
        decision
    }

    fn left_out(&self, role: Role, why: &str) -> Decision {
        Decision {
            role: ColumnRole {
                name: self.name.to_owned(),
                role,
                unit: None,
                why: why.to_owned(),
            },
            judged: None,
            is_share: false,
        }
    }
}

/// How a unit was found that nobody said.
fn unit_why(units: &[Unit]) -> String {
    match units {
        [] => "memory in no unit that its numbers can be in".to_owned(),
        [only] => format!("memory; its numbers can only be {}", only.of_cells()),
        [first, others @ ..] => {
            let others: Vec<&str> = others.iter().map(|unit| unit.of_cells()).collect();
            format!(
                "memory; its unit is not said: likeliest {}, else {}",
                first.of_cells(),
                others.join(" or ")
            )
        }
    }
}

#[cfg(test)]
mod tests;
