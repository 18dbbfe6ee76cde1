//! The summary as Markdown: `report.md`, and what a CI page can show.

use super::{cause_facts, headline, phase_table, series_table, service, span_table, trust_facts};
use crate::findings::Finding;
use crate::run::Run;
use crate::verdict::Verdict;

/// The run and its verdict as Markdown, the verdict first.
#[must_use]
pub fn summary_markdown(run: &Run, verdict: &Verdict) -> String {
    let mut text = format!(
        "# {}: {}\n\n{}\n\n",
        plain(service(run)),
        verdict.verdict.name(),
        plain(&headline(run))
    );
    for rule in &verdict.rules {
        text.push_str(&format!(
            "- **{}** {}: {}\n",
            rule.verdict.name(),
            plain(&rule.rule),
            plain(&rule.message)
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
    let phases = phase_table(run);
    if !phases.is_empty() {
        let body = phases.markdown()
            + "\n100 % CPU is one core. p99 is the median of the ticks' 99th percentiles.\n";
        section("Phases", body);
    }
    let spans = span_table(run);
    if !spans.is_empty() {
        let body = spans.markdown()
            + "\nA request's CPU time is that of all spans inside it; *busy* is the share of its time in \
               which a thread worked on it.\n";
        section("Requests and spans", body);
    }
    let found: Vec<String> = verdict.findings.iter().map(Finding::sentence).collect();
    section("Findings", list(&found));
    section("Trust", list(&trust_facts(verdict.trust.as_ref())));
    section("Notes", list(&verdict.notes));
    text
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("- {}\n", plain(item)))
        .collect()
}

/// Text from outside that cannot become markup.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '`' | '*' | '[' | ']' | '\\' => {
                safe.push('\\');
                safe.push(c);
            }
            '\n' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
