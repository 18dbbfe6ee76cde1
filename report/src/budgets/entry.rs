//! One key of a budget file, and the budgets that it makes.

use toml::Value;

use super::bound::{Bound, expression};
use super::value::{known, number, shown};
use super::{Budget, Target, metric};
use crate::limits::BUDGETS;

/// One key of the file, by where it stands.
pub(super) struct Entry {
    pub(super) phase: Option<String>,
    pub(super) target: Target,
    pub(super) key: String,
    pub(super) value: Value,
    /// Its place in the file, such as `[process] rss_mb`.
    pub(super) place: String,
}

/// The budgets that the entries make; one that a phase replaces is not for that phase.
pub(super) fn budgets_of(entries: &[Entry]) -> Result<Vec<Budget>, String> {
    let mut budgets = Vec::new();
    for entry in entries {
        let own = |other: &&Entry| {
            entry.phase.is_none() && other.target == entry.target && other.key == entry.key
        };
        let except: Vec<String> = entries
            .iter()
            .filter(own)
            .filter_map(|other| other.phase.clone())
            .collect();
        budgets.extend(budgets_of_entry(entry, &except)?);
        // One key may hold a list of them.
        if budgets.len() as u64 > BUDGETS.most {
            return Err(BUDGETS.exceeded().to_string());
        }
    }
    Ok(budgets)
}

fn budgets_of_entry(entry: &Entry, except: &[String]) -> Result<Vec<Budget>, String> {
    let place = &entry.place;
    // Only keys that are known become entries.
    let Some((metric, usual)) = metric::of_key(&entry.target, &entry.key) else {
        return Ok(Vec::new());
    };
    let plain = |value: f64| {
        if matches!(entry.key.as_str(), "duration" | "http_req_duration") {
            return Err(format!(
                "{place}: say of which duration, e.g. \"p(95)<{value}\", or use p95_ms = {value}"
            ));
        }
        let comparison = metric.comparison();
        Ok((usual, Bound { comparison, value }))
    };
    let bound = |value: &Value| {
        let (statistic, bound) = match value {
            Value::String(text) => expression(text).map_err(|why| format!("{place}: {why}"))?,
            value => match number(value) {
                Some(number) => plain(number)?,
                None => {
                    return Err(format!(
                        "{place} is {}; it takes a number, an expression such as \
                         \"p(95)<500\", a list of those, or {{ warn = …, fail = … }}",
                        shown(value)
                    ));
                }
            },
        };
        if !metric.allows(statistic) {
            return Err(format!(
                "{place}: it has no {}; see which statistics it has in FORMAT.md",
                statistic.name()
            ));
        }
        Ok((statistic, bound))
    };
    let budget = |statistic, warn, fail| Budget {
        target: entry.target.clone(),
        metric: metric.clone(),
        statistic,
        phase: entry.phase.clone(),
        except: except.to_vec(),
        warn,
        fail,
        key: entry.key.clone(),
    };
    match &entry.value {
        Value::Array(list) => list
            .iter()
            .map(|value| bound(value).map(|(statistic, fail)| budget(statistic, None, Some(fail))))
            .collect(),
        Value::Table(levels) => {
            known(place, levels, &["warn", "fail"])?;
            let level = |name: &str| levels.get(name).map(&bound).transpose();
            let (warn, fail) = (level("warn")?, level("fail")?);
            let mut budgets = Vec::new();
            match (warn, fail) {
                (Some((a, warn)), Some((b, fail))) if a == b => {
                    budgets.push(budget(a, Some(warn), Some(fail)));
                }
                (None, None) => return Err(format!("{place} has neither warn nor fail")),
                (warn, fail) => {
                    budgets.extend(warn.map(|(of, warn)| budget(of, Some(warn), None)));
                    budgets.extend(fail.map(|(of, fail)| budget(of, None, Some(fail))));
                }
            }
            Ok(budgets)
        }
        value => bound(value).map(|(statistic, fail)| vec![budget(statistic, None, Some(fail))]),
    }
}
