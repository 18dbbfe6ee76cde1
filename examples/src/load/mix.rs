//! What is asked: the shop's routes, each with its share. The sequence is the same in every run of the same seed.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use std::net::SocketAddr;

/// What customers do, in percent.
const SHARES: [(Kind, u64); 6] = [
    (Kind::List, 35),
    (Kind::Detail, 30),
    (Kind::UnknownProduct, 1),
    (Kind::Orders, 21),
    (Kind::Place, 10),
    (Kind::Report, 3),
];

const PRODUCTS: u64 = 2_000;
const USERS: u64 = 500;
const PAGES: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    List,
    Detail,
    /// A dead link, as every shop has some: it earns a 404.
    UnknownProduct,
    Orders,
    Place,
    Report,
}

/// An endless, repeatable sequence of requests.
#[derive(Debug)]
pub(super) struct Mix {
    state: u64,
}

impl Mix {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next request, addressed to `target`.
    pub(super) fn next(&mut self, target: SocketAddr) -> Request<Full<Bytes>> {
        let (method, path, body) = match self.kind() {
            Kind::List => (
                Method::GET,
                format!("/products?page={}", 1 + self.draw(PAGES)),
                String::new(),
            ),
            Kind::Detail => (
                Method::GET,
                format!("/products/{}", 1 + self.draw(PRODUCTS)),
                String::new(),
            ),
            Kind::UnknownProduct => (
                Method::GET,
                format!("/products/{}", PRODUCTS + 1 + self.draw(PRODUCTS)),
                String::new(),
            ),
            Kind::Orders => (
                Method::GET,
                format!("/orders/{}", 1 + self.draw(USERS)),
                String::new(),
            ),
            Kind::Place => (Method::POST, "/orders".to_owned(), self.order()),
            Kind::Report => (Method::GET, "/report".to_owned(), String::new()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{target}{path}"));
        let request = if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json")
        };
        request
            .body(Full::from(body))
            .expect("a socket address and a fixed path make a valid request")
    }

    fn kind(&mut self) -> Kind {
        let mut ticket = self.draw(SHARES.iter().map(|(_, share)| share).sum());
        for (kind, share) in SHARES {
            if ticket < share {
                return kind;
            }
            ticket -= share;
        }
        Kind::List
    }

    fn order(&mut self) -> String {
        let user = 1 + self.draw(USERS);
        let lines: Vec<String> = (0..1 + self.draw(3))
            .map(|_| {
                format!(
                    r#"{{"product":{},"quantity":{}}}"#,
                    1 + self.draw(PRODUCTS),
                    1 + self.draw(3)
                )
            })
            .collect();
        format!(r#"{{"user":{user},"lines":[{}]}}"#, lines.join(","))
    }

    /// A number below `bound`: Steele, Lea and Flood's SplitMix64 (2014).
    fn draw(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn shares_are_percent_and_are_kept() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u64>(), 100);
        let mut mix = Mix::new(1);
        let mut seen: BTreeMap<Kind, u64> = BTreeMap::new();
        for _ in 0..100_000 {
            *seen.entry(mix.kind()).or_default() += 1;
        }
        for (kind, share) in SHARES {
            assert!(
                seen[&kind].abs_diff(share * 1_000) < 500,
                "{kind:?}: {}",
                seen[&kind]
            );
        }
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        let target = ([127, 0, 0, 1], 80).into();
        let (mut one, mut other) = (Mix::new(7), Mix::new(7));
        for _ in 0..1_000 {
            assert_eq!(one.next(target).uri(), other.next(target).uri());
        }
    }
}
