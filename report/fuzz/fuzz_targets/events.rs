//! Any bytes as `events.jsonl`: a line that cannot be read costs no other.
#![no_main]

mod run;

use libfuzzer_sys::fuzz_target;
use soakscope_report::{judge, summary_text, verdict_json};

fuzz_target!(|bytes: &[u8]| {
    let good = b"\n{\"kind\":\"slow_span\",\"span\":\"last\",\"took_ms\":1}\n";
    let run = run::with("events.jsonl", &[bytes, good].concat());
    let verdict = judge(&run);
    assert!(verdict.findings.iter().any(|f| f.route == "last") || verdict.findings.len() >= 1_000);
    let _ = (summary_text(&run, &verdict), verdict_json(&verdict));
});
