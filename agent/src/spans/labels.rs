//! The names of spans and routes, and the word that stands for them in every
//! sample.
//!
//! A name gets a number when it is first seen. There is room for
//! [`MAX_NAMES`] names each of routes that a router matched, of requests that
//! none did, of other spans, and of scenarios; whoever invents names of one
//! room takes none of another's. In a full room a newcomer is counted as
//! `<other>` until it was met more often than the least used name there has
//! been since the room was full; that one then gives way. Uses are halved now
//! and then, so that what was used long ago counts less. (The names of spans
//! are in the program, not from outside, so that they are few; they never give
//! way.)
//!
//! A number is never given out twice: one whose name gave way stands for
//! `<other>` from then on, with all that was counted under it. When a room has
//! given out [`MAX_NUMBERS`] its names stay as they are.
//!
//! A thread's word holds three numbers: the load's scenario that asked for the
//! request that the thread works on, the route of that request, and the
//! innermost span it is in. 0 is none of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use soakscope_report::printable;

use crate::own_bytes;

/// Names of a room kept apart.
pub(crate) const MAX_NAMES: usize = 512;
/// Numbers that a room gives out.
const MAX_NUMBERS: usize = 2_048;
/// Numbers of all rooms, and of `<other>` of each kind.
pub(crate) const MAX_NUMBER: usize = ROOMS * MAX_NUMBERS + KINDS;
/// Names of a room that are counted while they have no place in it.
const MAX_CANDIDATES: usize = 256;
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

const KINDS: usize = 3;

/// Names that compete for the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Requests whose route is known: a router matched it, so it is in the
    /// program.
    Routed = 0,
    /// Requests whose name may be anything that a client sent.
    Unrouted = 1,
    /// Other spans.
    Span = 2,
    /// The scenarios of load generators, which come in a request's header.
    Scenario = 3,
}

const ROOMS: usize = 4;

impl Room {
    fn kind(self) -> Kind {
        match self {
            Self::Routed | Self::Unrouted => Kind::Request,
            Self::Span => Kind::Span,
            Self::Scenario => Kind::Scenario,
        }
    }

    /// Whether a name may lose its place. Threads remember those of spans.
    fn gives_way(self) -> bool {
        self != Self::Span
    }
}

/// A numbered name.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) text: Arc<str>,
    /// Method and route, where the name is of a request that has them.
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
    rooms: [Names; ROOMS],
    /// By number, which counts from 1.
    names: Vec<Name>,
    /// The number of `<other>` of a kind; 0 while there is none.
    others: [u32; KINDS],
    /// Numbers whose names gave way, and those of what they are now.
    gone: Vec<(u32, u32)>,
}

/// The names in a room.
#[derive(Debug, Default)]
struct Names {
    held: HashMap<Arc<str>, Held>,
    /// How often names that have no place were met.
    candidates: HashMap<Box<str>, u32>,
    /// No name that has a place was used less often: who was met no more often
    /// need not be compared with all of them.
    floor: u32,
    given_out: usize,
}

#[derive(Debug)]
struct Held {
    number: u32,
    /// Since the room was full.
    uses: AtomicU32,
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
        room: Room,
        text: &str,
        http: impl FnOnce() -> Option<(Option<Arc<str>>, Arc<str>)>,
    ) -> u32 {
        if let Some(number) = self.read().rooms[room as usize].known(text) {
            return number;
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.enter(room, text, http)
    }

    /// Numbers whose names gave way, with the numbers that they are part of.
    pub(crate) fn gone(&self) -> Vec<(u32, u32)> {
        self.read().gone.clone()
    }

    /// A number that another run's names have another of.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
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
        let rooms = table.rooms.iter().map(|room| {
            let candidates = room.candidates.keys().map(|name| name.len()).sum::<usize>();
            own_bytes::table(&room.held) + own_bytes::table(&room.candidates) + candidates
        });
        let gone = table.gone.capacity() * size_of::<(u32, u32)>();
        let names = table.names.iter().map(|name| {
            let (method, route) = name.http.as_ref().map_or((0, 0), |(method, route)| {
                let method = method.as_ref().map_or(0, |method| method.len() + SHARED);
                (method, route.len() + SHARED)
            });
            name.text.len() + SHARED + method + route
        });
        let all = table.names.capacity() * size_of::<Name>() + names.sum::<usize>();
        rooms.sum::<usize>() + gone + all
    }

    /// Whether a request was ever seen: without, rates are unknown, not zero.
    pub(crate) fn any_request(&self) -> bool {
        let table = self.read();
        let of = |room| !table.rooms[room as usize].held.is_empty();
        of(Room::Routed) || of(Room::Unrouted)
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

impl Names {
    fn known(&self, text: &str) -> Option<u32> {
        let held = self.held.get(text)?;
        // Nobody competes for a place while there is one.
        if self.held.len() >= MAX_NAMES {
            held.uses.fetch_add(1, Ordering::Relaxed);
        }
        Some(held.number)
    }

    /// Counts a name that has no place; answers how often it was met.
    fn met(&mut self, text: &str) -> u32 {
        if let Some(count) = self.candidates.get_mut(text) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.candidates.len() >= MAX_CANDIDATES {
            self.age();
        }
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.insert(text.into(), 1);
        }
        1
    }

    /// Halves all counts.
    fn age(&mut self) {
        for held in self.held.values_mut() {
            *held.uses.get_mut() /= 2;
        }
        self.floor /= 2;
        self.candidates.retain(|_, count| {
            *count /= 2;
            *count > 0
        });
    }

    /// The name that gives way to one that was met so often, if one does: the
    /// least used, the youngest of several.
    fn less_used_than(&mut self, met: u32) -> Option<Arc<str>> {
        if met <= self.floor {
            return None;
        }
        let rank = |held: &Held| {
            let uses = held.uses.load(Ordering::Relaxed);
            (uses, u32::MAX - held.number)
        };
        let least = self.held.iter().min_by_key(|(_, held)| rank(held));
        let (text, held) = least?;
        self.floor = rank(held).0;
        (met > self.floor).then(|| Arc::clone(text))
    }
}

impl Table {
    fn enter(
        &mut self,
        room: Room,
        text: &str,
        http: impl FnOnce() -> Option<(Option<Arc<str>>, Arc<str>)>,
    ) -> u32 {
        let names = &mut self.rooms[room as usize];
        if let Some(number) = names.known(text) {
            return number;
        }
        let may_take = room.gives_way() && names.given_out < MAX_NUMBERS;
        let uses = match names.held.len() < MAX_NAMES {
            _ if text == OTHER => return self.other(room.kind()),
            true => 0,
            false if may_take => {
                let met = names.met(text);
                // Once is no use: whoever invents names never repeats them.
                let least = (met > 1).then(|| names.less_used_than(met)).flatten();
                let Some(least) = least else {
                    return self.other(room.kind());
                };
                names.candidates.remove(text);
                self.give_way(room, &least);
                met
            }
            false => return self.other(room.kind()),
        };
        let text: Arc<str> = text.into();
        let number = self.add(Name {
            kind: room.kind(),
            // Found again as it came, written as a terminal bears it.
            text: match printable(&text) {
                Cow::Borrowed(_) => Arc::clone(&text),
                Cow::Owned(harmless) => harmless.into(),
            },
            http: http(),
        });
        let names = &mut self.rooms[room as usize];
        names.given_out += 1;
        let uses = AtomicU32::new(uses);
        names.held.insert(text, Held { number, uses });
        number
    }

    /// What was counted under this name is `<other>` from now on.
    fn give_way(&mut self, room: Room, text: &str) {
        let Some(held) = self.rooms[room as usize].held.remove(text) else {
            return;
        };
        let other = self.other(room.kind());
        let name = self.names[other as usize - 1].clone();
        self.names[held.number as usize - 1] = name;
        self.gone.push((held.number, other));
    }

    fn other(&mut self, kind: Kind) -> u32 {
        if self.others[kind as usize] == 0 {
            self.others[kind as usize] = self.add(Name {
                kind,
                text: OTHER.into(),
                http: None,
            });
        }
        self.others[kind as usize]
    }

    fn add(&mut self, name: Name) -> u32 {
        self.names.push(name);
        u32::try_from(self.names.len()).unwrap_or(0)
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
        let route = labels.number(Room::Routed, "GET /", || None);
        let span = labels.number(Room::Span, "GET /", || None);
        assert_ne!(route, span, "the kinds are apart");
        assert_eq!(labels.number(Room::Routed, "GET /", || None), route);
        let (of, inside) = labels.resolve(word(0, route, span)).expect("known");
        assert_eq!((&*of, &*inside), ("GET /", "GET /"));
        let (of, _) = labels.resolve(word(0, 0, span)).expect("known");
        assert_eq!(&*of, "", "outside of requests");
        let scenario = labels.number(Room::Scenario, "spike", || None);
        let all = word(scenario, route, span);
        assert_eq!(labels.scenario(all).as_deref(), Some("spike"));
        assert_eq!(labels.resolve(all), labels.resolve(word(0, route, span)));
        assert_eq!(labels.scenario(word(0, route, span)), None);
        assert_eq!(labels.resolve(0), None);
        assert_eq!(labels.resolve(word(0, 7, 70_000)), None, "never given out");
    }

    fn text_of(labels: &Labels, number: u32) -> String {
        labels.name(number).expect("given out").text.to_string()
    }

    #[test]
    fn a_million_names_take_the_room_of_few() {
        let labels = Labels::default();
        for room in [Room::Routed, Room::Unrouted, Room::Span, Room::Scenario] {
            let mut last = 0;
            for i in 0..250_000 {
                last = labels.number(room, &format!("GET /{i}"), || None);
            }
            assert_eq!(text_of(&labels, last), OTHER);
            let table = labels.read();
            let names = &table.rooms[room as usize];
            assert_eq!(names.held.len(), MAX_NAMES);
            assert!(names.candidates.len() <= MAX_CANDIDATES);
        }
        assert!(labels.read().names.len() <= ROOMS * MAX_NAMES + KINDS);
        // Names that come again and again use up the numbers, and no more.
        for i in 0..20_000 {
            for _ in 0..8 {
                labels.number(Room::Unrouted, &format!("again {i}"), || None);
            }
        }
        let table = labels.read();
        assert_eq!(table.rooms[Room::Unrouted as usize].given_out, MAX_NUMBERS);
        assert!(table.names.len() <= MAX_NUMBER);
        assert!(table.gone.len() <= MAX_NUMBERS);
    }

    #[test]
    fn invented_names_take_no_place_of_matched_routes() {
        let labels = Labels::default();
        for i in 0..600 {
            labels.number(Room::Unrouted, &format!("GET /invented/{i}"), || None);
            labels.number(Room::Scenario, &format!("invented {i}"), || None);
        }
        for i in 0..MAX_NAMES {
            let name = format!("GET /real/{i}");
            let number = labels.number(Room::Routed, &name, || None);
            assert_eq!(text_of(&labels, number), name);
        }
    }

    #[test]
    fn a_name_is_kept_as_a_terminal_bears_it_and_found_as_it_came() {
        let labels = Labels::default();
        let raw = "GET /\u{1b}[31m";
        let number = labels.number(Room::Unrouted, raw, || None);
        assert_eq!(labels.number(Room::Unrouted, raw, || None), number);
        let name = labels.name(number).expect("it has a place");
        assert_eq!(&*name.text, "GET /\u{fffd}[31m");
    }

    #[test]
    fn a_name_that_is_used_takes_the_place_of_one_that_is_not() {
        let labels = Labels::default();
        let raw = |text: &str| labels.number(Room::Unrouted, text, || None);
        let first = raw("GET /old");
        for i in 0..600 {
            raw(&format!("GET /invented/{i}"));
            raw("GET /old");
        }
        assert_eq!(text_of(&labels, raw("GET /new")), OTHER);
        let new = raw("GET /new");
        assert_eq!(text_of(&labels, new), "GET /new", "met again");
        assert_eq!(raw("GET /old"), first, "what is used stays");
        let [(gone, other)] = labels.gone()[..] else {
            panic!("one gave way: {:?}", labels.gone());
        };
        assert_eq!(text_of(&labels, gone), OTHER);
        assert_eq!(text_of(&labels, other), OTHER);
        // A flood of names met once ages all, and displaces nobody.
        for i in 0..10_000 {
            raw(&format!("GET /flood/{i}"));
            raw("GET /new");
        }
        assert_eq!(raw("GET /new"), new);
        assert_eq!(labels.gone().len(), 1);
    }

    #[test]
    fn a_name_that_says_it_is_other_is() {
        let labels = Labels::default();
        let raw = labels.number(Room::Unrouted, OTHER, || None);
        let routed = labels.number(Room::Routed, OTHER, || None);
        assert_eq!(raw, routed);
    }
}
