//! Finishing a run: judge it and write everything that shows it.

use crate::causes::{heap_growth, standing};
use crate::chart::timeline_svg;
use crate::error::Error;
use crate::flamegraph::{FlameOptions, flame_subtitle, flamegraph, flamegraph_diff};
use crate::judging::{RunVerdict, judge, verdict_json};
use crate::number::{duration, number};
use crate::profile::Profile;
use crate::run::Run;
use crate::run_dir::{ProfileRange, RunDir};
use crate::summary::summary_markdown;

/// Phases that get a flame graph of their own; a load generator that names a
/// phase for every request must not fill the disk.
const MAX_PHASES: usize = 32;

/// Judges a run and writes `verdict.json`, `report.md`, `timeline.svg`,
/// `flamegraph.svg`, `flamegraph-<phase>.svg`, `flamegraph-diff.svg` (first
/// against last quarter), `heap.svg` (in use at the end) and `heap-growth.svg`
/// (what grew) into its directory.
///
/// A file that cannot be drawn or written is noted in [`RunVerdict::notes`] and
/// costs none of the others.
///
/// # Errors
///
/// Only what [`RunDir::load`] gives.
pub fn seal(dir: &RunDir) -> Result<RunVerdict, Error> {
    let run = dir.load()?;
    let mut verdict = judge(&run);
    seal_judged(dir, &run, &mut verdict);
    Ok(verdict)
}

/// [`seal`] for a run that is loaded and judged already. Answers the names of
/// files that could not be drawn or written; why, is in [`RunVerdict::notes`].
pub fn seal_judged(dir: &RunDir, run: &Run, verdict: &mut RunVerdict) -> Vec<String> {
    let mut failures = Vec::new();
    let mut missing = Vec::new();
    let mut write = |name: &str, content: Result<Vec<u8>, Error>| {
        if let Err(error) = content.and_then(|bytes| dir.write_artifact(name, &bytes)) {
            failures.push(format!("{name} was not written: {error}"));
            missing.push(name.to_owned());
        }
    };
    write("timeline.svg", Ok(timeline_svg(run).into_bytes()));
    let trust = run.info.trust.as_ref();
    if let Some(cpu) = &run.cpu {
        let options = FlameOptions {
            title: format!("{}: CPU", run.info.service),
            subtitle: flame_subtitle(subtitle("whole run", cpu), trust),
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
                subtitle: flame_subtitle(subtitle(&phase, &part), trust),
                ..FlameOptions::default()
            };
            let name = format!("flamegraph-{}.svg", file_name(&phase));
            write(&name, flamegraph(&part, &options));
        }
    }
    if let Some(last) = standing(&run.heap, &run.timeline).last() {
        let options = FlameOptions {
            title: format!("{}: heap", run.info.service),
            subtitle: "bytes in use at the end of the run, by who allocated them".to_owned(),
            ..FlameOptions::default()
        };
        write("heap.svg", flamegraph(&last.profile, &options));
    }
    if let Some(growth) = heap_growth(standing(&run.heap, &run.timeline)) {
        let options = FlameOptions {
            title: format!("{}: heap, what grew", run.info.service),
            subtitle: "bytes in use at the end and not after the start, young blocks left out"
                .to_owned(),
            ..FlameOptions::default()
        };
        write("heap-growth.svg", flamegraph(&growth, &options));
    }
    if let Some(difference) = drift(dir, run) {
        write("flamegraph-diff.svg", difference);
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
            missing.push(name.to_owned());
        }
    }
    missing
}

/// What changed from the first quarter of the run to the last; `None` where
/// the run is too short to have windows in both that are not the same.
fn drift(dir: &RunDir, run: &Run) -> Option<Result<Vec<u8>, Error>> {
    let hours = run.timeline.elapsed_hours();
    let range = ProfileRange {
        from_min: Some(hours.first()? * 60.0),
        to_min: Some(hours.last()? * 60.0),
        ..ProfileRange::default()
    };
    let [first, last] = range.outer_quarters()?;
    let before = dir.profile("cpu", &first).ok()?.0?;
    let after = dir.profile("cpu", &last).ok()?.0?;
    if before.time_nanos.saturating_add(before.duration_nanos) > after.time_nanos {
        return None;
    }
    let what = "first quarter of the run against the last: red grew, blue shrank".to_owned();
    let options = FlameOptions {
        title: format!("{}: CPU, what changed", run.info.service),
        subtitle: flame_subtitle(what, run.info.trust.as_ref()),
        normalize: true,
        ..FlameOptions::default()
    };
    Some(flamegraph_diff(&before, &after, &options))
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
        if !names.contains(&phase.name) && names.len() < MAX_PHASES {
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
