//! The summary as Markdown: `report.md`, and what a CI page can show.

use super::{
    about, cause_facts, found, phase_table, series_table, service, span_table, trust_facts,
};
use crate::names::markdown;
use crate::view::RunView;

/// [`RunView::markdown`].
pub(super) fn markdown_text(view: &RunView) -> String {
    let verdict = &view.verdict;
    let mut text = format!(
        "# {}: {}\n\n**{}**\n\n{}\n\n",
        markdown(service(view)),
        verdict.verdict.name(),
        markdown(&verdict.headline),
        markdown(&about(view))
    );
    for rule in &verdict.rules {
        text.push_str(&format!(
            "- **{}** {}: {}\n",
            rule.verdict.name(),
            markdown(&rule.rule),
            markdown(&rule.message)
        ));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n## {title}\n\n{body}"));
        }
    };
    let series = series_table(&verdict.leaks);
    if !series.is_empty() {
        let body = series.markdown()
            + "\nMB is 1024² bytes. *Detectable* is the smallest leak per hour that this run could \
               have shown. Quarters are floors of the time judged.\n";
        section("Series, after warm-up", body);
    }
    section("Causes", list(&cause_facts(&verdict.causes)));
    let phases = phase_table(view);
    if !phases.is_empty() {
        let body = phases.markdown()
            + "\n100 % CPU is one core. p99 is the median of the ticks' 99th percentiles.\n";
        section("Phases", body);
    }
    let spans = span_table(&view.spans, view.heap_period);
    if !spans.is_empty() {
        let body = spans.markdown()
            + "\nA request's CPU time is that of all spans inside it; *busy* is the share of its time in \
               which a thread worked on it. ± is the 95 % interval of what is sampled or measured in part.\n";
        section("Requests and spans", body);
    }
    section("Findings", list(&found(&verdict.findings)));
    section("Trust", list(&trust_facts(verdict.trust.as_ref())));
    section("Notes", list(&verdict.notes));
    text
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("- {}\n", markdown(item)))
        .collect()
}
