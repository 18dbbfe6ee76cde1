//! The leak verdicts alone, for a file that is no run.

use super::{first_lines, series_table};
use crate::leaks::{LeakReport, Role};
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
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.text());
        text.push('\n');
    } else if report.series.is_empty() {
        text.push_str("  no column to judge; rss_mb, connections and open_fds are such columns\n");
    }
    for series in &report.series {
        text.push_str(&line(&format!(
            "  {} ({}): {}",
            series.name,
            series.verdict.name(),
            series.explanation
        )));
    }
    for sentence in [lives(report)].into_iter().flatten().chain(columns(report)) {
        text.push_str(&line(&format!("  {sentence}")));
    }
    text
}

/// Names in one line; the JSON has them all.
const NAMES: usize = 12;
/// Beginnings of lives in one line.
const BEGINNINGS: usize = 4;

/// How many lives there are, and where they begin.
fn lives(report: &LeakReport) -> Option<String> {
    let count = report.lives.len();
    let short = report.lives.iter().filter(|life| !life.judged).count();
    if count < 2 {
        return None;
    }
    let mut sentence = format!("{count} lives in one file");
    let begun: Vec<String> = report
        .lives
        .iter()
        .filter_map(|life| {
            let why = life.began.as_ref()?;
            Some(format!("at {} ({why})", duration(life.from_min / 60.0)))
        })
        .collect();
    if !begun.is_empty() {
        let shown = begun[..begun.len().min(BEGINNINGS)].join(", ");
        sentence.push_str(&format!(": a new one begins {shown}"));
        if begun.len() > BEGINNINGS {
            sentence.push_str(&format!(" and {} times more", begun.len() - BEGINNINGS));
        }
    }
    if short > 0 {
        sentence.push_str(&format!("; {short} not long enough to be judged"));
    }
    Some(sentence)
}

/// What columns were taken for, a line for each reason; of those that are judged
/// only where it does not go without saying.
fn columns(report: &LeakReport) -> Vec<String> {
    let mut groups: Vec<(Role, &str, Vec<&str>)> = Vec::new();
    for column in report.columns.iter().filter(|column| !column.is_plain()) {
        let same = groups
            .iter_mut()
            .find(|(role, why, _)| *role == column.role && *why == column.why);
        match same {
            Some((_, _, names)) => names.push(&column.name),
            None => groups.push((column.role, &column.why, vec![&column.name])),
        }
    }
    groups.sort_by_key(|(role, ..)| *role);
    let sentence = |(role, why, names): (Role, &str, Vec<&str>)| {
        let shown = names[..names.len().min(NAMES)].join(", ");
        let more = match names.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match role {
            Role::Judged => format!("judged: {shown}{more} ({why})"),
            _ => format!("not judged, {}: {shown}{more} ({why})", role.name()),
        }
    };
    groups.into_iter().map(sentence).collect()
}
