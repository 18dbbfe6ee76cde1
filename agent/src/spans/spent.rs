//! What was sampled under threads' words, by the names they stand for.

use std::collections::BTreeMap;

use super::labels::{Kind, Labels, route_of, span_of};

/// CPU time or bytes of an interval. A request has all that was sampled in it
/// and in the spans inside it; any other span only what was sampled with no
/// further one inside it. So requests and `no_request` add up to all there was.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    by_name: BTreeMap<(Kind, String), f64>,
    pub(crate) no_request: f64,
}

impl Spent {
    pub(crate) fn of(names: &Labels, sampled: impl IntoIterator<Item = (u64, f64)>) -> Self {
        let mut spent = Self::default();
        for (word, amount) in sampled {
            let mut add = |number: u32, wanted: Kind| {
                let name = names.name(number).filter(|name| name.kind == wanted)?;
                let key = (name.kind, name.text.to_string());
                *spent.by_name.entry(key).or_default() += amount;
                Some(())
            };
            let in_request = add(route_of(word), Kind::Request).is_some();
            add(span_of(word), Kind::Span);
            if !in_request {
                spent.no_request += amount;
            }
        }
        spent
    }

    /// What was sampled under a name; nothing is 0.
    pub(crate) fn under(&self, name: &(Kind, String)) -> f64 {
        self.by_name.get(name).copied().unwrap_or(0.0)
    }

    /// The names under which anything was sampled.
    pub(crate) fn names(&self) -> impl Iterator<Item = &(Kind, String)> {
        self.by_name.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::labels::{Room, word};

    #[test]
    fn requests_and_what_is_outside_of_them_add_up() {
        let names = Labels::default();
        let route = names.number(Room::Routed, "GET /a", || None);
        let query = names.number(Room::Span, "query", || None);
        let spent = Spent::of(
            &names,
            [
                (word(0, route, route), 10.0),
                (word(0, route, query), 5.0),
                (word(0, 0, query), 3.0),
                (0, 2.0),
            ],
        );
        let under = |kind, name: &str| spent.under(&(kind, name.to_owned()));
        assert_eq!(under(Kind::Request, "GET /a"), 15.0);
        assert_eq!(under(Kind::Span, "query"), 8.0);
        assert_eq!(spent.no_request, 5.0);
        assert_eq!(spent.names().count(), 2);
    }
}
