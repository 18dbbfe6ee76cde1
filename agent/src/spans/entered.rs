//! The spans each thread is in, and the word its samples carry.
//!
//! A span that is entered puts its word on the thread; one that is exited
//! takes it off and the word of the one below is back. Exits may come in any
//! order, and a future's span is entered on one thread after another, so the
//! stack is searched from the top and never assumed to match.

use std::cell::RefCell;

use soakscope_sampler::set_label;
use tracing::span::Id;

/// Spans a thread may be in at a time; deeper ones keep the label above them.
/// Guards that are forgotten stay here for good, so there has to be an end.
const DEEPEST: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entered {
    /// The number of the layer that the span's id belongs to.
    pub(crate) layer: u32,
    pub(crate) id: u64,
    pub(crate) word: u64,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// A span was entered on this thread.
pub(crate) fn enter(layer: u32, id: &Id, word: u64) {
    let entered = Entered {
        layer,
        id: id.into_u64(),
        word,
    };
    with(|stack| {
        if stack.len() < DEEPEST {
            stack.push(entered);
            set_label(word);
        }
    });
}

/// A span was exited on this thread.
pub(crate) fn exit(layer: u32, id: &Id) {
    let is_it = |entered: &Entered| entered.id == id.into_u64() && entered.layer == layer;
    with(|stack| {
        match stack.last() {
            Some(top) if is_it(top) => {
                stack.pop();
            }
            _ => match stack.iter().rposition(is_it) {
                Some(below) => {
                    stack.remove(below);
                }
                None => return,
            },
        }
        set_label(stack.last().map_or(0, |top| top.word));
    });
}

/// The innermost span of a layer that this thread is in.
pub(crate) fn innermost(layer: u32) -> Option<Entered> {
    with(|stack| {
        stack
            .iter()
            .rfind(|entered| entered.layer == layer)
            .copied()
    })
    .flatten()
}

/// Runs `f` on this thread's stack, unless the thread is ending.
fn with<R>(f: impl FnOnce(&mut Vec<Entered>) -> R) -> Option<R> {
    let run = |stack: &RefCell<Vec<Entered>>| stack.try_borrow_mut().ok().map(|mut s| f(&mut s));
    ENTERED.try_with(run).ok().flatten()
}

#[cfg(test)]
mod tests {
    use soakscope_sampler::label;

    use super::*;

    #[test]
    fn exits_in_any_order_leave_the_word_of_the_innermost_that_remains() {
        let [a, b, c] = [1, 2, 3].map(Id::from_u64);
        enter(1, &a, 10);
        enter(1, &b, 20);
        enter(1, &c, 30);
        exit(1, &b);
        assert_eq!(label(), 30);
        exit(1, &b);
        assert_eq!(label(), 30, "it was exited already");
        exit(2, &c);
        assert_eq!(label(), 30, "that is a span of another layer");
        exit(1, &c);
        assert_eq!(label(), 10);
        enter(1, &a, 10);
        exit(1, &a);
        assert_eq!(label(), 10, "entered twice, exited once");
        exit(1, &a);
        assert_eq!(label(), 0);
    }

    #[test]
    fn forgotten_guards_have_an_end() {
        for id in 1..=100_000 {
            enter(1, &Id::from_u64(id), id);
        }
        assert_eq!(with(|stack| stack.len()), Some(DEEPEST));
    }
}
