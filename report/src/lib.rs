//! Judges and renders soak runs.
//!
//! Numbers and profiles come in, values and text go out:
//!
//! * a [`Timeline`] is read from any CSV file with a column of times;
//! * a [`Profile`] is read from, merged into and written as standard pprof;
//! * [`judge_timeline`] and [`judge`] say whether a service leaked, with the
//!   rule and the numbers, as pass, fail or inconclusive;
//! * [`causes`] names the code whose old heap blocks grow;
//! * [`flamegraph`], [`timeline_svg`], [`summary_text`] and [`summary_markdown`]
//!   show it, and [`seal`] writes all of it into a run's directory.
//!
//! The agent in a running service and the `soakscope` command call the same
//! functions, so what is live and what is offline cannot disagree.
//!
//! This crate knows no clock, no signal and no socket. One module touches the
//! file system: that of [`RunDir`].
//!
//! ```
//! use soakscope_report::{LeakOptions, SeriesOutcome, Timeline, judge_timeline};
//!
//! // Half a megabyte a second, for two minutes.
//! let mut csv = String::from("elapsed_s,rss_mb\n");
//! for second in 0..120 {
//!     csv.push_str(&format!("{second},{}\n", 100.0 + 0.5 * f64::from(second)));
//! }
//! let timeline = Timeline::parse(csv.as_bytes())?;
//! let report = judge_timeline(&timeline, &LeakOptions::default());
//! assert_eq!(report.series[0].verdict, SeriesOutcome::Leak);
//! # Ok::<(), soakscope_report::Error>(())
//! ```

#![forbid(unsafe_code)]

mod artifacts;
mod budgets;
mod causes;
mod chart;
pub mod columns;
mod drops;
mod engines;
mod error;
mod event;
pub mod exit_code;
mod findings;
mod flamegraph;
mod frame_name;
mod frame_titles;
mod judging;
mod leaks;
mod length_of_time;
mod limits;
mod lines;
mod names;
mod normal;
mod number;
pub mod options;
mod phase_facts;
mod process_limits;
mod profile;
mod records;
mod run;
mod run_dir;
mod seal;
mod spans;
mod speedscope;
mod summary;
mod svg;
mod table;
mod timeline;
mod top;
mod trust;
mod verdict;
mod view;

pub use budgets::{
    Bound, Budget, BudgetOutcome, Budgets, Comparison, LeakBudget, SpanInterval, Statistic, Target,
    Watch,
};
pub use causes::{Cause, HeapShot, causes, heap_growth};
pub use chart::timeline_svg;
pub use drops::DropCause;
pub use engines::{CpuClock, Measurement};
pub use error::Error;
pub use event::{
    BudgetEvent, BudgetState, ChildSpan, DropEvent, Event, EventKind, LeakEvent, NPlusOneEvent,
    PhaseEvent, SlowRule, SlowSpanEvent, StatementTotal, WarningEvent,
};
pub use findings::{Finding, findings};
pub use flamegraph::{FlameOptions, flame_subtitle, flamegraph, flamegraph_diff};
pub use frame_name::{readable_frame, readable_name};
pub use judging::{
    RuleResult, RunVerdict, budgets_rule, judge, judge_by, judge_leaks, judge_with, verdict_json,
};
pub use leaks::{
    ColumnRole, Kind, LeakOptions, LeakReport, Life, Material, MustSee, Role, SeriesOutcome,
    SeriesVerdict, Thing, TimeToLimit, judge_timeline,
};
pub use length_of_time::length_of_time;
pub use names::{printable, printable_json};
pub use number::{number, percent, plus_minus};
pub use phase_facts::PhaseFacts;
pub use process_limits::ProcessLimit;
pub use profile::{
    Function, Label, LabelValue, Line, Location, Mapping, Merger, Profile, ProfileBuilder, Sample,
    ValueType,
};
pub use run::{FORMAT, Host, Process, Run, RunInfo, RunState};
pub use run_dir::{
    Liveness, ProfileRange, RunDir, identity, liveness, read_budgets, read_profile, read_timeline,
};
pub use seal::{Sealed, seal, seal_judged};
pub use spans::{
    Agreement, NO_REQUEST, SPAN_COLUMNS, SpanCost, SpanKind, SpanLogWriter, SpanRange, SpanRow,
    SpanTotal, SpanWriter, agreement, measured_spans, sampling_error_ms, span_of_tag, tag_of_span,
    top_spans,
};
pub use speedscope::speedscope;
pub use summary::{leaks_text, summary_markdown, summary_text};
pub use timeline::{Cell, CellUnit, ColumnFacts, PhaseSpan, TextColumn, Timeline, TimelineWriter};
pub use top::{TopBy, TopEntry, top};
pub use trust::{Instants, Trust};
pub use verdict::Verdict;
pub use view::RunView;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
