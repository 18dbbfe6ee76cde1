//! The summary for a terminal.

use super::{
    about, cause_facts, first_lines, found, phase_table, series_table, service, span_table,
    trust_facts,
};
use crate::judging::RunVerdict;
use crate::names::line;
use crate::run::Run;

/// The run and its verdict as aligned text, the verdict first. Ends in a
/// newline.
#[must_use]
pub fn summary_text(run: &Run, verdict: &RunVerdict) -> String {
    let mut text = first_lines(verdict.verdict, &verdict.headline, &verdict.leaks);
    text.push_str(&line(&format!("  {}: {}", service(run), about(run))));
    for rule in &verdict.rules {
        text.push_str(&line(&format!(
            "  {:<12}  {}: {}",
            rule.verdict.name(),
            rule.rule,
            rule.message
        )));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{title}\n{body}"));
        }
    };
    let series = series_table(&verdict.leaks);
    if !series.is_empty() {
        section("Series, after warm-up", series.text());
    }
    section("Causes", lines(&cause_facts(&verdict.causes)));
    let phases = phase_table(run);
    if !phases.is_empty() {
        section("Phases", phases.text());
    }
    let spans = span_table(run);
    if !spans.is_empty() {
        section("Requests and spans", spans.text());
    }
    section("Findings", lines(&found(&verdict.findings)));
    section("Trust", lines(&trust_facts(verdict.trust.as_ref())));
    section("Notes", lines(&verdict.notes));
    let files: Vec<String> = run.files.iter().map(|f| f.display().to_string()).collect();
    section("Files", lines(&files));
    text
}

fn lines(items: &[String]) -> String {
    items
        .iter()
        .map(|item| line(&format!("  {item}")))
        .collect()
}
