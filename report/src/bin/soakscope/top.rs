//! `soakscope top`: which code costs the most?

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use soakscope_report::{Profile, RunDir, TopBy, TopEntry, number, percent, printable, top};

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
    samples: Option<u64>,
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
    let samples = profile.sample_count();
    let (kind, unit) = match profile.sample_types.get(index) {
        Some(value_type) => (value_type.kind.as_str(), value_type.unit.as_str()),
        None => ("samples", "count"),
    };
    let answer = if args.json {
        Answer::json(&Document {
            kind,
            unit,
            total,
            samples,
            entries: &entries,
        })?
    } else {
        Answer::new(text(kind, unit, &profile, all, &entries, by))
    };
    Ok(answer.remarking(notes))
}

/// What fewer samples than these say is marked: its interval is as wide as half
/// of it and more.
const FEW: u64 = 10;

/// Marks a figure of few samples.
pub(crate) const MARK: &str = "~";

/// Whether a figure of so many samples is marked.
pub(crate) fn is_few(samples: Option<u64>) -> bool {
    samples.is_some_and(|samples| samples < FEW)
}

/// What the marks mean, where there are any.
pub(crate) fn footnote(text: &mut String, marked: bool) {
    if marked {
        text.push_str(&format!(
            "\n{MARK} fewer than {FEW} samples: it may as well cost half of this, or twice as much\n"
        ));
    }
}

/// How many samples a table is made of, as its heading says.
pub(crate) fn of_samples(samples: Option<u64>) -> String {
    match samples {
        Some(1) => ", by 1 sample".to_owned(),
        Some(samples) => format!(", by {samples} samples; ± is the 95 % interval"),
        None => String::new(),
    }
}

fn text(
    kind: &str,
    unit: &str,
    profile: &Profile,
    all: usize,
    entries: &[TopEntry],
    by: TopBy,
) -> String {
    let total = profile.total(profile.default_value_index());
    let amount = |value: i64| match unit {
        "nanoseconds" => format!("{} ms", number(value as f64 / 1e6, 0)),
        "bytes" => format!("{} MB", number(value as f64 / f64::from(1 << 20), 2)),
        _ => value.to_string(),
    };
    let share = |value: i64, within: Option<f64>| {
        let total = total.max(1) as f64;
        percent(value as f64 / total, within.map(|within| within / total))
    };
    let mut text = format!(
        "{} {} in all{}; showing {} of {all}\n\n{:>12} {:>13} {:>12} {:>13} {:>8}   name\n",
        amount(total),
        printable(kind),
        of_samples(profile.sample_count()),
        entries.len(),
        "self",
        "",
        "cumulative",
        "",
        "samples",
    );
    let mut marked = false;
    for entry in entries {
        let samples = match by {
            TopBy::Cumulative => entry.cumulative_samples,
            TopBy::Own | TopBy::Line => entry.samples,
        };
        // What cost nothing itself is listed for what it called.
        let of = samples.filter(|samples| *samples > 0);
        let few = is_few(of.or(entry.cumulative_samples));
        marked |= few;
        let place = if entry.place.is_empty() {
            String::new()
        } else {
            format!("  ({})", printable(&entry.place))
        };
        text.push_str(&format!(
            "{:>12} {:>13} {:>12} {:>13} {:>8} {:1} {}{place}\n",
            amount(entry.own),
            share(entry.own, entry.self_within),
            amount(entry.cumulative),
            share(entry.cumulative, entry.cumulative_within),
            samples.map_or("-".to_owned(), |samples| samples.to_string()),
            if few { MARK } else { "" },
            printable(&entry.name)
        ));
    }
    footnote(&mut text, marked);
    text
}
