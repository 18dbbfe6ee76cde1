//! Two texts of metrics as one, in which each family stands once.
//!
//! Prometheus refuses a text that names a family twice, or a sample of one
//! family like another family. Crates that a service uses register the standard
//! names, too (`process_open_fds`, `http_server_request_duration_seconds`).

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// Names of families that are remembered as hidden.
const MAX_HIDDEN: usize = 64;

/// Families that are not shown, each reported once.
#[derive(Debug, Default)]
pub(crate) struct Hidden(Mutex<BTreeSet<String>>);

impl Hidden {
    /// Whether a family is hidden for the first time.
    pub(crate) fn insert(&self, family: &str) -> bool {
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.len() < MAX_HIDDEN && hidden.insert(family.to_owned())
    }
}

/// Appends the families of `more` that `text` does not have, nor ever will, as
/// their names are `reserved`. Answers the names of the others.
pub(crate) fn append(
    text: &mut String,
    more: &str,
    reserved: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut taken = HashSet::new();
    for family in families(text) {
        taken.extend(family.names().map(str::to_owned));
    }
    let mut kept = String::new();
    let mut hidden = Vec::new();
    for family in families(more) {
        if family
            .names()
            .any(|name| taken.contains(name) || reserved(name))
        {
            hidden.push(family.name.to_owned());
            continue;
        }
        taken.extend(family.names().map(str::to_owned));
        for line in &family.lines {
            kept.push_str(line);
            kept.push('\n');
        }
        kept.push('\n');
    }
    if !kept.is_empty() && !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
    text.push_str(&kept);
    hidden
}

/// A family of metrics: its comments and its samples.
struct Family<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Family<'a> {
    /// The family's name and those of its samples.
    fn names(&self) -> impl Iterator<Item = &'a str> {
        let samples = self.lines.iter().filter(|line| !line.starts_with('#'));
        let sample = |line: &&'a str| {
            let line: &'a str = line;
            &line[..line.find(['{', ' ']).unwrap_or(line.len())]
        };
        std::iter::once(self.name).chain(samples.map(sample))
    }
}

fn families(text: &str) -> Vec<Family<'_>> {
    let mut all: Vec<Family<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let comment = line.strip_prefix("# HELP ");
        let comment = comment.or_else(|| line.strip_prefix("# TYPE "));
        let named = comment.and_then(|comment| comment.split(' ').next());
        match (named, all.last_mut()) {
            (Some(name), Some(last)) if last.name == name && last.is_open() => {
                last.lines.push(line);
            }
            (Some(name), _) => all.push(Family {
                name,
                lines: vec![line],
            }),
            (None, Some(last)) => last.lines.push(line),
            // A sample of no family, which no recorder writes.
            (None, None) => {}
        }
    }
    all
}

impl Family<'_> {
    /// Whether its comments are not over yet.
    fn is_open(&self) -> bool {
        self.lines.iter().all(|line| line.starts_with('#'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_stands_once_and_the_first_stays() {
        let mut text = "# HELP a one\n# TYPE a gauge\na 1\n\n\
             # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
            .to_owned();
        let more = "# TYPE a counter\na 2\n\n\
             # TYPE h_count counter\nh_count 7\n\n\
             # TYPE h summary\nh{quantile=\"0.5\"} 7\n\n\
             # HELP b two\n# TYPE b gauge\nb{x=\"y z\"} 2\nb 3\n\n\
             # TYPE b counter\nb 4\n\n\
             # TYPE c counter\nc 5\n\n\
             # TYPE d counter\nd 6\n\n";
        let hidden = append(&mut text, more, |name| name == "d");
        assert_eq!(hidden, ["a", "h_count", "h", "b", "d"]);
        assert!(text.ends_with(
            "h_count 1\n\n# HELP b two\n# TYPE b gauge\nb{x=\"y z\"} 2\nb 3\n\n# TYPE c counter\nc 5\n\n"
        ));
        assert_eq!(text.matches("\na ").count(), 1);
        let before = text.clone();
        assert_eq!(append(&mut text, &before, |_| false), ["a", "h", "b", "c"]);
        assert_eq!(text, before, "nothing is new");
        let mut nothing = String::new();
        assert!(append(&mut nothing, more, |_| false).contains(&"b".to_owned()));
        assert!(nothing.starts_with("# TYPE a counter"));
    }

    #[test]
    fn hidden_families_are_reported_once_and_bounded() {
        let hidden = Hidden::default();
        assert!(hidden.insert("a"));
        assert!(!hidden.insert("a"));
        let reported = (0..1_000).filter(|n| hidden.insert(&format!("f{n}")));
        assert_eq!(reported.count(), MAX_HIDDEN - 1);
    }
}
