//! `soakscope flamegraph`: a flame graph of a run, a phase or a stretch of it.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use soakscope_report::{
    FlameOptions, Profile, RunDir, RunInfo, flame_subtitle, flamegraph, flamegraph_diff, printable,
    speedscope,
};

use crate::Outcome;
use crate::answer::Answer;
use crate::part::{Part, remark};
use crate::source::Source;
use crate::top::amount;

/// Draw a flame graph of a run or a profile, to standard output or a file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of a run, or a profile of any program: pprof, gzipped or
    /// not, or collapsed stacks; - for standard input
    #[arg(value_name = "RUN|FILE")]
    path: PathBuf,
    #[command(flatten)]
    part: Part,
    /// Draw roots at the top
    #[arg(long)]
    inverted: bool,
    /// Show what changed from the first quarter of the run (or of the stretch
    /// given by --from and --to) to the last: red grew, blue shrank
    #[arg(long)]
    diff: bool,
    /// What to write: a picture, text for other flame graph tools (a stack a
    /// line), or JSON for speedscope
    #[arg(long, value_enum, default_value_t = Format::Svg, conflicts_with = "diff")]
    format: Format,
    /// Where to write it; standard output if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was drawn as JSON; needs --output
    #[arg(long, requires = "output")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Svg,
    Collapsed,
    Speedscope,
}

#[derive(Serialize)]
struct Document {
    file: PathBuf,
    samples: i64,
    stacks: usize,
    bytes: usize,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let source = Source::open(&args.path)?;
    let info = match source.run() {
        Some(dir) => dir.info_or_guess()?.0,
        None => RunInfo::default(),
    };
    let (drawn, profile, notes) = match (&source, args.diff) {
        (Source::Run(dir), true) => difference(args, dir, &info)?,
        (Source::File { name, .. }, true) => {
            return Err(format!(
                "{name} is one profile; --diff is for the directory of a run. \
                 Of two: go tool pprof -proto -diff_base BEFORE AFTER > diff.pb.gz, and name that"
            )
            .into());
        }
        (source, false) => plain(args, source, &info)?,
    };
    let Some(file) = &args.output else {
        return Ok(Answer::new(drawn).remarking(notes));
    };
    fs::write(file, &drawn).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let answer = if args.json {
        Answer::json(&Document {
            file: file.clone(),
            samples: profile.sample_count().map_or_else(
                || profile.total(0),
                |count| count.try_into().unwrap_or(i64::MAX),
            ),
            stacks: profile.samples.len(),
            bytes: drawn.len(),
        })?
    } else {
        Answer::new(format!("{}\n", printable(&file.display().to_string())))
    };
    Ok(answer.remarking(notes))
}

type Drawn = (Vec<u8>, Profile, Vec<String>);

/// The picture or the text of the part that is wanted.
fn plain(
    args: &Args,
    source: &Source,
    info: &RunInfo,
) -> Result<Drawn, Box<dyn std::error::Error>> {
    let (profile, mut notes) = args.part.profile(source)?;
    let index = args.part.value_index(&profile)?;
    notes.extend(remark(&source.name(), &profile, index));
    let value = profile.sample_types.get(index);
    let kind = value.map_or("samples", |value| value.kind.as_str());
    let mut words = match (source, args.part.words()) {
        (Source::File { .. }, words) if words == "whole run" => String::new(),
        (_, words) => words,
    };
    let (_, shrank) = profile.totals(index);
    if shrank < 0 && args.format != Format::Collapsed {
        let unit = value.map_or("", |value| value.unit.as_str());
        let lacks = format!("what shrank ({} in all) has no width", amount(shrank, unit));
        words = if words.is_empty() {
            lacks.clone()
        } else {
            format!("{words}; {lacks}")
        };
        notes.push(format!("{}: {lacks}; top lists it", source.name()));
    }
    let mut options = options(args, info, words);
    options.value_index = Some(index);
    match source {
        Source::File { name, .. } => options.title = format!("{name}: {kind}"),
        Source::Run(_) if kind != "cpu" => options.title = format!("{}: {kind}", info.service),
        Source::Run(_) => {}
    }
    let drawn = match args.format {
        Format::Svg => flamegraph(&profile, &options)?,
        Format::Collapsed => profile.collapsed(index).into_bytes(),
        Format::Speedscope => {
            // There is no subtitle there.
            let name = match profile.sample_count() {
                Some(samples) => format!("{}, samples: {samples}", options.title),
                None => options.title,
            };
            speedscope(&profile, index, &name).into_bytes()
        }
    };
    Ok((drawn, profile, notes))
}

fn difference(
    args: &Args,
    dir: &RunDir,
    info: &RunInfo,
) -> Result<Drawn, Box<dyn std::error::Error>> {
    let timeline = dir.timeline().ok();
    let hours = timeline
        .as_ref()
        .map(|t| t.elapsed_hours())
        .unwrap_or_default();
    let bound = |given: Option<f64>, hour: Option<&f64>| {
        given.or_else(|| hour.map(|hour| hour * 60.0)).ok_or(
            "a difference needs to know how long the run is; give --from and --to in minutes",
        )
    };
    let mut range = args.part.range();
    range.from_min = Some(bound(range.from_min, hours.first())?);
    range.to_min = Some(bound(range.to_min, hours.last())?);
    let [first, last] = range.outer_quarters().ok_or("a range has two ends")?;
    let (before, mut notes) = args.part.read(dir, &first)?;
    let (after, more) = args.part.read(dir, &last)?;
    notes.extend(more);
    let words = format!("{}: first quarter against last", args.part.words());
    let mut options = options(args, info, words);
    options.normalize = true;
    options.value_index = Some(args.part.value_index(&after)?);
    Ok((flamegraph_diff(&before, &after, &options)?, after, notes))
}

fn options(args: &Args, info: &RunInfo, subtitle: String) -> FlameOptions {
    FlameOptions {
        title: format!("{}: CPU", info.service),
        subtitle: flame_subtitle(subtitle, info.trust.as_ref()),
        inverted: args.inverted,
        ..FlameOptions::default()
    }
}
