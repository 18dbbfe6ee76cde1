//! The names of spans and routes, and the word that stands for them in every
//! sample.
//!
//! A name gets a number when it is first seen; the first [`MOST_NAMES`] of a
//! kind keep theirs apart, all further ones share `<other>`. A thread's word
//! holds three numbers: the load's scenario that asked for the request that the
//! thread works on, the route of that request, and the innermost span it is in.
//! 0 is none of them.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tracing::Metadata;

use super::wanted::Wanted;
use crate::own_bytes;

/// Names of a kind kept apart.
pub(crate) const MOST_NAMES: usize = 512;
/// The bucket of every further name.
pub(crate) const OTHER: &str = "<other>";

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A request's route with its method, e.g. `GET /orders/{user}`.
    Request = 0,
    /// Any other span.
    Span = 1,
    /// A load generator's scenario.
    Scenario = 2,
}

impl Kind {
    /// As in the column `kind` of `spans.csv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Span => "span",
            Self::Scenario => "scenario",
        }
    }
}

/// A numbered name.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) text: Arc<str>,
    /// Method and route, where the name is of a request that told them.
    pub(crate) http: Option<(Option<Arc<str>>, Arc<str>)>,
}

/// All names of a run.
#[derive(Debug)]
pub(crate) struct Labels {
    /// Tells this table's numbers from those of another run of the process.
    serial: u32,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    ids: [HashMap<Arc<str>, u32>; 3],
    /// By number, which counts from 1.
    names: Vec<Name>,
}

/// What is remembered of a callsite.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Callsite {
    /// The number of the span's own name.
    pub(crate) name: u32,
    pub(crate) wanted: Wanted,
}

/// Callsites a thread remembers: enough that most hit, few enough to be small.
const REMEMBERED: usize = 64;

#[derive(Clone, Copy)]
struct Memory {
    serial: u32,
    address: usize,
    callsite: Callsite,
}

thread_local! {
    static MEMORIES: [Cell<Memory>; REMEMBERED] = const {
        [const {
            Cell::new(Memory {
                serial: 0,
                address: 0,
                callsite: Callsite {
                    name: 0,
                    wanted: Wanted::NOTHING,
                },
            })
        }; REMEMBERED]
    };
}

impl Default for Labels {
    fn default() -> Self {
        static SERIALS: AtomicU32 = AtomicU32::new(1);
        Self {
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            table: RwLock::default(),
        }
    }
}

impl Labels {
    /// The number of a name; a new one is entered while there is room.
    pub(crate) fn number(
        &self,
        kind: Kind,
        text: &str,
        http: impl FnOnce() -> Option<(Option<Arc<str>>, Arc<str>)>,
    ) -> u32 {
        if let Some(number) = self.read().ids[kind as usize].get(text) {
            return *number;
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let known = &table.ids[kind as usize];
        let room = known.len() < MOST_NAMES || known.contains_key(text);
        let (text, http) = if room { (text, http()) } else { (OTHER, None) };
        if let Some(number) = known.get(text) {
            return *number;
        }
        let text: Arc<str> = text.into();
        table.names.push(Name {
            kind,
            text: Arc::clone(&text),
            http,
        });
        let number = u32::try_from(table.names.len()).unwrap_or(0);
        table.ids[kind as usize].insert(text, number);
        number
    }

    /// What a span's callsite is, remembered by thread: the same few are met
    /// again and again.
    pub(crate) fn callsite(
        &self,
        metadata: &'static Metadata<'static>,
        wanted: impl FnOnce() -> Wanted,
    ) -> Callsite {
        let address = std::ptr::from_ref(metadata).addr();
        let recall = |memories: &[Cell<Memory>; REMEMBERED]| {
            let place = &memories[(address >> 4) % REMEMBERED];
            let memory = place.get();
            if memory.address == address && memory.serial == self.serial {
                return memory.callsite;
            }
            let callsite = self.look_up(metadata, wanted());
            place.set(Memory {
                serial: self.serial,
                address,
                callsite,
            });
            callsite
        };
        MEMORIES.with(recall)
    }

    fn look_up(&self, metadata: &'static Metadata<'static>, wanted: Wanted) -> Callsite {
        let name = if wanted.span() {
            self.number(Kind::Span, metadata.name(), || None)
        } else {
            0
        };
        Callsite { name, wanted }
    }

    /// The name with this number.
    pub(crate) fn name(&self, number: u32) -> Option<Name> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.read().names.get(index).cloned()
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        /// The counts before a shared text.
        const SHARED: usize = 16;
        let table = self.read();
        let ids = table.ids.iter().map(own_bytes::table).sum::<usize>();
        let names = table.names.iter().map(|name| {
            let (method, route) = name.http.as_ref().map_or((0, 0), |(method, route)| {
                let method = method.as_ref().map_or(0, |method| method.len() + SHARED);
                (method, route.len() + SHARED)
            });
            name.text.len() + SHARED + method + route
        });
        ids + table.names.capacity() * size_of::<Name>() + names.sum::<usize>()
    }

    /// Whether a request was ever seen: without, rates are unknown, not zero.
    pub(crate) fn any_request(&self) -> bool {
        !self.read().ids[Kind::Request as usize].is_empty()
    }

    /// The route (empty outside requests) and the innermost span that a word
    /// stands for; `None` for no span at all.
    pub(crate) fn resolve(&self, word: u64) -> Option<(Arc<str>, Arc<str>)> {
        let span = self.name(span_of(word))?.text;
        let route = self.name(route_of(word)).map(|name| name.text);
        Some((route.unwrap_or_else(|| "".into()), span))
    }

    /// The load's scenario that a word stands for.
    pub(crate) fn scenario(&self, word: u64) -> Option<Arc<str>> {
        Some(self.name(scenario_of(word))?.text)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word of a span inside a request, or outside of any (`route` 0). Names
/// are so few that 16 bits hold each number.
pub(crate) fn word(scenario: u32, route: u32, span: u32) -> u64 {
    u64::from(scenario & 0xFFFF) << 48 | u64::from(route & 0xFFFF) << 32 | u64::from(span)
}

/// The number of the scenario in a word; 0 for none.
pub(crate) fn scenario_of(word: u64) -> u32 {
    (word >> 48) as u32
}

/// The number of the route in a word; 0 for none.
pub(crate) fn route_of(word: u64) -> u32 {
    (word >> 32) as u32 & 0xFFFF
}

/// The number of the innermost span in a word; 0 for none.
pub(crate) fn span_of(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_leads_back_to_its_names() {
        let labels = Labels::default();
        let route = labels.number(Kind::Request, "GET /", || None);
        let span = labels.number(Kind::Span, "GET /", || None);
        assert_ne!(route, span, "the kinds are apart");
        assert_eq!(labels.number(Kind::Request, "GET /", || None), route);
        let (of, inside) = labels.resolve(word(0, route, span)).expect("known");
        assert_eq!((&*of, &*inside), ("GET /", "GET /"));
        let (of, _) = labels.resolve(word(0, 0, span)).expect("known");
        assert_eq!(&*of, "", "outside of requests");
        let scenario = labels.number(Kind::Scenario, "spike", || None);
        let all = word(scenario, route, span);
        assert_eq!(labels.scenario(all).as_deref(), Some("spike"));
        assert_eq!(labels.resolve(all), labels.resolve(word(0, route, span)));
        assert_eq!(labels.scenario(word(0, route, span)), None);
        assert_eq!(labels.resolve(0), None);
        assert_eq!(labels.resolve(word(0, 7, 70_000)), None, "never given out");
    }

    #[test]
    fn a_million_names_take_the_room_of_few() {
        let labels = Labels::default();
        let mut last = 0;
        for i in 0..1_000_000 {
            last = labels.number(Kind::Request, &format!("GET /{i}"), || None);
        }
        assert_eq!(labels.read().names.len(), MOST_NAMES + 1);
        assert_eq!(&*labels.name(last).expect("known").text, OTHER);
        let span = labels.number(Kind::Span, "still room", || None);
        assert_eq!(&*labels.name(span).expect("known").text, "still room");
    }
}
