//! Finishing a run: judge it and write everything that shows it.

use crate::chart::timeline_svg;
use crate::error::Error;
use crate::flamegraph::{FlameOptions, flamegraph};
use crate::number::{duration, number};
use crate::profile::Profile;
use crate::run::Run;
use crate::run_dir::RunDir;
use crate::summary::summary_markdown;
use crate::verdict::{Verdict, judge, verdict_json};

/// Phases that get a flame graph of their own; a load generator that names a
/// phase for every request must not fill the disk.
const MOST_PHASES: usize = 32;

/// Judges a run and writes `verdict.json`, `report.md`, `timeline.svg`,
/// `flamegraph.svg` and `flamegraph-<phase>.svg` into its directory.
///
/// A file that cannot be drawn or written is noted in [`Verdict::notes`] and
/// costs none of the others.
///
/// # Errors
///
/// Only what [`RunDir::load`] gives: without `run.json` there is no run.
pub fn seal(dir: &RunDir) -> Result<Verdict, Error> {
    let run = dir.load()?;
    let mut verdict = judge(&run);
    seal_judged(dir, &run, &mut verdict);
    Ok(verdict)
}

/// [`seal`] for a run that is loaded and judged already.
pub fn seal_judged(dir: &RunDir, run: &Run, verdict: &mut Verdict) {
    let mut failures = Vec::new();
    let mut write = |name: &str, content: Result<Vec<u8>, Error>| {
        if let Err(error) = content.and_then(|bytes| dir.write_artifact(name, &bytes)) {
            failures.push(format!("{name} was not written: {error}"));
        }
    };
    write("timeline.svg", Ok(timeline_svg(run).into_bytes()));
    if let Some(cpu) = &run.cpu {
        let options = FlameOptions {
            title: format!("{}: CPU", run.info.service),
            subtitle: subtitle("whole run", cpu),
            ..FlameOptions::default()
        };
        write("flamegraph.svg", flamegraph(cpu, &options));
        for phase in phase_names(run) {
            let part = cpu.filter(|sample| sample.label("phase") == Some(&phase));
            if part.samples.is_empty() {
                continue;
            }
            let options = FlameOptions {
                title: format!("{}: CPU in phase {phase}", run.info.service),
                subtitle: subtitle(&phase, &part),
                ..FlameOptions::default()
            };
            let name = format!("flamegraph-{}.svg", file_name(&phase));
            write(&name, flamegraph(&part, &options));
        }
    }
    verdict.notes.append(&mut failures);
    // These two last: they tell what became of the others.
    for (name, text) in [
        ("report.md", summary_markdown(run, verdict)),
        ("verdict.json", verdict_json(verdict)),
    ] {
        if let Err(error) = dir.write_artifact(name, text.as_bytes()) {
            verdict
                .notes
                .push(format!("{name} was not written: {error}"));
        }
    }
}

/// What a flame graph is of, in CPU time.
fn subtitle(what: &str, profile: &Profile) -> String {
    match profile.value_index("cpu") {
        Some(index) => {
            let seconds = profile.total(index) as f64 / 1e9;
            let took = profile.duration_nanos as f64 / 3.6e12;
            let of = if took > 0.0 && what == "whole run" {
                format!(" in {}", duration(took))
            } else {
                String::new()
            };
            format!("{what}: {} CPU seconds{of}", number(seconds, 2))
        }
        None => what.to_owned(),
    }
}

fn phase_names(run: &Run) -> Vec<String> {
    let mut names = Vec::new();
    for phase in run.timeline.phases() {
        if !names.contains(&phase.name) && names.len() < MOST_PHASES {
            names.push(phase.name);
        }
    }
    names
}

/// A phase's name as part of a file's name.
fn file_name(phase: &str) -> String {
    phase
        .chars()
        .take(64)
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}
