//! `soakscope leaks`: did anything in this timeline leak?

use std::path::PathBuf;

use soakscope_report::{
    LeakOptions, MustSee, RunDir, Timeline, judge_leaks, judge_timeline, leaks_text, read_timeline,
};

use crate::Outcome;
use crate::answer::Answer;

/// Say of each series whether it leaks: of a run, or of any CSV file.
///
/// Any CSV file will do whose first column is a time (elapsed_min, elapsed_s,
/// timestamp, …), such as a psutil script writes. MB is 1024² bytes. Every column
/// is listed with what it was taken for; --judge and --skip correct that.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A CSV file or a pipe, `-` for standard input, or the directory of a run
    #[arg(value_name = "FILE|RUN")]
    path: PathBuf,
    /// The leak of memory that the run must have been able to show, such as
    /// 10MB/h: one that could not is inconclusive. If not given, what a run was
    /// started with
    #[arg(long, value_name = "RATE")]
    must_see: Option<MustSee>,
    /// Print the whole report as JSON
    #[arg(long)]
    json: bool,
    /// Judge this column, whatever it seems to be; the unit of its numbers is
    /// bytes, KB, MB, GB, pages or count
    #[arg(long, value_name = "COL[:UNIT]")]
    judge: Vec<String>,
    /// Leave this column out
    #[arg(long, value_name = "COL")]
    skip: Vec<String>,
    /// Seed of the random draws; equal seeds, equal verdicts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut notes = Vec::new();
    let mut options = LeakOptions::default();
    options.seed = args.seed;
    options.must_see = args.must_see;
    let mut run = None;
    let timeline = if args.path.is_dir() {
        let dir = RunDir::open(&args.path)?;
        let (info, note) = dir.info_or_guess()?;
        let (heap, unread) = dir.heap_shots()?;
        notes.extend(note.into_iter().chain(unread));
        run = Some((info, heap));
        // A run that was killed before its first row is a run.
        dir.timeline().unwrap_or_else(|error| {
            notes.push(format!("no timeline: {error}"));
            Timeline::default()
        })
    } else {
        read_timeline(&args.path)?
    };
    notes.extend(timeline.losses());
    options.ask(&timeline, &args.judge, &args.skip)?;
    let report = match &run {
        Some((info, heap)) => judge_leaks(info, &timeline, heap, &options),
        None => judge_timeline(&timeline, &options),
    };
    let answer = if args.json {
        Answer::json(&report)?
    } else {
        Answer::new(leaks_text(&report))
    };
    Ok(answer
        .exiting_with(report.verdict.exit_code())
        .remarking(notes))
}
