//! The summary for a terminal.

use super::{
    about, cause_facts, first_lines, found, phase_table, series_table, service, span_table,
    trust_facts,
};
use crate::names::line;
use crate::view::RunView;

/// [`RunView::text`].
pub(super) fn text(view: &RunView) -> String {
    let verdict = &view.verdict;
    let mut text = first_lines(verdict.verdict, &verdict.headline, &verdict.leaks);
    text.push_str(&line(&format!("  {}: {}", service(view), about(view))));
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
    let phases = phase_table(view);
    if !phases.is_empty() {
        section("Phases", phases.text());
    }
    let spans = span_table(&view.spans, view.heap_period);
    if !spans.is_empty() {
        section("Requests and spans", spans.text());
    }
    section("Findings", lines(&found(&verdict.findings)));
    section("Trust", lines(&trust_facts(verdict.trust.as_ref())));
    section("Notes", lines(&verdict.notes));
    let files: Vec<String> = view.files.iter().map(|f| f.display().to_string()).collect();
    section("Files", lines(&files));
    text
}

fn lines(items: &[String]) -> String {
    items
        .iter()
        .map(|item| line(&format!("  {item}")))
        .collect()
}
