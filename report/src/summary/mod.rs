//! A run and its verdict in words: for a terminal and as Markdown.
//!
//! Both say the same in the same order (verdict, rules, series, phases, trust,
//! notes, files); only the dress differs.

mod leaks;
mod markdown;
mod spans;
mod text;

pub use leaks::leaks_text;

use crate::causes::Cause;
use crate::findings::Finding;
use crate::judging::RunVerdict;
use crate::leaks::{LeakReport, SeriesOutcome, SeriesVerdict};
use crate::limits::{LISTED_FINDINGS, LISTED_PHASES};
use crate::names::line;
use crate::number::{duration, or_dash, readable};
use crate::run::Run;
use crate::table::Table;
use crate::trust::Trust;
use crate::verdict::Verdict;
use crate::view::RunView;
use spans::span_table;

impl RunView {
    /// The run and its verdict as aligned text, the verdict first. Ends in a
    /// newline.
    #[must_use]
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The run and its verdict as Markdown, the verdict first.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::markdown_text(self)
    }
}

/// [`RunView::text`] of a run and its verdict.
#[must_use]
pub fn summary_text(run: &Run, verdict: &RunVerdict) -> String {
    RunView::of(run, verdict.clone()).text()
}

/// [`RunView::markdown`] of a run and its verdict.
#[must_use]
pub fn summary_markdown(run: &Run, verdict: &RunVerdict) -> String {
    RunView::of(run, verdict.clone()).markdown()
}

/// One line on what was run: version, state, how long, when and where.
fn about(view: &RunView) -> String {
    let info = &view.info;
    let mut parts = vec![info.state.in_words().to_owned()];
    if view.samples > 0 {
        parts.push(duration(view.hours));
        parts.push(format!("{} samples", view.samples));
    }
    parts.extend(Some(&info.start).filter(|s| !s.is_empty()).cloned());
    parts.extend(
        info.version
            .as_ref()
            .map(|version| format!("version {version}")),
    );
    parts.extend(info.git_rev.as_ref().map(|rev| format!("commit {rev}")));
    parts.extend(info.host.name.as_ref().map(|host| format!("on {host}")));
    parts.join(", ")
}

/// The verdict and what is to be said first; where things leak, a line for each.
fn first_lines(verdict: Verdict, headline: &str, leaks: &LeakReport) -> String {
    let name = verdict.name().to_uppercase();
    if leaks.things.len() < 2 || headline != leaks.headline {
        return line(&format!("{name}: {headline}"));
    }
    let things = leaks.things.iter().enumerate();
    let lines = things.map(|(number, thing)| match number {
        0 => line(&format!("{name}: {}", thing.sentence)),
        _ => line(&format!(
            "{:width$}  {}",
            "",
            thing.sentence,
            width = name.len()
        )),
    });
    lines.collect()
}

fn service(view: &RunView) -> &str {
    if view.info.service.is_empty() {
        "unnamed service"
    } else {
        &view.info.service
    }
}

fn series_table(leaks: &LeakReport) -> Table {
    let mut table = Table::new(&[
        "series",
        "verdict",
        "unit",
        "per hour",
        "95 % interval",
        "detectable",
        "quarters",
    ])
    .words(&[1, 2, 6]);
    for series in leaks.series.iter().filter(|series| !is_idle(series)) {
        let interval = series.slope_interval.map_or("-".to_owned(), |[low, high]| {
            format!("{} … {}", readable(low), readable(high))
        });
        let quarters: Vec<String> = series.quarters.iter().map(|q| or_dash(*q)).collect();
        table.row(vec![
            series.name.clone(),
            series.verdict.name().to_owned(),
            if series.unit.is_empty() {
                "count".to_owned()
            } else {
                series.unit.clone()
            },
            or_dash(series.slope_per_hour),
            interval,
            or_dash(series.detectable_per_hour),
            quarters.join(" → "),
        ]);
    }
    table
}

/// A series that was 0 throughout and is not suspected of anything fills a
/// table without saying anything.
fn is_idle(series: &SeriesVerdict) -> bool {
    let quiet = matches!(
        series.verdict,
        SeriesOutcome::Clean | SeriesOutcome::Inconclusive
    );
    quiet && series.quarters.iter().all(|quarter| *quarter == Some(0.0))
}

/// Causes shown; `verdict.json` has them all.
const MAX_CAUSES: usize = 5;

/// The code that leaks, one sentence each, the surest bytes first.
fn cause_facts(causes: &[Cause]) -> Vec<String> {
    let mb = |bytes: f64| readable(bytes / (1024.0 * 1024.0));
    let sentences = causes.iter().take(MAX_CAUSES).map(|cause| {
        let span = cause.route.as_ref().or(cause.span.as_ref());
        let span = span.map_or_else(String::new, |span| format!(" in {span}"));
        let per_request = cause.per_request().map_or_else(String::new, |bytes| {
            let request = cause.requests_of.as_deref().unwrap_or("request");
            format!(", {} bytes per {request}", readable(bytes))
        });
        let blocks = if cause.is_table {
            "a table that grows as it is filled".to_owned()
        } else {
            format!(
                "{} sampled blocks stayed, {} old ones went",
                cause.gained, cause.lost
            )
        };
        format!(
            "{}{span}: {} MB/h (at least {}){per_request}; {blocks}",
            cause.code,
            mb(cause.bytes_per_hour),
            mb(cause.bytes_per_hour_low),
        )
    });
    sentences.collect()
}

/// What was found in requests, a sentence each; `verdict.json` has all.
fn found(findings: &[Finding]) -> Vec<String> {
    let shown = findings.iter().take(LISTED_FINDINGS);
    let mut sentences: Vec<String> = shown.map(Finding::sentence).collect();
    match findings.len().saturating_sub(LISTED_FINDINGS) {
        0 => {}
        more => sentences.push(format!("and {more} more, which verdict.json has")),
    }
    sentences
}

fn phase_table(view: &RunView) -> Table {
    let mut table = Table::new(&[
        "phase", "from", "duration", "rss MB", "cpu %", "req/s", "errors/s", "p99 ms",
    ]);
    let all = &view.phases;
    // The first phases, and the whole run, which is last.
    let whole = all.len().saturating_sub(1);
    let left_out = whole.saturating_sub(LISTED_PHASES);
    for (number, facts) in all.iter().enumerate() {
        if (LISTED_PHASES..LISTED_PHASES + left_out).contains(&number) {
            if number == LISTED_PHASES {
                table.row(vec![format!("… {left_out} more")]);
            }
            continue;
        }
        let rss = match (facts.rss_mb_start, facts.rss_mb_end) {
            (None, None) => "-".to_owned(),
            (start, end) => format!("{} → {}", or_dash(start), or_dash(end)),
        };
        table.row(vec![
            facts.name.clone(),
            duration(facts.start_min / 60.0),
            duration((facts.end_min - facts.start_min) / 60.0),
            rss,
            or_dash(facts.cpu_percent),
            or_dash(facts.requests_per_s),
            or_dash(facts.errors_per_s),
            or_dash(facts.latency_p99_ms),
        ]);
    }
    table
}

/// How far the numbers can be trusted, one fact each.
fn trust_facts(trust: Option<&Trust>) -> Vec<String> {
    match trust {
        Some(trust) => trust.facts(),
        None => vec!["nothing was recorded about profile coverage and losses".to_owned()],
    }
}
