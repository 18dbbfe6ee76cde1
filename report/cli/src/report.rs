//! `soakscope report`: what happened in this run?

use std::path::PathBuf;

use soakscope_report::{
    LeakOptions, MustSee, RunDir, RunState, RunView, judge_by, liveness, seal_judged,
};

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
    /// The leak of memory that the run must have been able to show, such as
    /// 10MB/h: one that could not is inconclusive. If not given, what the run
    /// was started with
    #[arg(long, value_name = "RATE")]
    must_see: Option<MustSee>,
    /// Print the verdict as JSON, as in verdict.json
    #[arg(long)]
    json: bool,
    /// Also write verdict.json, report.md, timeline.svg and the flame graphs
    /// into the run's directory, replacing those there
    #[arg(long)]
    write: bool,
    /// With --write, where it cannot be seen from here whether the run has
    /// ended (another host, PID namespace or user): take it that it has
    #[arg(long, requires = "write")]
    assume_ended: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let dir = RunDir::open(&args.path)?;
    let run = dir.load_with(liveness)?;
    if args.write {
        match run.info.state {
            RunState::Running => {
                return Err(format!(
                    "{} still runs, and its process writes these files when it ends; \
                     leave out --write to look at it now",
                    args.path.display()
                )
                .into());
            }
            RunState::Unknown if !args.assume_ended => {
                return Err(format!(
                    "it cannot be seen from here whether {} still runs, as another host, PID \
                     namespace or user wrote it; use --write there, or --assume-ended with it \
                     where you know that it has ended",
                    args.path.display()
                )
                .into());
            }
            _ => {}
        }
    }
    let mut options = LeakOptions::default();
    options.must_see = args.must_see;
    let verdict = judge_by(&run, &options);
    let view = if args.write {
        // What the disk did not take is in the notes; the rest may follow later.
        let mut view = seal_judged(&dir, run, verdict).view;
        let _ = dir.sync(|| true);
        view.files = dir.artifacts();
        view
    } else {
        RunView::of(&run, verdict)
    };
    let answer = if args.json {
        Answer::json(&view.verdict)?
    } else {
        Answer::new(view.text())
    };
    Ok(answer.exiting_with(view.verdict.exit_code))
}
