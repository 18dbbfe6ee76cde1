//! The statements of a run, by template, and those that repeat within a
//! request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::labels::OTHER;
use super::sql::{normal, reads};
use crate::own_bytes;

/// Templates kept apart; all further ones are `<other>`, and never found to
/// repeat.
const MAX_TEMPLATES: usize = 1_024;
/// Statements whose template is remembered.
const MAX_REMEMBERED: usize = 4_096;
/// Longest template kept, in bytes.
const MAX_TEXT: usize = 1_000;
/// Templates of one request that are followed; its further ones are not.
const MAX_PER_REQUEST: usize = 32;
/// Clocks of two threads and the event of a statement take that long.
const SLACK_NS: u64 = 100_000;

/// A statement without its values, of which there is one.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) text: Box<str>,
    /// Whether its repeats are of interest: it reads, it is not on the
    /// safelist, and it is a template of its own.
    pub(crate) watched: bool,
}

/// A statement that ran: its template, and a hash of its values if known.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) template: Arc<Template>,
    pub(crate) values: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Statements {
    /// Parts of statements that may repeat.
    allowed: Vec<String>,
    tables: RwLock<Tables>,
    other: Arc<Template>,
}

#[derive(Debug, Default)]
struct Tables {
    templates: HashMap<Box<str>, Arc<Template>>,
    /// By the statement as it was recorded, where it holds no values.
    remembered: HashMap<Box<str>, Arc<Template>>,
}

impl Statements {
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        Self {
            allowed,
            tables: RwLock::default(),
            other: Arc::new(Template {
                text: OTHER.into(),
                watched: false,
            }),
        }
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        // Each text is there twice: as a key and in its template.
        let template =
            |template: &Arc<Template>| size_of::<Template>() + 16 + 2 * template.text.len();
        own_bytes::table(&tables.templates)
            + own_bytes::table(&tables.remembered)
            + tables.templates.values().map(template).sum::<usize>()
            + tables.remembered.keys().map(|sql| sql.len()).sum::<usize>()
    }

    /// The template of a statement and what is known of its values.
    pub(crate) fn of(&self, sql: &str) -> Statement {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = tables.remembered.get(sql) {
            return Statement {
                template: Arc::clone(template),
                values: None,
            };
        }
        drop(tables);
        let mut normal = normal(sql);
        normal
            .template
            .truncate(normal.template.floor_char_boundary(MAX_TEXT));
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let known = tables.templates.get(normal.template.as_str());
        let template = match known {
            Some(known) => Arc::clone(known),
            None if tables.templates.len() >= MAX_TEMPLATES => Arc::clone(&self.other),
            None => {
                let text: Box<str> = normal.template.into();
                let allowed = self.allowed.iter().any(|part| text.contains(part.as_str()));
                let template = Arc::new(Template {
                    watched: reads(&text) && !allowed,
                    text: text.clone(),
                });
                tables.templates.insert(text, Arc::clone(&template));
                template
            }
        };
        if normal.values.is_none() && tables.remembered.len() < MAX_REMEMBERED {
            tables.remembered.insert(sql.into(), Arc::clone(&template));
        }
        Statement {
            template,
            values: normal.values,
        }
    }
}

/// One template within one request.
#[derive(Debug)]
pub(crate) struct Repeat {
    pub(crate) template: Arc<Template>,
    /// How often it was run, one after the other.
    pub(crate) count: u32,
    pub(crate) total_ns: u64,
    /// When the last one ended.
    end_ns: u64,
    first_values: Option<u64>,
    /// Whether all had the same values; `None` where values are unknown.
    pub(crate) same_values: Option<bool>,
    /// Where in the service the second was run: the first may be innocent.
    pub(crate) place: Place,
}

/// Where a statement was run, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The innermost span.
    pub(crate) span: &'static str,
    /// File and line of the callsite of the event or the span.
    pub(crate) file: Option<&'static str>,
    pub(crate) line: Option<u32>,
}

/// The statements of one request.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Vec<Repeat>);

impl Repeats {
    /// A statement ended, `took_ns` after it began.
    pub(crate) fn ran(&mut self, ran: &Statement, end_ns: u64, took_ns: u64, place: Place) {
        let begin_ns = end_ns.saturating_sub(took_ns);
        let room = self.0.len() < MAX_PER_REQUEST;
        let known = self
            .0
            .iter_mut()
            .find(|repeat| Arc::ptr_eq(&repeat.template, &ran.template));
        match known {
            Some(repeat) => {
                repeat.total_ns += took_ns;
                // At the same time as another is not one after the other.
                if begin_ns.saturating_add(SLACK_NS) < repeat.end_ns {
                    return;
                }
                repeat.end_ns = end_ns.max(repeat.end_ns);
                repeat.count += 1;
                repeat.same_values = match (repeat.same_values, ran.values) {
                    (Some(same), Some(_)) => Some(same && ran.values == repeat.first_values),
                    _ => None,
                };
                if repeat.count == 2 {
                    repeat.place = place;
                }
            }
            None if room => self.0.push(Repeat {
                template: Arc::clone(&ran.template),
                count: 1,
                total_ns: took_ns,
                end_ns,
                first_values: ran.values,
                same_values: ran.values.map(|_| true),
                place,
            }),
            None => {}
        }
    }

    /// Watched templates that were run at least so often.
    pub(crate) fn at_least(&self, threshold: u32) -> impl Iterator<Item = &Repeat> {
        let often = move |repeat: &&Repeat| repeat.count >= threshold && repeat.template.watched;
        self.0.iter().filter(often)
    }

    /// The statements that took longest, at most so many.
    pub(crate) fn longest(&self, most: usize) -> Vec<&Repeat> {
        let mut all: Vec<&Repeat> = self.0.iter().collect();
        all.sort_by_key(|repeat| std::cmp::Reverse(repeat.total_ns));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_million_statements_take_the_room_of_few() {
        let statements = Statements::new(Vec::new());
        for i in 0..100_000 {
            statements.of(&format!("SELECT a FROM t WHERE b = {i}"));
            statements.of(&format!("SELECT a_{i} FROM t WHERE b = ?"));
        }
        let tables = statements.tables.read().expect("no panic");
        assert_eq!(tables.templates.len(), MAX_TEMPLATES);
        assert!(tables.remembered.len() <= MAX_REMEMBERED);
        drop(tables);
        let late = statements.of("SELECT late FROM t").template;
        assert_eq!((&*late.text, late.watched), (OTHER, false));
    }

    #[test]
    fn one_after_the_other_counts_and_at_the_same_time_does_not() {
        let statements = Statements::new(Vec::new());
        let lines = statements.of("SELECT * FROM lines WHERE o = ?");
        let mut repeats = Repeats::default();
        for i in 1..=5 {
            repeats.ran(&lines, i * 10 * MS, 5 * MS, Place::default());
        }
        assert_eq!(repeats.at_least(5).count(), 1);
        assert_eq!(repeats.at_least(6).count(), 0);
        let mut repeats = Repeats::default();
        for i in 1..=5 {
            repeats.ran(&lines, (100 + i) * MS, 100 * MS, Place::default());
        }
        assert_eq!(repeats.at_least(2).count(), 0, "five joined");
    }

    #[test]
    fn the_same_values_again_are_told_apart() {
        let statements = Statements::new(Vec::new());
        let of = |values: [u32; 5]| {
            let mut repeats = Repeats::default();
            for (i, value) in (1..).zip(values) {
                let sql = format!("SELECT a FROM t WHERE b = {value}");
                repeats.ran(&statements.of(&sql), i * MS, 0, Place::default());
            }
            repeats.at_least(5).next().expect("five").same_values
        };
        assert_eq!(of([7; 5]), Some(true));
        assert_eq!(of([1, 2, 3, 4, 5]), Some(false));
        let hidden = statements.of("SELECT a FROM t WHERE b = ?");
        let mut repeats = Repeats::default();
        (1..=5).for_each(|i| repeats.ran(&hidden, i * MS, 0, Place::default()));
        assert_eq!(repeats.at_least(5).next().expect("five").same_values, None);
    }

    #[test]
    fn writes_and_what_is_allowed_are_not_watched() {
        let statements = Statements::new(vec!["FROM settings".to_owned()]);
        assert!(!statements.of("SELECT v FROM settings").template.watched);
        assert!(!statements.of("INSERT INTO t VALUES (1)").template.watched);
        assert!(statements.of("SELECT v FROM t").template.watched);
    }
}
