//! `soakscope report`: what happened in this run?

use std::path::PathBuf;

use soakscope_report::{RunDir, judge, process_alive, seal_judged, summary_text};

use crate::Outcome;
use crate::answer::Answer;

/// Print verdict, series, phases and trust of a run: finished, running or cut off.
///
/// Nothing is written unless --write is given.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the run
    #[arg(value_name = "RUN")]
    path: PathBuf,
    /// Print the verdict as JSON, as in verdict.json
    #[arg(long)]
    json: bool,
    /// Also write verdict.json, report.md, timeline.svg and the flame graphs
    /// into the run's directory, replacing those there
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let dir = RunDir::open(&args.path)?;
    let mut run = dir.load_with(process_alive)?;
    let mut verdict = judge(&run);
    if args.write {
        seal_judged(&dir, &run, &mut verdict);
        run.files = dir.artifacts();
    }
    let answer = if args.json {
        Answer::json(&verdict)?
    } else {
        Answer::new(summary_text(&run, &verdict))
    };
    Ok(answer.exiting_with(verdict.exit_code))
}
