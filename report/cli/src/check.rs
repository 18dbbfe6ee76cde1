//! `soakscope check`: does this run keep its budgets?

use std::path::PathBuf;

use soakscope_report::{
    Budgets, LeakOptions, MustSee, Run, RunDir, RunInfo, Verdict, Watch, judge_by, liveness,
    printable, read_budgets, read_timeline,
};

use crate::Outcome;
use crate::answer::Answer;

/// Judge a run, or any CSV file with a time column, by a budget file.
///
/// Says of each budget whether it holds, with the value and what it is made of.
/// What was never measured is inconclusive, not a pass.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of a run; or a CSV file or a pipe, `-` for standard input
    #[arg(value_name = "RUN|CSV")]
    path: PathBuf,
    /// The budget file (TOML); if not given, the one the run was started with
    #[arg(long, value_name = "FILE")]
    budgets: Option<PathBuf>,
    /// The environment whose overrides are in force
    #[arg(long, value_name = "NAME", env = "SOAKSCOPE_ENVIRONMENT")]
    environment: Option<String>,
    /// The leak of memory that the run must have been able to show, such as
    /// 10MB/h: one that could not is inconclusive. If not given, what the run
    /// was started with
    #[arg(long, value_name = "RATE")]
    must_see: Option<MustSee>,
    /// Print the verdict as JSON, as in verdict.json
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let given = args
        .budgets
        .as_ref()
        .map(|file| read_budgets(file, args.environment.as_deref()))
        .transpose()?;
    let run = if args.path.is_dir() {
        of_run(args, given)?
    } else {
        of_csv(args, given)?
    };
    let mut options = LeakOptions::default();
    options.must_see = args.must_see;
    let verdict = judge_by(&run, &options);
    let answer = if args.json {
        Answer::json(&verdict)?
    } else {
        let mut text = String::new();
        for rule in verdict.rules.iter().filter(|rule| rule.rule != "budgets") {
            text += &format!(
                "{:<12}  {}: {}\n",
                rule.verdict.name(),
                rule.rule,
                printable(&rule.message)
            );
        }
        for outcome in &verdict.budgets {
            let word = match outcome.verdict {
                Verdict::Pass if outcome.warned => "warning",
                verdict => verdict.name(),
            };
            text += &format!("{word:<12}  {}\n", printable(&outcome.message));
        }
        text += &format!("\n{}\n", verdict.verdict.name().to_uppercase());
        Answer::new(text)
    };
    Ok(answer
        .remarking(verdict.notes.iter().cloned())
        .exiting_with(verdict.exit_code))
}

fn of_run(args: &Args, given: Option<Budgets>) -> Result<Run, Box<dyn std::error::Error>> {
    let dir = RunDir::open(&args.path)?;
    let mut run = dir.load_without_cpu(liveness)?;
    match given {
        Some(budgets) => {
            run.budgets = dir.budget_outcomes(&budgets, &run.timeline)?;
            run.leak_budget = budgets.leaks;
        }
        None if run.budgets.is_empty() => {
            // A file that cannot be used says why.
            dir.budgets(&run.info)?;
            return Err(format!(
                "{} was started without budgets; name a file with --budgets",
                args.path.display()
            )
            .into());
        }
        None => {}
    }
    Ok(run)
}

fn of_csv(args: &Args, given: Option<Budgets>) -> Result<Run, Box<dyn std::error::Error>> {
    let budgets =
        given.ok_or("a CSV file has no budgets of its own; name a file with --budgets")?;
    let timeline = read_timeline(&args.path)?;
    let mut watch = Watch::new(budgets);
    watch.timeline(&timeline);
    let mut run = Run::new(RunInfo::default(), timeline);
    run.notes = run.timeline.losses();
    run.budgets = watch.outcomes();
    run.leak_budget = watch.budgets().leaks;
    Ok(run)
}
