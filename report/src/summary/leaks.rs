//! The leak verdicts alone, for a file that is no run.

use super::{first_lines, series_table};
use crate::leaks::LeakReport;
use crate::names::line;
use crate::number::duration;

/// What was found about each series as aligned text, the verdict first. Ends
/// in a newline.
#[must_use]
pub fn leaks_text(report: &LeakReport) -> String {
    let mut text = first_lines(report.verdict, &report.headline, report);
    text.push_str(&format!(
        "  {} series over {}, {} samples\n",
        report.series.len(),
        duration(report.hours),
        report.samples
    ));
    let table = series_table(report);
    if table.is_empty() {
        text.push_str("  no column to judge; rss_mb, connections and open_fds are such columns\n");
        return text;
    }
    text.push('\n');
    text.push_str(&table.text());
    text.push('\n');
    for series in &report.series {
        text.push_str(&line(&format!(
            "  {} ({}): {}",
            series.name,
            series.verdict.name(),
            series.explanation
        )));
    }
    text
}
