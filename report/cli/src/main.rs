//! The `soakscope` command: judges and shows soak runs.
//!
//! Each subcommand is a module that turns its arguments into an [`Answer`];
//! printing it and the exit code are decided here, once.

mod answer;
mod check;
mod flamegraph;
mod leaks;
mod part;
mod prune;
mod report;
mod source;
mod top;
mod top_spans;

use std::process::ExitCode;

use answer::Answer;
use clap::{Parser, Subcommand};
use soakscope_report::exit_code;

/// Judge and show soak runs: leaks, profiles, phases, verdicts.
#[derive(Parser)]
#[command(
    name = "soakscope",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Exit codes: 0 pass, 1 fail, 2 bad usage or unreadable input, 3 inconclusive.\n\
                  A RUN is the directory that the agent wrote, <service>-<start>."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Report(report::Args),
    Check(check::Args),
    Leaks(leaks::Args),
    Top(top::Args),
    Flamegraph(flamegraph::Args),
}

fn main() -> ExitCode {
    let answer = match Cli::parse().command {
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Leaks(args) => leaks::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Flamegraph(args) => flamegraph::run(&args),
    };
    let code = match answer {
        Ok(answer) => answer.print(),
        Err(error) => {
            answer::complain(error.as_ref());
            exit_code::USAGE
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The answer of a subcommand, or why there is none.
type Outcome = Result<Answer, Box<dyn std::error::Error>>;
