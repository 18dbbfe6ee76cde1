//! `soakscope flamegraph`: a flame graph of a run, a phase or a stretch of it.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use soakscope_report::{
    FlameOptions, Profile, ProfileRange, RunDir, RunInfo, flamegraph, flamegraph_diff,
};

use crate::Outcome;
use crate::answer::Answer;

/// Draw a flame graph of a run as SVG, to standard output or a file.
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
    /// Where to write the SVG; standard output if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was drawn as JSON; needs --output
    #[arg(long, requires = "output")]
    json: bool,
}

/// Which part of a run's profile is wanted.
#[derive(clap::Args)]
pub(crate) struct Part {
    /// Only samples taken in this phase
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
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
        self.between(dir, self.from, self.to)
    }

    fn between(
        &self,
        dir: &RunDir,
        from_min: Option<f64>,
        to_min: Option<f64>,
    ) -> Result<(Profile, Vec<String>), Box<dyn std::error::Error>> {
        let mut range = ProfileRange::default();
        range.phase.clone_from(&self.phase);
        range.from_min = from_min;
        range.to_min = to_min;
        let (profile, notes) = dir.profile("cpu", &range)?;
        let profile = profile.ok_or_else(|| {
            let path = dir.path().display();
            if from_min.is_some() || to_min.is_some() {
                format!("{path} has no CPU profile between these minutes; see the phases in soakscope report {path}")
            } else {
                format!("{path} has no CPU profile; was the run taken with the profiler off?")
            }
        })?;
        if let Some(phase) = &self.phase
            && profile.samples.is_empty()
        {
            let path = dir.path().display();
            return Err(format!(
                "{path} has no samples in phase {phase:?}; see the phases in soakscope report {path}"
            )
            .into());
        }
        Ok((profile, notes))
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.phase.as_ref().map(|phase| format!("phase {phase}")));
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
    let info = dir.info()?;
    let (svg, profile, notes) = if args.diff {
        difference(args, &dir, &info)?
    } else {
        let (profile, notes) = args.part.profile(&dir)?;
        let options = options(args, &info, args.part.words());
        (flamegraph(&profile, &options)?, profile, notes)
    };
    let Some(file) = &args.output else {
        return Ok(Answer::new(svg).remarking(notes));
    };
    fs::write(file, &svg).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let answer = if args.json {
        Answer::json(&Document {
            file: file.clone(),
            samples: profile.total(0),
            stacks: profile.samples.len(),
            bytes: svg.len(),
        })?
    } else {
        Answer::new(format!("{}\n", file.display()))
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
    let from = bound(args.part.from, hours.first())?;
    let to = bound(args.part.to, hours.last())?;
    let quarter = (to - from) / 4.0;
    let (before, mut notes) = args.part.between(dir, Some(from), Some(from + quarter))?;
    let (after, more) = args.part.between(dir, Some(to - quarter), Some(to))?;
    notes.extend(more);
    let words = format!("{}: first quarter against last", args.part.words());
    let mut options = options(args, info, words);
    options.normalize = true;
    Ok((flamegraph_diff(&before, &after, &options)?, after, notes))
}

fn options(args: &Args, info: &RunInfo, subtitle: String) -> FlameOptions {
    FlameOptions {
        title: format!("{}: CPU", info.service),
        subtitle,
        inverted: args.inverted,
        ..FlameOptions::default()
    }
}
