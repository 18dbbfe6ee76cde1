//! Series of the service's own: closures that are asked for a number each tick.
//!
//! They are the service's code, so they may panic, block or return NaN. They
//! run on a thread of their own; the ticker waits a short while for their
//! answers and leaves the cell of one that did not answer empty. A closure
//! that panics costs its cell; one that blocks is left behind with its thread,
//! and a new thread serves the others until it comes back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::threads;

/// Threads that may be stuck in a blocking closure before no new one is started.
const MAX_STUCK: usize = 8;

pub(crate) type Closure = Box<dyn FnMut() -> f64 + Send>;

/// What became of one closure in one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Value(f64),
    Panicked,
    Blocked,
}

/// A closure sits in its slot except while a thread is asking it.
type Slot = Arc<Mutex<Option<Closure>>>;

pub(crate) struct Tracked {
    names: Vec<String>,
    slots: Vec<Slot>,
    asker: Option<Asker>,
    /// How long a tick waits for the answers of all closures together.
    patience: Duration,
    /// Held once more by every thread that asks, stuck ones among them.
    askers: Arc<()>,
}

/// A thread that asks the closures, once for each message it is sent.
struct Asker {
    ask: Sender<u64>,
    answers: Receiver<(u64, usize, Answer)>,
}

impl Tracked {
    pub(crate) fn new(series: Vec<(String, Closure)>, patience: Duration) -> Self {
        let (names, slots) = series
            .into_iter()
            .map(|(name, closure)| (name, Arc::new(Mutex::new(Some(closure)))))
            .unzip();
        Self {
            names,
            slots,
            asker: None,
            patience,
            askers: Arc::new(()),
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Bytes on the heap, but for what the service's closures hold.
    pub(crate) fn bytes(&self) -> usize {
        /// A slot, its lock and the counts of those who share it, twice named.
        const A_SLOT: usize = size_of::<Mutex<Option<Closure>>>() + 16 + 2 * size_of::<Slot>();
        let names = self.names.iter().map(String::capacity).sum::<usize>();
        names + self.names.capacity() * (size_of::<String>() + A_SLOT)
    }

    /// Asks every closure once. By `round` answers of this tick are known from
    /// late ones of an earlier tick.
    pub(crate) fn ask(&mut self, round: u64) -> Vec<Answer> {
        let mut answers = vec![Answer::Blocked; self.slots.len()];
        if self.slots.is_empty() {
            return answers;
        }
        let until = Instant::now() + self.patience;
        let Some(asker) = self.asker() else {
            return answers;
        };
        if asker.ask.send(round).is_err() {
            self.asker = None;
            return answers;
        }
        let mut missing = answers.len();
        while missing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match asker.answers.recv_timeout(left) {
                Ok((of, index, answer)) if of == round => {
                    answers[index] = answer;
                    missing -= 1;
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    // Its thread ends by itself once the closure returns.
                    self.asker = None;
                    break;
                }
            }
        }
        answers
    }

    fn asker(&mut self) -> Option<&Asker> {
        let number = Arc::strong_count(&self.askers);
        if self.asker.is_none() && number <= MAX_STUCK {
            self.asker = Asker::start(number, self.slots.clone(), Arc::clone(&self.askers)).ok();
        }
        self.asker.as_ref()
    }
}

impl Asker {
    fn start(number: usize, slots: Vec<Slot>, alive: Arc<()>) -> Result<Self, Error> {
        let (ask, rounds) = channel::<u64>();
        let (reply, answers) = channel();
        threads::spawn(format!("{}-{number}", threads::TRACK), move || {
            let _alive = alive;
            for round in rounds {
                for (index, slot) in slots.iter().enumerate() {
                    if reply.send((round, index, ask_one(slot))).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { ask, answers })
    }
}

/// Takes the closure out of its slot while it runs, so that another thread
/// finds the slot empty instead of waiting for a blocked closure.
fn ask_one(slot: &Slot) -> Answer {
    let lock = || slot.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut closure) = lock().take() else {
        return Answer::Blocked;
    };
    let answer = catch_unwind(AssertUnwindSafe(&mut closure));
    *lock() = Some(closure);
    match answer {
        Ok(value) => Answer::Value(value),
        Err(_) => Answer::Panicked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, closure: impl FnMut() -> f64 + Send + 'static) -> (String, Closure) {
        (name.to_owned(), Box::new(closure))
    }

    #[test]
    fn a_panic_costs_one_cell() {
        let mut count = 0.0;
        let mut tracked = Tracked::new(
            vec![
                series("bad", || panic!("the service's own bug")),
                series("good", move || {
                    count += 1.0;
                    count
                }),
            ],
            Duration::from_secs(60),
        );
        assert_eq!(tracked.ask(1), [Answer::Panicked, Answer::Value(1.0)]);
        assert_eq!(tracked.ask(2), [Answer::Panicked, Answer::Value(2.0)]);
    }

    #[test]
    fn a_blocked_closure_does_not_hold_up_the_others() {
        let (release, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let mut tracked = Tracked::new(
            vec![
                series("slow", move || {
                    let gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
                    gate.recv().map_or(1.0, |()| 2.0)
                }),
                series("good", || 7.0),
            ],
            Duration::from_millis(500),
        );
        // The first round is lost to the block, the next is served by a new thread.
        assert_eq!(tracked.ask(1), [Answer::Blocked, Answer::Blocked]);
        assert_eq!(tracked.ask(2), [Answer::Blocked, Answer::Value(7.0)]);
        drop(release);
        // Rounds pass at once, and the closure comes back when its thread gets a turn.
        let give_up = Instant::now() + Duration::from_secs(60);
        let mut round = 3;
        while tracked.ask(round) != [Answer::Value(1.0), Answer::Value(7.0)] {
            round += 1;
            assert!(Instant::now() < give_up, "the closure is asked again");
            std::thread::yield_now();
        }
    }
}
