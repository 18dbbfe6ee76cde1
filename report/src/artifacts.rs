//! The files that show a run: for each its name, what it needs, and how it is
//! made.

use std::borrow::Cow;

use crate::causes::{heap_growth, standing};
use crate::chart::timeline_svg;
use crate::error::Error;
use crate::flamegraph::{FlameOptions, flame_subtitle, flamegraph, of_difference, of_profile};
use crate::judging::verdict_json;
use crate::number::{duration, number};
use crate::profile::Profile;
use crate::run::Run;
use crate::run_dir::{ProfileRange, RunDir};
use crate::view::RunView;

/// Phases that get a flame graph of their own; a load generator that names a
/// phase for every request must not fill the disk.
const MAX_PHASES: usize = 32;

/// A file that shows a run.
pub(crate) struct Artifact {
    /// Its name; `*` stands for a phase, of each of which there is one.
    name: &'static str,
    /// What must still be there of the run when it is made.
    needs: Part,
    make: Maker,
}

/// Answers with its bytes; `None` where there is nothing to show.
type Maker = fn(&Source<'_>, phase: &str) -> Option<Result<Vec<u8>, Error>>;

/// The parts of a run that take memory. They are let go of in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Heap,
    Timeline,
    Cpu,
    /// Windows of profiles, which are read for it.
    Windows,
    /// The view alone.
    View,
}

/// What artifacts are made from.
pub(crate) struct Source<'a> {
    pub(crate) dir: &'a RunDir,
    pub(crate) run: &'a Run,
    pub(crate) view: &'a RunView,
}

/// In the order in which they are made. The last two say what became of the
/// others.
pub(crate) const ARTIFACTS: [Artifact; 8] = [
    Artifact {
        name: "heap.svg",
        needs: Part::Heap,
        make: heap,
    },
    Artifact {
        name: "heap-growth.svg",
        needs: Part::Heap,
        make: growth,
    },
    Artifact {
        name: "timeline.svg",
        needs: Part::Timeline,
        make: |source, _| Some(Ok(timeline_svg(source.run).into_bytes())),
    },
    Artifact {
        name: "flamegraph.svg",
        needs: Part::Cpu,
        make: cpu,
    },
    Artifact {
        name: "flamegraph-*.svg",
        needs: Part::Cpu,
        make: cpu_in_phase,
    },
    Artifact {
        name: "flamegraph-diff.svg",
        needs: Part::Windows,
        make: drift,
    },
    Artifact {
        name: "report.md",
        needs: Part::View,
        make: |source, _| Some(Ok(source.view.markdown().into_bytes())),
    },
    Artifact {
        name: "verdict.json",
        needs: Part::View,
        make: |source, _| Some(Ok(verdict_json(&source.view.verdict).into_bytes())),
    },
];

impl Artifact {
    pub(crate) fn needs(&self) -> Part {
        self.needs
    }

    /// The files of this kind that a run has: their names and, one by one, their
    /// bytes. What there is nothing to show of is left out.
    pub(crate) fn files(
        &self,
        source: &Source<'_>,
        mut see: impl FnMut(&str, Result<Vec<u8>, Error>),
    ) {
        if !self.name.contains('*') {
            if let Some(made) = (self.make)(source, "") {
                see(self.name, made);
            }
            return;
        }
        for phase in phase_names(source.view) {
            if let Some(made) = (self.make)(source, phase) {
                see(&self.name.replace('*', &file_name(phase)), made);
            }
        }
    }
}

fn cpu(source: &Source<'_>, _: &str) -> Option<Result<Vec<u8>, Error>> {
    let cpu = source.run.cpu.as_ref()?;
    let (title, what) = ("CPU".to_owned(), subtitle("whole run", cpu));
    Some(flamegraph(cpu, &source.options(title, what)))
}

fn cpu_in_phase(source: &Source<'_>, phase: &str) -> Option<Result<Vec<u8>, Error>> {
    let cpu = source.run.cpu.as_ref()?;
    let part = cpu.filter(|sample| sample.label("phase") == Some(phase));
    if part.samples.is_empty() {
        return None;
    }
    let (title, what) = (format!("CPU in phase {phase}"), subtitle(phase, &part));
    Some(of_profile(Cow::Owned(part), &source.options(title, what)))
}

fn heap(source: &Source<'_>, _: &str) -> Option<Result<Vec<u8>, Error>> {
    let run = source.run;
    let last = standing(&run.heap, &run.timeline).last()?;
    let options = FlameOptions {
        title: format!("{}: heap", run.info.service),
        subtitle: "bytes in use at the end of the run, by who allocated them".to_owned(),
        ..FlameOptions::default()
    };
    Some(flamegraph(&last.profile, &options))
}

fn growth(source: &Source<'_>, _: &str) -> Option<Result<Vec<u8>, Error>> {
    let run = source.run;
    let growth = heap_growth(standing(&run.heap, &run.timeline))?;
    let options = FlameOptions {
        title: format!("{}: heap, what grew", run.info.service),
        subtitle: "bytes in use at the end and not after the start, young blocks left out"
            .to_owned(),
        ..FlameOptions::default()
    };
    Some(of_profile(Cow::Owned(growth), &options))
}

/// What changed from the first quarter of the run to the last; `None` where
/// the run is too short to have windows in both that are not the same.
fn drift(source: &Source<'_>, _: &str) -> Option<Result<Vec<u8>, Error>> {
    // The whole run is the last.
    let whole = source.view.phases.last()?;
    let range = ProfileRange {
        from_min: Some(whole.start_min),
        to_min: Some(whole.end_min),
        ..ProfileRange::default()
    };
    let [first, last] = range.outer_quarters()?;
    let before = source.dir.profile("cpu", &first).ok()?.0?;
    let after = source.dir.profile("cpu", &last).ok()?.0?;
    if before.time_nanos.saturating_add(before.duration_nanos) > after.time_nanos {
        return None;
    }
    let what = "first quarter of the run against the last: red grew, blue shrank".to_owned();
    let options = FlameOptions {
        normalize: true,
        ..source.options("CPU, what changed".to_owned(), what)
    };
    let [before, after] = [before, after].map(Cow::Owned);
    Some(of_difference(before, after, &options))
}

impl Source<'_> {
    /// Those of a graph of CPU time.
    fn options(&self, title: String, what: String) -> FlameOptions {
        let info = &self.view.info;
        FlameOptions {
            title: format!("{}: {title}", info.service),
            subtitle: flame_subtitle(what, info.trust.as_ref()),
            ..FlameOptions::default()
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

/// The first of the names that phases have, each once.
fn phase_names(view: &RunView) -> Vec<&str> {
    let mut names = Vec::new();
    // The whole run is the last.
    let count = view.phases.len().saturating_sub(1);
    for phase in &view.phases[..count] {
        if !names.contains(&phase.name.as_str()) && names.len() < MAX_PHASES {
            names.push(phase.name.as_str());
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
