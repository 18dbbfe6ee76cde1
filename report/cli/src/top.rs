//! `soakscope top`: which code costs the most?

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use soakscope_report::{Profile, TopBy, TopEntry, number, percent, printable, top};

use crate::Outcome;
use crate::answer::Answer;
use crate::part::{Part, remark};
use crate::source::Source;
use crate::top_spans;

/// List the functions or lines that cost the most CPU time in a run, or the most
/// of what any profile counts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of a run, or a profile of any program: pprof, gzipped or
    /// not, or collapsed stacks; - for standard input
    #[arg(value_name = "RUN|FILE")]
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
    /// What the total lacks: values below 0, as a difference has.
    #[serde(skip_serializing_if = "is_zero")]
    shrank: i64,
    samples: Option<u64>,
    entries: &'a [TopEntry],
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

pub(crate) fn run(args: &Args) -> Outcome {
    let source = Source::open(&args.path)?;
    let (mut profile, mut notes) = args.part.profile(&source)?;
    let index = args.part.value_index(&profile)?;
    notes.extend(remark(&source.name(), &profile, index));
    let by = match args.by {
        By::Own => TopBy::Own,
        By::Cum => TopBy::Cumulative,
        By::Line => {
            notes.extend(match source.run() {
                Some(dir) => dir.add_lines(&mut profile),
                None if profile.has_lines() => None,
                None => Some("source lines are not known: the profile has none".to_owned()),
            });
            TopBy::Line
        }
        By::Span => {
            let answer = top_spans::answer(&source, &args.part, &profile, args.number, args.json);
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
            shrank: profile.totals(index).1,
            samples,
            entries: &entries,
        })?
    } else {
        Answer::new(text(&profile, index, all, &entries, by))
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

/// A value in its unit.
pub(crate) fn amount(count: i64, unit: &str) -> String {
    let value = count as f64;
    match unit {
        "nanoseconds" => format!("{} ms", some(value / 1e6, 0)),
        "microseconds" => format!("{} ms", some(value / 1e3, 0)),
        "milliseconds" => format!("{} ms", some(value, 0)),
        "seconds" => format!("{} s", some(value, 0)),
        "bytes" => format!("{} MB", some(value / f64::from(1 << 20), 2)),
        "count" | "" => count.to_string(),
        "thousandths" => number(value / 1e3, 3),
        unit => format!("{count} {}", printable(unit)),
    }
}

/// A number with so many decimals, and more where it would read as nothing.
fn some(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    match text.as_str() {
        "0" => number(value, decimals + 4),
        _ => text,
    }
}

fn text(profile: &Profile, index: usize, all: usize, entries: &[TopEntry], by: TopBy) -> String {
    let (kind, unit) = match profile.sample_types.get(index) {
        Some(value_type) => (value_type.kind.as_str(), value_type.unit.as_str()),
        None => ("samples", "count"),
    };
    let amount = |value: i64| amount(value, unit);
    let total = profile.total(index);
    let (grew, shrank) = profile.totals(index);
    let difference = if shrank < 0 {
        format!(
            " ({} grew, {} shrank, and shares are of the two together)",
            amount(grew),
            amount(shrank.saturating_neg())
        )
    } else {
        String::new()
    };
    // As with go tool pprof.
    let whole = grew.saturating_sub(shrank).max(1) as f64;
    let share = |value: i64, within: Option<f64>| {
        percent(value as f64 / whole, within.map(|within| within / whole))
    };
    let mut text = format!(
        "{} {} in all{difference}{}; showing {} of {all}\n\n{:>12} {:>13} {:>12} {:>13} {:>8}   name\n",
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
