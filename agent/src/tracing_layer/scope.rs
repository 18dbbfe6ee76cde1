//! What goes on inside one request: the times of its spans as a tree, its
//! statements, its fields. Bounded, whatever the request does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use soakscope_report::{ChildSpan, SlowSpanEvent, StatementTotal};

use super::kept::Kept;
use crate::journal::ms;
use crate::spans::labels::Labels;
use crate::spans::statements::{Place, Repeats, Statement};

/// Kinds of spans in the tree of one request; further ones are counted.
const MAX_NODES: usize = 64;
/// The node of a span that found no room.
const NOWHERE: u16 = u16::MAX;
/// Statements that a slow request's event has.
const MAX_STATEMENTS: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Scope(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Spans below the request; those of one name under one parent are one.
    nodes: Vec<Node>,
    no_room: u64,
    repeats: Repeats,
    fields: Kept,
}

#[derive(Debug)]
struct Node {
    parent: Option<u16>,
    name: u32,
    count: u64,
    took_ns: u64,
    busy_ns: u64,
}

/// Where in a request's tree a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position(Option<u16>);

impl Position {
    /// The request itself.
    pub(crate) const REQUEST: Self = Self(None);
}

impl Scope {
    /// Of a request that opened with these fields.
    pub(crate) fn new(fields: Kept) -> Self {
        Self(Mutex::new(Inner {
            fields,
            ..Inner::default()
        }))
    }

    /// Where a span of this name below `parent` is.
    pub(crate) fn below(&self, parent: Position, name: u32) -> Position {
        if parent.0 == Some(NOWHERE) {
            return parent;
        }
        let mut inner = self.lock();
        let known = inner
            .nodes
            .iter()
            .position(|node| node.name == name && node.parent == parent.0);
        let place = known.unwrap_or_else(|| {
            if inner.nodes.len() == MAX_NODES {
                return usize::from(NOWHERE);
            }
            inner.nodes.push(Node {
                parent: parent.0,
                name,
                count: 0,
                took_ns: 0,
                busy_ns: 0,
            });
            inner.nodes.len() - 1
        });
        Position(Some(u16::try_from(place).unwrap_or(NOWHERE)))
    }

    /// A span below the request closed.
    pub(crate) fn closed(&self, position: Position, took_ns: u64, busy_ns: u64) {
        let mut inner = self.lock();
        let Some(place) = position.0 else { return };
        match inner.nodes.get_mut(usize::from(place)) {
            Some(node) => {
                node.count += 1;
                node.took_ns += took_ns;
                node.busy_ns += busy_ns;
            }
            None => inner.no_room += 1,
        }
    }

    /// A statement ended; times are since the request opened.
    pub(crate) fn ran(&self, statement: &Statement, end_ns: u64, took_ns: u64, place: Place) {
        self.lock().repeats.ran(statement, end_ns, took_ns, place);
    }

    /// Fields that were recorded since the request opened.
    pub(crate) fn record(&self, fields: &Kept) {
        self.lock().fields.extend(fields);
    }

    /// Runs `f` on the statements of the request.
    pub(crate) fn repeats<R>(&self, f: impl FnOnce(&Repeats) -> R) -> R {
        f(&self.lock().repeats)
    }

    /// The inside of a slow request, as a part of its event.
    pub(crate) fn describe(&self, took_ns: u64, busy_ns: u64, labels: &Labels) -> SlowSpanEvent {
        let inner = self.lock();
        let idle_ns = took_ns.saturating_sub(busy_ns);
        let top = inner.nodes.iter().filter(|node| node.parent.is_none());
        let waited: u64 = top
            .map(|node| node.took_ns.saturating_sub(node.busy_ns))
            .sum();
        // Spans that wait at the same time wait no longer than the request.
        let waiting_ns = waited.min(idle_ns);
        let statements = inner.repeats.longest(MAX_STATEMENTS).into_iter();
        SlowSpanEvent {
            busy_ms: ms(busy_ns),
            waiting_ms: ms(waiting_ns),
            unaccounted_ms: ms(idle_ns - waiting_ns),
            fields: inner.fields.to_json(),
            children: inner.children(None, labels),
            children_without_room: inner.no_room,
            statements: statements
                .map(|repeat| StatementTotal {
                    statement: repeat.template.text.to_string(),
                    count: repeat.count.into(),
                    total_ms: ms(repeat.total_ns),
                })
                .collect(),
            ..SlowSpanEvent::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Children come after their parents, so this ends.
    fn children(&self, parent: Option<u16>, labels: &Labels) -> Vec<ChildSpan> {
        let mut children: Vec<(u16, &Node)> = (0..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.parent == parent)
            .collect();
        children.sort_by_key(|(_, node)| std::cmp::Reverse(node.took_ns));
        let child = |(place, node): (u16, &Node)| ChildSpan {
            span: labels.name(node.name).map(|name| name.text.to_string()),
            count: node.count,
            took_ms: ms(node.took_ns),
            busy_ms: ms(node.busy_ns),
            children: self.children(Some(place), labels),
        };
        children.into_iter().map(child).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::labels::Room;

    #[test]
    fn the_tree_has_each_name_once_under_each_parent() {
        let labels = Labels::default();
        let name = |text| labels.number(Room::Span, text, || None);
        let scope = Scope::default();
        for _ in 0..3 {
            let query = scope.below(Position::REQUEST, name("query"));
            let decode = scope.below(query, name("decode"));
            scope.closed(decode, 1_000_000, 1_000_000);
            scope.closed(query, 3_000_000, 1_000_000);
        }
        let event = scope.describe(10_000_000, 2_000_000, &labels);
        assert_eq!((event.waiting_ms, event.unaccounted_ms), (6.0, 2.0));
        let [query] = &event.children[..] else {
            panic!("{event:?}");
        };
        assert_eq!((query.span.as_deref(), query.count), (Some("query"), 3));
        assert_eq!(query.children[0].took_ms, 3.0);
    }

    #[test]
    fn a_request_of_a_million_spans_has_a_small_tree() {
        let labels = Labels::default();
        let scope = Scope::default();
        for number in 1..=100_000 {
            let here = scope.below(Position::REQUEST, number);
            scope.closed(scope.below(here, number), 1, 1);
        }
        assert!(scope.lock().nodes.len() <= MAX_NODES);
        assert!(scope.lock().no_room > 99_000);
        scope.describe(1, 1, &labels);
    }
}
