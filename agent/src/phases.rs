//! The phases of a run: one at a time, each from its mark to the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest phase name kept; the rest is cut off.
const LONGEST: usize = 64;
/// Distinct phases kept by name; any further one is called `<other>`.
const MOST: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Phases {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    names: Vec<String>,
    current: usize,
}

impl Marks {
    fn number_of(&mut self, mut name: String) -> usize {
        if self.names.is_empty() {
            self.names.push(String::new());
        }
        if self.names.len() >= MOST && !self.names.contains(&name) {
            name = "<other>".to_owned();
        }
        match self.names.iter().position(|known| *known == name) {
            Some(number) => number,
            None => {
                self.names.push(name);
                self.names.len() - 1
            }
        }
    }
}

/// The name of a phase, and its number among the names (0 is "no phase yet"),
/// which fits the context word that samples carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl Phases {
    /// Starts a phase; the one before ends. Answers what it is called, or
    /// `None` where that phase is the current one already.
    pub(crate) fn mark(&self, name: &str) -> Option<Phase> {
        let mut marks = self.marks();
        let number = marks.number_of(clean(name));
        if marks.current == number {
            return None;
        }
        marks.current = number;
        Some(Phase {
            name: marks.names[number].clone(),
            number,
        })
    }

    /// The phase now; its name is empty before the first mark.
    pub(crate) fn current(&self) -> Phase {
        let marks = self.marks();
        Phase {
            name: marks.names.get(marks.current).cloned().unwrap_or_default(),
            number: marks.current,
        }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a name usable as a CSV cell, a file name and a metric label.
fn clean(name: &str) -> String {
    name.trim()
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_ends_the_phase_before() {
        let phases = Phases::default();
        assert_eq!(phases.current().name, "");
        assert_eq!(phases.mark("warm up/1").expect("new").name, "warm_up_1");
        assert_eq!(phases.mark("warm up/1"), None);
        phases.mark("steady");
        assert_eq!(phases.current().name, "steady");
        assert_eq!(phases.mark("warm up/1").expect("again").number, 1);
    }

    #[test]
    fn names_are_bounded() {
        let phases = Phases::default();
        for i in 0..10_000 {
            phases.mark(&format!("phase-{i}"));
        }
        assert_eq!(phases.current().name, "<other>");
        assert!(phases.marks().names.len() <= MOST + 1);
    }
}
