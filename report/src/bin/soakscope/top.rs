//! `soakscope top`: which code costs the most?

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use soakscope_report::{RunDir, TopBy, TopEntry, number, printable, top};

use crate::Outcome;
use crate::answer::Answer;
use crate::flamegraph::Part;
use crate::top_spans;

/// List the functions or lines that cost the most CPU time in a run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the run
    #[arg(value_name = "RUN")]
    path: PathBuf,
    /// What to list and sort by
    #[arg(long, value_enum, default_value_t = By::Own)]
    by: By,
    /// How many entries
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    number: usize,
    #[command(flatten)]
    part: Part,
    /// Print the entries as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Functions by their own cost
    #[value(name = "self")]
    Own,
    /// Functions by their own cost and that of all they call
    Cum,
    /// Source lines by their own cost
    Line,
    /// Requests by route, and other spans, with what each one cost
    Span,
}

#[derive(Serialize)]
struct Document<'a> {
    kind: &'a str,
    unit: &'a str,
    total: i64,
    entries: &'a [TopEntry],
}

pub(crate) fn run(args: &Args) -> Outcome {
    let dir = RunDir::open(&args.path)?;
    let (profile, notes) = args.part.profile(&dir)?;
    let index = profile.default_value_index();
    let by = match args.by {
        By::Own => TopBy::Own,
        By::Cum => TopBy::Cumulative,
        By::Line => TopBy::Line,
        By::Span => {
            let answer = top_spans::answer(&dir, &args.part, &profile, args.number, args.json);
            return Ok(answer?.remarking(notes));
        }
    };
    let mut entries = top(&profile, index, by);
    let all = entries.len();
    entries.truncate(args.number);
    let total = profile.total(index);
    let (kind, unit) = match profile.sample_types.get(index) {
        Some(value_type) => (value_type.kind.as_str(), value_type.unit.as_str()),
        None => ("samples", "count"),
    };
    let answer = if args.json {
        Answer::json(&Document {
            kind,
            unit,
            total,
            entries: &entries,
        })?
    } else {
        let amount = |value: i64| match unit {
            "nanoseconds" => format!("{} ms", number(value as f64 / 1e6, 0)),
            "bytes" => format!("{} MB", number(value as f64 / f64::from(1 << 20), 2)),
            _ => value.to_string(),
        };
        let share = |value: i64| {
            let percent = 100.0 * value as f64 / (total.max(1)) as f64;
            format!("{percent:.1}%")
        };
        let kind = printable(kind);
        let mut text = format!(
            "{} {kind} in all; showing {} of {all}\n\n{:>12} {:>6} {:>12} {:>6}  name\n",
            amount(total),
            entries.len(),
            "self",
            "",
            "cumulative",
            ""
        );
        for entry in &entries {
            let place = if entry.place.is_empty() {
                String::new()
            } else {
                format!("  ({})", printable(&entry.place))
            };
            text.push_str(&format!(
                "{:>12} {:>6} {:>12} {:>6}  {}{place}\n",
                amount(entry.own),
                share(entry.own),
                amount(entry.cumulative),
                share(entry.cumulative),
                printable(&entry.name)
            ));
        }
        Answer::new(text)
    };
    Ok(answer.remarking(notes))
}
