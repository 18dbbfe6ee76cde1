//! The columns of `timeline.csv` that the agent writes.
//!
//! The [`table`](ALL) says of each what it is called, in which unit it is, what
//! it measures, and where it is shown. The agent writes a row through it, and
//! the leak test, the chart and the budgets read it, so a new column is a line
//! of the table and its reading. What is not in the table is a series of the
//! service's own, or a column of somebody else's file, and is known by the words
//! of its name.
//!
//! A column that was written once stays in the table: runs that have it are
//! read for good.

mod row;
mod table;

pub use row::TimelineRow;
pub use table::*;

/// A column of `timeline.csv`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// What it is called in the header.
    pub name: &'static str,
    /// What its cells are in.
    pub unit: ColumnUnit,
    /// What it measures.
    pub kind: ColumnKind,
    /// The panel of the timeline's picture that shows it.
    pub panel: Option<ChartPanel>,
    /// In which direction it gets worse.
    pub worse: Worse,
    /// What a budget of the process compares with its bound; `None` where
    /// `[process]` has no such key.
    pub budget: Option<ColumnBudget>,
    /// Whether the agent's own memory is a part of it.
    pub agent_share: AgentShare,
    /// A column that says the same and is read at every tick, beside which this
    /// one is not judged.
    pub covered_by: Option<&'static str>,
}

/// What the cells of a column are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnUnit {
    /// Minutes.
    Minutes,
    /// A time of day, RFC 3339.
    TimeOfDay,
    /// Words.
    Text,
    /// MB of 1024² bytes.
    Megabytes,
    /// The same, per second.
    MegabytesPerSecond,
    /// Things or events, or a mean of them.
    Count,
    /// Events per second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Percent.
    Percent,
}

/// What a column measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// When the row was taken.
    Clock,
    /// The part of the run that the row is in.
    Phase,
    /// Memory that is held.
    Memory,
    /// Things that are held: descriptors, threads, tasks.
    Level,
    /// Address space, which nothing need back.
    Virtual,
    /// The highest value so far.
    Peak,
    /// What a level must not exceed.
    Limit,
    /// What waits at a moment, and goes with the load.
    Waiting,
    /// Events so far.
    Counter,
    /// A rate, a share or a quantile.
    Rate,
    /// How late something was.
    Delay,
    /// What the machine has, or memory with a page cache in it.
    Host,
    /// What the agent itself takes.
    Agent,
}

/// A panel of the timeline's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChartPanel {
    /// Memory of the process.
    Memory,
    /// Its CPU time.
    Cpu,
    /// What it holds besides memory.
    Held,
    /// Tasks of its runtime.
    Tasks,
    /// Requests and errors.
    Requests,
    /// How long requests took.
    Latency,
}

/// In which direction a column gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Worse {
    /// The more, the worse.
    Higher,
    /// The less, the worse.
    Lower,
    /// Neither, such as a limit or the load.
    Neither,
}

/// What of a column a budget is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnBudget {
    /// The highest reading.
    Highest,
    /// The mean.
    Mean,
}

/// Whether the agent's own memory is a part of a column's, and comes off it
/// before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentShare {
    /// It is not.
    None,
    /// It is, and goes down with what the agent frees.
    Counted,
    /// It is, and stays when the agent frees something.
    Resident,
}

impl Column {
    /// Whether growth of it may be a leak.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        matches!(self.kind, ColumnKind::Memory | ColumnKind::Level)
    }

    const fn new(name: &'static str, unit: ColumnUnit, kind: ColumnKind) -> Self {
        let worse = match kind {
            ColumnKind::Clock | ColumnKind::Phase | ColumnKind::Limit => Worse::Neither,
            _ => Worse::Higher,
        };
        Self {
            name,
            unit,
            kind,
            panel: None,
            worse,
            budget: None,
            agent_share: AgentShare::None,
            covered_by: None,
        }
    }

    const fn panel(self, panel: ChartPanel) -> Self {
        Self {
            panel: Some(panel),
            ..self
        }
    }

    const fn worse(self, worse: Worse) -> Self {
        Self { worse, ..self }
    }

    const fn budget(self, budget: ColumnBudget) -> Self {
        Self {
            budget: Some(budget),
            ..self
        }
    }

    const fn with_agent(self, agent_share: AgentShare) -> Self {
        Self {
            agent_share,
            ..self
        }
    }

    const fn covered_by(self, column: &Column) -> Self {
        Self {
            covered_by: Some(column.name),
            ..self
        }
    }
}

impl ColumnUnit {
    /// The steps in one that are kept of a number. Digits beyond say nothing,
    /// and three days of them fill a disk.
    pub(crate) const fn steps(self) -> f64 {
        match self {
            ColumnUnit::Percent => 1e2,
            ColumnUnit::Megabytes
            | ColumnUnit::MegabytesPerSecond
            | ColumnUnit::PerSecond
            | ColumnUnit::Milliseconds => 1e3,
            ColumnUnit::Minutes | ColumnUnit::Count | ColumnUnit::TimeOfDay | ColumnUnit::Text => {
                1e6
            }
        }
    }

    /// The ending of names in this unit; empty where they have none.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            ColumnUnit::Minutes => "_min",
            ColumnUnit::Megabytes => "_mb",
            ColumnUnit::MegabytesPerSecond => "_mb_per_s",
            ColumnUnit::PerSecond => "_per_s",
            ColumnUnit::Milliseconds => "_ms",
            ColumnUnit::Percent => "_percent",
            ColumnUnit::TimeOfDay | ColumnUnit::Text | ColumnUnit::Count => "",
        }
    }
}

impl ChartPanel {
    /// Every panel, from the top.
    pub const ALL: [ChartPanel; 6] = [
        ChartPanel::Memory,
        ChartPanel::Cpu,
        ChartPanel::Held,
        ChartPanel::Tasks,
        ChartPanel::Requests,
        ChartPanel::Latency,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            ChartPanel::Memory => "Memory",
            ChartPanel::Cpu => "CPU",
            ChartPanel::Held => "Connections, descriptors, threads",
            ChartPanel::Tasks => "Tasks",
            ChartPanel::Requests => "Requests",
            ChartPanel::Latency => "Latency",
        }
    }

    /// What its axis is in; empty for counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            ChartPanel::Memory => "MB",
            ChartPanel::Cpu => "%, 100 is one core",
            ChartPanel::Held | ChartPanel::Tasks => "",
            ChartPanel::Requests => "per second",
            ChartPanel::Latency => "ms",
        }
    }

    /// Its columns, in the order of the table.
    pub fn columns(self) -> impl Iterator<Item = &'static Column> {
        ALL.iter().filter(move |column| column.panel == Some(self))
    }
}

/// The column of this name; `None` for a series of the service's own and for
/// columns of other hands.
#[must_use]
pub fn find(name: &str) -> Option<&'static Column> {
    ALL.iter().find(|column| column.name == name)
}

/// Whether these are the columns of a timeline that the agent wrote.
pub(crate) fn of_agent(names: &[String]) -> bool {
    /// Nobody else writes these.
    const MARKS: [Column; 2] = [TICK_LATE_MS, TICKS_MISSED];
    MARKS
        .iter()
        .all(|mark| names.iter().any(|name| name == mark.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_end_in_their_units() {
        for (index, column) in ALL.iter().enumerate() {
            let first = ALL.iter().position(|other| other.name == column.name);
            assert_eq!(first, Some(index), "{}", column.name);
            assert!(
                column.name.ends_with(column.unit.suffix()),
                "{}",
                column.name
            );
            let unitless = ["_mb", "_ms", "_percent", "_per_s", "_min"];
            let says = unitless.iter().any(|end| column.name.ends_with(end));
            assert_eq!(says, !column.unit.suffix().is_empty(), "{}", column.name);
        }
    }

    #[test]
    fn what_has_a_budget_or_holds_the_agent_is_worse_the_higher_it_is() {
        for column in ALL {
            let bounded = column.budget.is_some() || column.agent_share != AgentShare::None;
            let worse = column.worse == Worse::Higher;
            assert!(worse || !bounded && !column.is_judged(), "{}", column.name);
            let covered = column.covered_by.is_none_or(|name| {
                find(name).is_some_and(|other| other.is_judged() && other.covered_by.is_none())
            });
            assert!(covered, "{}", column.name);
        }
    }
}
