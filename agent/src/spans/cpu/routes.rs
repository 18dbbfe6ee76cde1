//! Routes by the numbers of their names, found without a lock.

use std::sync::OnceLock;

use super::route::Route;
use crate::spans::labels::MAX_NUMBER;

/// Routes that get their room together.
const CHUNK: usize = 32;

#[derive(Debug)]
pub(crate) struct Routes {
    chunks: Box<[OnceLock<Box<[Route; CHUNK]>>]>,
}

impl Default for Routes {
    fn default() -> Self {
        let chunks = MAX_NUMBER / CHUNK + 1;
        Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Routes {
    /// The route of a number, made where it is new; `None` for a number that no
    /// name can have.
    pub(crate) fn get(&self, number: u32) -> Option<&Route> {
        let number = number as usize;
        let chunk = self.chunks.get(number / CHUNK)?;
        let routes = chunk.get_or_init(|| Box::new(std::array::from_fn(|_| Route::default())));
        Some(&routes[number % CHUNK])
    }

    /// The route of a number, if it was made.
    pub(crate) fn known(&self, number: u32) -> Option<&Route> {
        let chunk = self.chunks.get(number as usize / CHUNK)?.get()?;
        Some(&chunk[number as usize % CHUNK])
    }

    /// All that were made, and some that stand between them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Route)> {
        let numbered = (0..).step_by(CHUNK).zip(&self.chunks);
        let made = numbered.filter_map(|(first, chunk)| Some((first, chunk.get()?)));
        made.flat_map(|(first, routes)| (first..).zip(routes.iter()))
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let made = self.chunks.iter().filter(|chunk| chunk.get().is_some());
        let kept = self.all().map(|(_, route)| route.bytes());
        size_of_val(&*self.chunks)
            + made.count() * size_of::<[Route; CHUNK]>()
            + kept.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::cpu::allowance::Allowance;

    #[test]
    fn each_number_has_a_route_of_its_own_and_is_found_among_all() {
        let (routes, allowance) = (Routes::default(), Allowance::new());
        for number in [1, 31, 32, 5_000, MAX_NUMBER as u32] {
            assert!(
                routes
                    .known(number)
                    .is_none_or(|route| route.cut().is_none())
            );
            let route = routes.get(number).expect("a number of a name");
            assert!(route.open(&allowance).is_some(), "the first of {number}");
            assert!(std::ptr::eq(route, routes.known(number).expect("made")));
        }
        let opened = routes.all().filter(|(_, route)| route.bytes() > 0);
        let numbers: Vec<u32> = opened.map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 31, 32, 5_000, MAX_NUMBER as u32]);
        assert!(routes.get(1_000_000).is_none());
    }
}
