//! `soakscope flamegraph`: a flame graph of a run, a phase or a stretch of it.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use soakscope_report::{
    FlameOptions, Profile, ProfileRange, RunDir, RunInfo, SpanRange, flame_subtitle, flamegraph,
    flamegraph_diff, printable, speedscope,
};

use crate::Outcome;
use crate::answer::Answer;

/// Draw a flame graph of a run, to standard output or a file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the run
    #[arg(value_name = "RUN")]
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

/// Which part of a run's profile is wanted.
#[derive(clap::Args)]
pub(crate) struct Part {
    /// Only samples taken in this phase
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// Only samples of threads of this name
    #[arg(long, value_name = "NAME")]
    thread: Option<String>,
    /// Only samples in this span, or in requests on this route, such as
    /// 'GET /orders/{user}'
    #[arg(long, value_name = "NAME")]
    span: Option<String>,
    /// Only from this minute of the run on
    #[arg(long, value_name = "MINUTE")]
    from: Option<f64>,
    /// Only up to this minute of the run
    #[arg(long, value_name = "MINUTE")]
    to: Option<f64>,
}

impl Part {
    /// The merged CPU profile of the part, and what could not be read of it.
    pub(crate) fn profile(
        &self,
        dir: &RunDir,
    ) -> Result<(Profile, Vec<String>), Box<dyn std::error::Error>> {
        self.read(dir, &self.range())
    }

    /// The intervals of the part; threads and spans are not told apart there.
    pub(crate) fn span_range(&self) -> SpanRange {
        SpanRange {
            phase: self.phase.clone(),
            from_min: self.from,
            to_min: self.to,
        }
    }

    /// Whether it is not narrowed to some threads or spans.
    pub(crate) fn is_of_all(&self) -> bool {
        self.thread.is_none() && self.span.is_none()
    }

    fn range(&self) -> ProfileRange {
        let mut range = ProfileRange::default();
        range.phase.clone_from(&self.phase);
        range.thread.clone_from(&self.thread);
        range.span.clone_from(&self.span);
        range.from_min = self.from;
        range.to_min = self.to;
        range
    }

    fn read(
        &self,
        dir: &RunDir,
        range: &ProfileRange,
    ) -> Result<(Profile, Vec<String>), Box<dyn std::error::Error>> {
        let path = dir.path().display();
        let (profile, notes) = dir.profile("cpu", range)?;
        let profile = profile.ok_or_else(|| {
            if range.from_min.is_some() || range.to_min.is_some() {
                format!("{path} has no CPU profile between these minutes; see the phases in soakscope report {path}")
            } else {
                format!("{path} has no CPU profile; was the run taken with the profiler off?")
            }
        })?;
        let narrowed = self.phase.is_some() || self.thread.is_some() || self.span.is_some();
        if narrowed && profile.samples.is_empty() {
            return Err(format!(
                "{path} has no samples of {}; soakscope report {path} names its phases, soakscope top {path} --by span its spans",
                self.words()
            )
            .into());
        }
        Ok((profile, notes))
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.phase.as_ref().map(|phase| format!("phase {phase}")));
        words.extend(
            self.thread
                .as_ref()
                .map(|thread| format!("thread {thread}")),
        );
        words.extend(self.span.as_ref().map(|span| format!("span {span}")));
        words.extend(self.from.map(|from| format!("from minute {from}")));
        words.extend(self.to.map(|to| format!("to minute {to}")));
        if words.is_empty() {
            "whole run".to_owned()
        } else {
            words.join(", ")
        }
    }
}

#[derive(Serialize)]
struct Document {
    file: PathBuf,
    samples: i64,
    stacks: usize,
    bytes: usize,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let dir = RunDir::open(&args.path)?;
    let (info, _) = dir.info_or_guess()?;
    let (drawn, profile, notes) = if args.diff {
        difference(args, &dir, &info)?
    } else {
        let (profile, notes) = args.part.profile(&dir)?;
        let options = options(args, &info, args.part.words());
        let cpu = profile.default_value_index();
        let drawn = match args.format {
            Format::Svg => flamegraph(&profile, &options)?,
            Format::Collapsed => profile.collapsed(cpu).into_bytes(),
            Format::Speedscope => {
                // There is no subtitle there.
                let name = match profile.sample_count() {
                    Some(samples) => format!("{}, samples: {samples}", options.title),
                    None => options.title,
                };
                speedscope(&profile, cpu, &name).into_bytes()
            }
        };
        (drawn, profile, notes)
    };
    let Some(file) = &args.output else {
        return Ok(Answer::new(drawn).remarking(notes));
    };
    fs::write(file, &drawn).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let answer = if args.json {
        Answer::json(&Document {
            file: file.clone(),
            samples: profile.total(0),
            stacks: profile.samples.len(),
            bytes: drawn.len(),
        })?
    } else {
        Answer::new(format!("{}\n", printable(&file.display().to_string())))
    };
    Ok(answer.remarking(notes))
}

type Drawn = (Vec<u8>, Profile, Vec<String>);

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
    range.from_min = Some(bound(args.part.from, hours.first())?);
    range.to_min = Some(bound(args.part.to, hours.last())?);
    let [first, last] = range.outer_quarters().ok_or("a range has two ends")?;
    let (before, mut notes) = args.part.read(dir, &first)?;
    let (after, more) = args.part.read(dir, &last)?;
    notes.extend(more);
    let words = format!("{}: first quarter against last", args.part.words());
    let mut options = options(args, info, words);
    options.normalize = true;
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
