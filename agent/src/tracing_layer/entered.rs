//! The spans each thread is in, and the word its samples carry.
//!
//! A span that is entered puts its word on the thread; one that is exited
//! takes it off and the word of the one below is back. Exits may come in any
//! order, and a future's span is entered on one thread after another, so the
//! stack is searched from the top and never assumed to match.
//!
//! Futures inside a span are often given the same span once more, and enter it
//! at each poll: a span that is entered again while it is the innermost is only
//! counted.
//!
//! With its word a span puts on the thread what its request is measured with,
//! where it is: when that changes, so does the request that the thread works on.

use std::cell::RefCell;
use std::sync::Arc;

use soakscope_sampler::set_label;
use tracing::span::Id;

use crate::spans::cpu::{Meter, Seat};

/// Spans a thread may be in at a time; deeper ones keep the label above them.
/// Guards that are forgotten stay here for good, so there has to be an end.
const MAX_DEPTH: usize = 1_024;

#[derive(Debug)]
struct Entered {
    /// The number of the layer that the span's id belongs to.
    layer: u32,
    id: u64,
    word: u64,
    /// How often it was entered again while it was the innermost.
    again: u32,
    meter: Option<Arc<Meter>>,
}

/// A span that a thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Innermost {
    pub(crate) id: u64,
    pub(crate) word: u64,
}

#[derive(Debug)]
struct Stack {
    spans: Vec<Entered>,
    seat: Seat,
}

thread_local! {
    static ENTERED: RefCell<Stack> = const {
        RefCell::new(Stack {
            spans: Vec::new(),
            seat: Seat::EMPTY,
        })
    };
}

/// Counts one more entry of a span that is the innermost of this thread;
/// `false` where it is not, and [`enter`] has to be called.
pub(crate) fn enter_again(layer: u32, id: &Id) -> bool {
    let again = |stack: &mut Stack| match stack.spans.last_mut() {
        Some(top) if top.is(layer, id) && top.again < u32::MAX => {
            top.again += 1;
            true
        }
        _ => false,
    };
    with(again).unwrap_or(false)
}

/// A span was entered on this thread; `meter` is its request's.
pub(crate) fn enter(layer: u32, id: &Id, word: u64, meter: Option<Arc<Meter>>) {
    with(|Stack { spans, seat }| {
        if spans.len() < MAX_DEPTH {
            let before = spans.last().and_then(|top| top.meter.as_ref());
            seat.pass(before, meter.as_ref());
            spans.push(Entered {
                layer,
                id: id.into_u64(),
                word,
                again: 0,
                meter,
            });
            set_label(word);
        }
    });
}

/// A span was exited on this thread; `true` unless it is still entered here by
/// an entry that [`enter_again`] counted.
pub(crate) fn exit(layer: u32, id: &Id) -> bool {
    let exit = |Stack { spans, seat }: &mut Stack| {
        let Some(place) = spans.iter().rposition(|entered| entered.is(layer, id)) else {
            return true;
        };
        if let Some(again) = spans[place].again.checked_sub(1) {
            spans[place].again = again;
            return false;
        }
        let innermost = place + 1 == spans.len();
        let left = spans.remove(place);
        let top = spans.last();
        set_label(top.map_or(0, |top| top.word));
        if innermost {
            let meter = top.and_then(|top| top.meter.as_ref());
            seat.pass(left.meter.as_ref(), meter);
        }
        true
    };
    with(exit).unwrap_or(true)
}

/// The innermost span of a layer that this thread is in.
pub(crate) fn innermost(layer: u32) -> Option<Innermost> {
    with(|stack| {
        let mut spans = stack.spans.iter();
        let entered = spans.rfind(|entered| entered.layer == layer)?;
        Some(Innermost {
            id: entered.id,
            word: entered.word,
        })
    })
    .flatten()
}

impl Entered {
    fn is(&self, layer: u32, id: &Id) -> bool {
        self.id == id.into_u64() && self.layer == layer
    }
}

/// Runs `f` on this thread's stack, unless the thread is ending.
fn with<R>(f: impl FnOnce(&mut Stack) -> R) -> Option<R> {
    let run = |stack: &RefCell<Stack>| stack.try_borrow_mut().ok().map(|mut s| f(&mut s));
    ENTERED.try_with(run).ok().flatten()
}

#[cfg(test)]
mod tests {
    use soakscope_sampler::label;

    use super::*;

    #[test]
    fn exits_in_any_order_leave_the_word_of_the_innermost_that_remains() {
        let [a, b, c] = [1, 2, 3].map(Id::from_u64);
        enter(1, &a, 10, None);
        enter(1, &b, 20, None);
        enter(1, &c, 30, None);
        exit(1, &b);
        assert_eq!(label(), 30);
        exit(1, &b);
        assert_eq!(label(), 30, "it was exited already");
        exit(2, &c);
        assert_eq!(label(), 30, "that is a span of another layer");
        exit(1, &c);
        assert_eq!(label(), 10);
        enter(1, &a, 10, None);
        exit(1, &a);
        assert_eq!(label(), 10, "entered twice, exited once");
        exit(1, &a);
        assert_eq!(label(), 0);
    }

    #[test]
    fn entries_of_the_innermost_again_are_counted() {
        let [a, b] = [1, 2].map(Id::from_u64);
        assert!(!enter_again(1, &a), "not yet entered");
        enter(1, &a, 10, None);
        assert!(enter_again(1, &a));
        assert!(!enter_again(2, &a), "that is a span of another layer");
        enter(1, &b, 20, None);
        assert!(!enter_again(1, &a), "not the innermost");
        assert!(!exit(1, &a), "the second entry");
        assert_eq!(label(), 20);
        assert!(exit(1, &b));
        assert_eq!(label(), 10);
        assert!(exit(1, &a));
        assert_eq!(label(), 0);
        assert!(exit(1, &a), "it was exited already");
    }

    #[test]
    fn forgotten_guards_have_an_end() {
        for id in 1..=100_000 {
            enter(1, &Id::from_u64(id), id, None);
        }
        assert_eq!(with(|stack| stack.spans.len()), Some(MAX_DEPTH));
    }
}
