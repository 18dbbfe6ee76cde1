//! The budget file: TOML, with overrides by environment and by phase.

use serde::Serialize;
use toml::{Table, Value};

use super::entry::{Entry, budgets_of};
use super::nearest::nearest;
use super::value::{known, shown, table, unknown};
use super::{Budgets, Target, metric};
use crate::error::Error;
use crate::length_of_time::length_of_time;
use crate::limits::BUDGETS;

/// What a leak does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LeakBudget {
    /// The run fails.
    #[default]
    Fail,
    /// It is remarked on.
    Warn,
    /// Nothing.
    Off,
}

/// Tables and keys of a file, of an environment, and of a phase.
const TOP: [&str; 7] = [
    "process",
    "span",
    "tracked",
    "phase",
    "env",
    "ramp_up",
    "exclude_phases",
];
const ENVIRONMENT: &[&str] = &[
    "process",
    "span",
    "tracked",
    "phase",
    "ramp_up",
    "exclude_phases",
];
const PHASE: &[&str] = &["process", "span", "tracked"];

/// What was read so far; a later entry of the same place and key wins.
#[derive(Default)]
struct Draft {
    entries: Vec<Entry>,
    leaks: LeakBudget,
    ramp_up_min: Option<f64>,
    excluded: Option<Vec<String>>,
}

impl Budgets {
    /// Reads the text of a budget file, for one environment or none.
    ///
    /// # Errors
    ///
    /// [`Error::Budgets`]: it is not TOML, it has a key that is not known (the
    /// nearest known one is named), a value that cannot be a bound, or no such
    /// environment.
    pub fn parse(text: &str, environment: Option<&str>) -> Result<Budgets, Error> {
        read(text, environment).map_err(Error::Budgets)
    }
}

fn read(text: &str, environment: Option<&str>) -> Result<Budgets, String> {
    let file: Table = text.parse().map_err(|error: toml::de::Error| {
        format!("it is not TOML: {}", error.to_string().trim_end())
    })?;
    known("the file", &file, &TOP)?;
    let mut draft = Draft::default();
    draft.scope("", &file)?;
    let environments = match file.get("env") {
        Some(value) => table("env", value)?.clone(),
        None => Table::new(),
    };
    for (name, value) in &environments {
        let place = format!("env.{name}");
        let scope = table(&place, value)?;
        known(&format!("[{place}]"), scope, ENVIRONMENT)?;
        // An environment that is not in force is checked all the same.
        let mut other = Draft::default();
        let into = if environment == Some(name.as_str()) {
            &mut draft
        } else {
            &mut other
        };
        into.scope(&format!("{place}."), scope)?;
        budgets_of(&other.entries)?;
    }
    if let Some(wanted) = environment.filter(|wanted| !environments.contains_key(*wanted)) {
        let near = nearest(wanted, environments.keys().map(String::as_str));
        return Err(format!(
            "there is no environment {wanted:?}; {}",
            match near {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("add an empty [env.{wanted}] if it has nothing of its own"),
            }
        ));
    }
    let defaults = Budgets::default();
    Ok(Budgets {
        budgets: budgets_of(&draft.entries)?,
        leaks: draft.leaks,
        ramp_up_min: draft.ramp_up_min.unwrap_or(defaults.ramp_up_min),
        excluded_phases: draft.excluded.unwrap_or(defaults.excluded_phases),
    })
}

impl Draft {
    /// Reads the tables of the file or of an environment. `prefix` is where
    /// they stand.
    fn scope(&mut self, prefix: &str, scope: &Table) -> Result<(), String> {
        self.targets(prefix, None, scope)?;
        if let Some(value) = scope.get("ramp_up") {
            let length = match value {
                Value::String(text) => length_of_time(text),
                value => length_of_time(&shown(value)),
            };
            let length =
                length.map_err(|takes| format!("{prefix}ramp_up is {}; {takes}", shown(value)))?;
            self.ramp_up_min = Some(length.as_secs_f64() / 60.0);
        }
        if let Some(value) = scope.get("exclude_phases") {
            let names = value.as_array().and_then(|names| {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                names.collect::<Option<Vec<String>>>()
            });
            let names = names.ok_or_else(|| {
                format!("{prefix}exclude_phases takes a list of names such as [\"warmup\"]")
            })?;
            if names.len() as u64 > BUDGETS.most {
                return Err(BUDGETS.exceeded().to_string());
            }
            self.excluded = Some(names);
        }
        let Some(phases) = scope.get("phase") else {
            return Ok(());
        };
        for (name, value) in table(&format!("{prefix}phase"), phases)? {
            let place = format!("{prefix}phase.{name}");
            let phase = table(&place, value)?;
            known(&format!("[{place}]"), phase, PHASE)?;
            self.targets(&format!("{place}."), Some(name), phase)?;
        }
        Ok(())
    }

    fn targets(&mut self, prefix: &str, phase: Option<&str>, scope: &Table) -> Result<(), String> {
        if let Some(process) = scope.get("process") {
            let place = format!("{prefix}process");
            self.keys(&place, phase, &Target::Process, table(&place, process)?)?;
        }
        if let Some(tracked) = scope.get("tracked") {
            let place = format!("{prefix}tracked");
            for (column, value) in table(&place, tracked)? {
                let target = Target::Tracked(column.clone());
                self.put(&place, phase, &target, column, value)?;
            }
        }
        if let Some(spans) = scope.get("span") {
            for (name, keys) in table(&format!("{prefix}span"), spans)? {
                let place = format!("{prefix}span.{name:?}");
                let target = Target::Span(name.clone());
                self.keys(&place, phase, &target, table(&place, keys)?)?;
            }
        }
        Ok(())
    }

    fn keys(
        &mut self,
        place: &str,
        phase: Option<&str>,
        target: &Target,
        keys: &Table,
    ) -> Result<(), String> {
        for (key, value) in keys {
            if *target == Target::Process && key == "leaks" {
                self.leaks = leaks(place, phase, value)?;
                continue;
            }
            if metric::of_key(target, key).is_none() {
                let mut names = metric::keys(target);
                if *target == Target::Process {
                    names.push("leaks");
                }
                return Err(unknown(&format!("[{place}]"), key, &names));
            }
            self.put(place, phase, target, key, value)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        place: &str,
        phase: Option<&str>,
        target: &Target,
        key: &str,
        value: &Value,
    ) -> Result<(), String> {
        let entry = Entry {
            phase: phase.map(str::to_owned),
            target: target.clone(),
            key: key.to_owned(),
            value: value.clone(),
            place: format!("[{place}] {key}"),
        };
        let same = |known: &&mut Entry| {
            known.phase == entry.phase && known.target == entry.target && known.key == entry.key
        };
        let full = self.entries.len() as u64 >= BUDGETS.most;
        match self.entries.iter_mut().find(same) {
            Some(known) => *known = entry,
            None if full => {
                return Err(BUDGETS.exceeded().to_string());
            }
            None => self.entries.push(entry),
        }
        Ok(())
    }
}

fn leaks(place: &str, phase: Option<&str>, value: &Value) -> Result<LeakBudget, String> {
    if phase.is_some() {
        return Err(format!(
            "[{place}] leaks: a leak is judged over the whole run; put it under [process]"
        ));
    }
    match value.as_str() {
        Some("fail") => Ok(LeakBudget::Fail),
        Some("warn") => Ok(LeakBudget::Warn),
        Some("off") => Ok(LeakBudget::Off),
        _ => Err(format!(
            "[{place}] leaks is {}; it takes \"fail\", \"warn\" or \"off\"",
            shown(value)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::Bound;

    fn names(text: &str, environment: Option<&str>) -> Vec<String> {
        let budgets = Budgets::parse(text, environment).expect("a good file");
        let bounds = budgets.budgets.iter().map(|b| {
            let level = |bound: Option<Bound>| bound.map_or("-".to_owned(), |b| b.to_string());
            format!("{} {} {}", b.name(), level(b.warn), level(b.fail))
        });
        bounds.collect()
    }

    const FILE: &str = r#"
        [process]
        rss_mb = { warn = 400, fail = 500 }
        leaks = "warn"
        [span."GET /orders/{user}"]
        p99_ms = 200
        duration = ["p(95)<150", "max<1000"]
        rps = 50
        [tracked]
        queue = 10
        [phase.spike.process]
        rss_mb = 900
        [env.staging.process]
        rss_mb = 800
    "#;

    #[test]
    fn a_file_becomes_budgets_in_its_order() {
        let mut found = names(FILE, None);
        found.sort();
        assert_eq!(
            found,
            [
                "phase \"spike\" process rss_mb - ≤ 900",
                "process rss_mb ≤ 400 ≤ 500",
                "span \"GET /orders/{user}\" duration max - < 1000",
                "span \"GET /orders/{user}\" duration p(95) - < 150",
                "span \"GET /orders/{user}\" p99_ms - ≤ 200",
                "span \"GET /orders/{user}\" rps - ≥ 50",
                "tracked queue max - ≤ 10",
            ]
        );
        let budgets = Budgets::parse(FILE, None).expect("good");
        assert_eq!(budgets.leaks, LeakBudget::Warn);
        let general = budgets
            .budgets
            .iter()
            .find(|b| b.name() == "process rss_mb");
        assert_eq!(general.expect("there").except, ["spike"]);
    }

    #[test]
    fn an_environment_replaces_what_it_names() {
        let found = names(FILE, Some("staging"));
        assert!(
            found.contains(&"process rss_mb - ≤ 800".to_owned()),
            "{found:?}"
        );
        assert_eq!(found.len(), names(FILE, None).len());
    }

    #[test]
    fn a_bad_file_names_the_place_and_the_remedy() {
        for (text, says) in [
            ("[process]\nrss = 5", "did you mean \"rss_mb\""),
            ("[proces]\nrss_mb = 5", "did you mean \"process\""),
            ("[span.\"GET /\"]\np99 = 5", "did you mean \"p99_ms\""),
            ("[process]\nrss_mb = {fial = 5}", "did you mean \"fail\""),
            ("[process]\nrss_mb = {}", "neither warn nor fail"),
            ("[process]\nrss_mb = true", "[process] rss_mb is true"),
            ("[process]\nleaks = \"no\"", "\"off\""),
            ("[process]\nduration = 200", "p95_ms = 200"),
            ("[process]\nerror_rate = \"p(95)<1\"", "has no p(95)"),
            ("[process]\nduration = [\"p95<1\"]", "p(N)"),
            ("[phase.spike.process]\nleaks = \"fail\"", "whole run"),
            ("process = 5", "written [process]"),
            ("ramp_up = \"soon\"", "ramp_up is \"soon\"; it takes"),
            ("ramp_up = true", "30s"),
            (
                "[env.prod.process]\nrss = 5",
                "[env.prod.process] has an unknown key",
            ),
            ("[process", "not TOML"),
        ] {
            let error = Budgets::parse(text, None).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let error = Budgets::parse(FILE, Some("stagign")).expect_err("unknown");
        assert!(
            error.to_string().contains("did you mean \"staging\""),
            "{error}"
        );
    }
}
