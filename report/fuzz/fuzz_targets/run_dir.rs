//! Any bytes as any file of a run: the run is read, judged and shown.
#![no_main]

mod run;

use libfuzzer_sys::fuzz_target;
use soakscope_report::{judge, summary_markdown, summary_text, timeline_svg, verdict_json};

const FILES: [&str; 7] = [
    "timeline.csv",
    "spans.csv",
    "spans.hlog",
    "events.jsonl",
    "budgets.toml",
    "profiles/cpu-000001.pb.gz",
    "profiles/heap-000001.pb.gz",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (file, bytes) = input;
    let run = run::with(FILES[usize::from(file) % FILES.len()], bytes);
    let verdict = judge(&run);
    let text = summary_text(&run, &verdict);
    let harmful = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(harmful), "{text:?}");
    assert!(!summary_markdown(&run, &verdict).contains('<'));
    let _ = (timeline_svg(&run), verdict_json(&verdict));
});
