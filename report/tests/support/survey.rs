//! Everything that the commands do with a run, in one process.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use soakscope_report::{
    FlameOptions, LeakOptions, ProfileRange, RunDir, SpanRange, TopBy, flamegraph, flamegraph_diff,
    judge, judge_timeline, leaks_text, speedscope, summary_markdown, summary_text, timeline_svg,
    top, top_spans, verdict_json,
};

/// What any run may take.
pub(crate) const MAX_BYTES: i64 = 256 << 20;

/// Does what `report`, `check`, `leaks`, `top` and `flamegraph` do; answers all
/// notes and errors.
pub(crate) fn survey(path: &Path) -> String {
    let mut said = String::new();
    let mut say = |what: &dyn Display| {
        said.push_str(&what.to_string());
        said.push('\n');
    };
    let dir = match RunDir::open(path) {
        Ok(dir) => dir,
        Err(error) => return error.to_string(),
    };
    let run = match dir.load() {
        Ok(run) => run,
        Err(error) => return error.to_string(),
    };
    let verdict = judge(&run);
    for note in &verdict.notes {
        say(note);
    }
    let text = summary_text(&run, &verdict);
    let _ = (summary_markdown(&run, &verdict), verdict_json(&verdict));
    let _ = (timeline_svg(&run), text);
    drop((run, verdict));
    match dir.timeline() {
        Ok(timeline) => drop(leaks_text(&judge_timeline(
            &timeline,
            &LeakOptions::default(),
        ))),
        Err(error) => say(&error),
    }
    if let Err(error) = dir.spans(&SpanRange::default()) {
        say(&error);
    }
    match dir.profile("cpu", &ProfileRange::default()) {
        Ok((Some(profile), _)) => {
            let index = profile.default_value_index();
            for by in [TopBy::Own, TopBy::Cumulative, TopBy::Line] {
                let _ = top(&profile, index, by);
            }
            let _ = top_spans(&profile, index);
            let options = FlameOptions::default();
            if let Err(error) = flamegraph(&profile, &options) {
                say(&error);
            }
            if let Err(error) = flamegraph_diff(&profile, &profile, &options) {
                say(&error);
            }
            let _ = profile.collapsed(index);
            let _ = speedscope(&profile, index, "");
        }
        Ok((None, _)) => {}
        Err(error) => say(&error),
    }
    said
}

/// What a survey of a run says, and the most memory that it took.
pub(crate) fn surveyed(path: &Path) -> (String, i64) {
    let mut said = String::new();
    let bytes = super::peak::peak(|| said = survey(path));
    (said, bytes)
}

pub(crate) fn gzipped(chunks: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for chunk in chunks {
        gzip.write_all(&chunk).unwrap();
    }
    gzip.finish().unwrap()
}
