//! `FORMAT.md` and the code name the same columns, fields, kinds and causes.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};
use soakscope_report::columns::{self, ColumnBudget, ColumnUnit};
use soakscope_report::{
    BudgetEvent, ChildSpan, CpuClock, DropCause, DropEvent, EventKind, FORMAT, Host, LeakEvent,
    Measurement, NPlusOneEvent, PhaseEvent, Process, ProcessLimit, Run, RunInfo, SPAN_COLUMNS,
    SlowSpanEvent, StatementTotal, Timeline, Trust, WarningEvent, judge, verdict_json,
};

const PAGE: &str = include_str!("../FORMAT.md");

/// The text below a heading, up to the next of its level or above.
fn section(heading: &str) -> &'static str {
    let start = PAGE.find(&format!("\n{heading}\n")).expect(heading) + heading.len() + 2;
    let level = heading.split(' ').next().unwrap().len();
    let ends =
        (1..=level).filter_map(|level| PAGE[start..].find(&format!("\n{} ", "#".repeat(level))));
    &PAGE[start..start + ends.min().unwrap_or(PAGE.len() - start)]
}

/// The rows of the table with this header, cell by cell.
fn table(section: &'static str, header: &str) -> Vec<Vec<&'static str>> {
    let start = section
        .find(header)
        .unwrap_or_else(|| panic!("no table {header}"));
    let rows = section[start..].lines().skip(2);
    rows.take_while(|row| row.starts_with('|'))
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// What stands in backticks.
fn names(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names in the first cells of a table.
fn first_names(rows: &[Vec<&'static str>]) -> BTreeSet<String> {
    let names = rows.iter().flat_map(|row| names(row[0]));
    let mut set = BTreeSet::new();
    for name in names {
        assert!(set.insert(name.to_owned()), "{name} stands there twice");
    }
    set
}

/// The row whose first cell names this field.
fn row(rows: &[Vec<&'static str>], field: &str) -> Vec<&'static str> {
    let named = |row: &&Vec<&'static str>| names(row[0]).contains(&field);
    rows.iter().find(named).expect(field).clone()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// The fields of a value as it is written.
fn fields(value: &impl Serialize) -> BTreeSet<String> {
    match serde_json::to_value(value).unwrap() {
        Value::Object(fields) => fields.into_iter().map(|(name, _)| name).collect(),
        other => panic!("no object: {other}"),
    }
}

#[test]
fn the_page_is_of_the_format_that_is_written() {
    let title = PAGE.lines().next().unwrap();
    assert!(title.ends_with(&format!("format {FORMAT}")), "{title}");
}

#[test]
fn the_columns_of_the_timeline_are_those_of_the_table() {
    let section = section("## timeline.csv");
    let first = table(section, "| Column | Unit | Meaning |");
    let rest = &section[section.find("found by name, in any order").unwrap()..];
    let rest = table(rest, "| Column | Unit | Meaning |");
    let all: Vec<_> = first.iter().chain(&rest).cloned().collect();
    assert_eq!(
        first_names(&all),
        set(columns::ALL.iter().map(|column| column.name))
    );
    let order: Vec<&str> = first.iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(
        order,
        columns::ALL[..6]
            .iter()
            .map(|column| column.name)
            .collect::<Vec<_>>()
    );
    for row in &all {
        for name in names(row[0]) {
            let unit = match columns::find(name).unwrap().unit {
                ColumnUnit::Minutes => "minutes",
                ColumnUnit::TimeOfDay => "RFC 3339",
                ColumnUnit::Text => "text",
                ColumnUnit::Megabytes => "MB",
                ColumnUnit::MegabytesPerSecond => "MB per second",
                ColumnUnit::Count => "count",
                ColumnUnit::PerSecond => "per second",
                ColumnUnit::Milliseconds => "ms",
                ColumnUnit::Percent => "%",
                other => panic!("{other:?}"),
            };
            assert_eq!(row[1], unit, "{name}");
        }
    }
}

#[test]
fn the_columns_of_spans_are_those_that_are_written() {
    let section = section("## spans.csv and spans.hlog");
    let rows = table(section, "| Column | Unit | Meaning |");
    let fixed = names(section)
        .into_iter()
        .find(|name| name.starts_with("elapsed_min,"));
    let fixed: Vec<&str> = fixed.unwrap().split(',').collect();
    assert_eq!(fixed, SPAN_COLUMNS[..fixed.len()]);
    let mut written = set(SPAN_COLUMNS);
    // They stand in for those between them, and for a column explained before.
    for left_out in ["elapsed_min", "p95_ms", "p99_ms"] {
        assert!(written.remove(left_out));
    }
    assert_eq!(first_names(&rows), written);
}

#[test]
fn the_fields_of_run_json_are_those_of_the_type() {
    let section = section("## run.json");
    let rows = table(section, "| Field | Type | Meaning |");
    assert_eq!(first_names(&rows), fields(&RunInfo::default()));
    let says = |field: &str| set(names(row(&rows, field)[2]));
    assert!(says("process").is_superset(&fields(&Process::default())));
    assert!(says("host").is_superset(&fields(&Host::default())));
    let limits = ProcessLimit::ALL.map(ProcessLimit::name);
    assert!(says("limits").is_superset(&set(limits)));
    assert!(says("engines").is_superset(&set(Measurement::ALL.map(Measurement::name))));
    assert!(says("engines").is_superset(&set(CpuClock::ALL.map(CpuClock::name))));
    let trust = table(section, "| Field | Meaning |");
    assert_eq!(first_names(&trust), fields(&Trust::default()));
}

#[test]
fn the_causes_of_what_is_lost_are_those_that_are_counted() {
    let rows = table(section("## run.json"), "| Cause | What was lost |");
    assert_eq!(
        first_names(&rows),
        set(DropCause::ALL.iter().map(|cause| cause.name()))
    );
}

#[test]
fn the_kinds_of_events_and_their_fields_are_those_of_the_types() {
    let section = section("## events.jsonl");
    let kinds = table(section, "| Kind | Fields | When |");
    assert_eq!(first_names(&kinds), set(EventKind::NAMES));
    let of = |kind: &str| set(names(row(&kinds, kind)[1]));
    assert_eq!(of("phase"), fields(&PhaseEvent::default()));
    assert_eq!(of("budget"), fields(&BudgetEvent::default()));
    assert_eq!(of("drop"), fields(&DropEvent::default()));
    assert_eq!(of("warning"), fields(&WarningEvent::default()));
    assert_eq!(of("leak"), fields(&LeakEvent::default()));

    let slow = SlowSpanEvent {
        fields: Map::new(),
        children_without_room: 1,
        statements: vec![StatementTotal::default()],
        ..SlowSpanEvent::default()
    };
    let start = section.find("`slow_span`, a request").unwrap();
    let rows = table(&section[start..], "| Field | Meaning |");
    assert_eq!(first_names(&rows), fields(&slow));
    let child = ChildSpan {
        children: vec![ChildSpan::default()],
        ..ChildSpan::default()
    };
    assert!(set(names(row(&rows, "children")[1])).is_superset(&fields(&child)));
    let statement = fields(&StatementTotal::default());
    assert!(set(names(row(&rows, "statements")[1])).is_superset(&statement));

    let start = section.find("`n_plus_one`, a statement").unwrap();
    let rows = table(&section[start..], "| Field | Meaning |");
    assert_eq!(first_names(&rows), fields(&NPlusOneEvent::default()));
}

#[test]
fn the_fields_of_verdict_json_are_those_of_the_document() {
    let rows = table(section("## verdict.json"), "| Field | Meaning |");
    let run = Run::new(RunInfo::default(), Timeline::default());
    let document: BTreeMap<String, Value> =
        serde_json::from_str(&verdict_json(&judge(&run))).unwrap();
    assert_eq!(first_names(&rows), document.into_keys().collect());
}

#[test]
fn the_columns_with_a_budget_are_those_of_the_table() {
    let rows = table(
        section("## budgets.toml"),
        "| where | key | what is compared | bound |",
    );
    let of = |budget: ColumnBudget| {
        let columns = columns::ALL.iter();
        set(columns
            .filter(|column| column.budget == Some(budget))
            .map(|column| column.name))
    };
    assert_eq!(set(names(rows[0][1])), of(ColumnBudget::Highest));
    assert_eq!(set(names(rows[1][1])), of(ColumnBudget::Mean));
}
