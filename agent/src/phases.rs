//! The phases of a run: one at a time, each from its mark to the next.
//!
//! Phases do not nest: a mark ends the phase before, and a name with a `/`,
//! which asks for a phase within a phase, is refused.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Characters of a phase's name that are kept; the rest is cut off.
const MAX_NAME: usize = 64;
/// Distinct phases kept by name; any further one is called `<other>`.
const MAX_PHASES: usize = 256;

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
        if self.names.len() >= MAX_PHASES && !self.names.contains(&name) {
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

/// A phase within a phase was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nested {
    name: String,
    current: String,
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the phase {:?} was refused: phases do not nest, each ends the one before; \
             use a name without '/' (the run stays in {})",
            self.name,
            match self.current.as_str() {
                "" => "no phase".to_owned(),
                name => format!("{name:?}"),
            }
        )
    }
}

impl Phases {
    /// Starts a phase; the one before ends. Answers what it is called, or
    /// `None` where that phase is the current one already.
    ///
    /// # Errors
    ///
    /// The name asks for a phase within a phase.
    pub(crate) fn mark(&self, name: &str) -> Result<Option<Phase>, Nested> {
        if name.contains('/') {
            return Err(Nested {
                name: name.to_owned(),
                current: self.current().name,
            });
        }
        let mut marks = self.marks();
        let number = marks.number_of(clean(name));
        if marks.current == number {
            return Ok(None);
        }
        marks.current = number;
        Ok(Some(Phase {
            name: marks.names[number].clone(),
            number,
        }))
    }

    /// The phase now; its name is empty before the first mark.
    pub(crate) fn current(&self) -> Phase {
        let marks = self.marks();
        Phase {
            name: marks.names.get(marks.current).cloned().unwrap_or_default(),
            number: marks.current,
        }
    }

    /// The name of the phase with this number; empty for none.
    pub(crate) fn name(&self, number: usize) -> String {
        self.marks().names.get(number).cloned().unwrap_or_default()
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a name usable as a CSV cell, a file name and a metric label.
fn clean(name: &str) -> String {
    name.trim()
        .chars()
        .take(MAX_NAME)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(phases: &Phases, name: &str) -> Option<Phase> {
        phases.mark(name).expect("not nested")
    }

    #[test]
    fn a_mark_ends_the_phase_before() {
        let phases = Phases::default();
        assert_eq!(phases.current().name, "");
        assert_eq!(mark(&phases, "warm up").expect("new").name, "warm_up");
        assert_eq!(mark(&phases, "warm up"), None);
        mark(&phases, "steady");
        assert_eq!(phases.current().name, "steady");
        assert_eq!(mark(&phases, "warm_up").expect("again").number, 1);
        assert_eq!((&*phases.name(1), &*phases.name(0)), ("warm_up", ""));
        assert_eq!(phases.name(7), "", "never given out");
    }

    #[test]
    fn a_phase_within_a_phase_is_refused() {
        let phases = Phases::default();
        mark(&phases, "spike");
        let refusal = phases.mark("spike/ramp").expect_err("nested").to_string();
        assert!(refusal.contains("spike/ramp") && refusal.contains("do not nest"));
        assert_eq!(phases.current().name, "spike");
    }

    #[test]
    fn names_are_bounded() {
        let phases = Phases::default();
        for i in 0..10_000 {
            mark(&phases, &format!("phase-{i}"));
        }
        assert_eq!(phases.current().name, "<other>");
        assert!(phases.marks().names.len() <= MAX_PHASES + 1);
    }
}
