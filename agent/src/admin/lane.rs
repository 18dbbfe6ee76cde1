//! One queue for each kind of work that takes a while.
//!
//! A lane has a few slots, in which work runs on a thread beside the server's,
//! and a few places to wait for one. Beyond these a request is refused instead
//! of waiting, so that no kind of work is ever behind another, nor far behind
//! its own. A client that hangs up gives its place back at once; work that it
//! had begun sees that and ends early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use soakscope_sampler::exclude_current_thread;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Why something could not be made.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
pub(super) struct Lane {
    /// What is done in it, as an answer and a metric call it.
    pub(super) work: &'static str,
    slots: Arc<Semaphore>,
    /// Slots and what waits for them.
    places: Arc<Semaphore>,
    free: usize,
    begun: AtomicU64,
    refused: AtomicU64,
    abandoned: Arc<AtomicU64>,
}

/// A slot of a lane; free again when dropped, and its place before it: whoever
/// gets the slot finds the place free, too.
#[derive(Debug)]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
}

/// There is no place in a lane.
#[derive(Debug)]
pub(super) struct Refused(&'static str);

impl Lane {
    pub(super) fn new(work: &'static str, slots: usize, waiting: usize) -> Self {
        Self {
            work,
            slots: Arc::new(Semaphore::new(slots)),
            places: Arc::new(Semaphore::new(slots + waiting)),
            free: slots,
            begun: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            abandoned: Arc::default(),
        }
    }

    /// Waits for a slot where there is a place to wait.
    pub(super) async fn enter(&self) -> Result<Turn, Refused> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let Ok(place) = place else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused(self.work));
        };
        // Never closed, so this never fails.
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| Refused(self.work))?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Turn {
            _place: place,
            _slot: slot,
        })
    }

    /// Runs work in a slot; `None` where it panicked. The slot comes back with
    /// what was made: it is free when that was sent.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Option<(T, Turn)> {
        let cancellation = Cancellation::default();
        let mut guard = CancelOnDrop {
            cancellation: cancellation.clone(),
            count: Some(Arc::clone(&self.abandoned)),
        };
        let own = move || {
            let _own = exclude_current_thread();
            (work(&cancellation), turn)
        };
        let made = tokio::task::spawn_blocking(own).await.ok();
        guard.count = None;
        made
    }

    /// Whether a slot is taken.
    pub(super) fn busy(&self) -> bool {
        self.slots.available_permits() < self.free
    }

    pub(super) fn slots(&self) -> usize {
        self.free
    }

    /// Work that was begun, refused, and abandoned by its client.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (
            count(&self.begun),
            count(&self.refused),
            count(&self.abandoned),
        )
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let text = format!("{} is asked for too often; ask again later\n", self.0);
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text).into_response()
    }
}

/// Whether nobody waits any more for what is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Fails once the client is gone.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            return Err("the client is gone".into());
        }
        Ok(())
    }

    /// Set once the client is gone.
    pub(super) fn abandoned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Ends the work when whoever waits for it is dropped.
struct CancelOnDrop {
    cancellation: Cancellation,
    count: Option<Arc<AtomicU64>>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(count) = &self.count {
            self.cancellation.0.store(true, Ordering::Relaxed);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(4)
            .build()
            .expect("a runtime")
    }

    /// Work that says when it has begun, and ends when nobody wants it or when
    /// it is let go.
    fn work(begun: Sender<()>, go: Receiver<()>) -> impl FnOnce(&Cancellation) -> bool + Send {
        move |cancellation: &Cancellation| {
            let _ = begun.send(());
            loop {
                if cancellation.check().is_err() {
                    return false;
                }
                if go.try_recv().is_ok() {
                    return true;
                }
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_full_lane_refuses_and_is_no_other_s() {
        runtime().block_on(async {
            let (lane, other) = (Lane::new("stacks", 1, 1), Lane::new("status", 1, 1));
            let turn = lane.enter().await.expect("free");
            assert!(lane.busy());
            let mut waiting = Box::pin(lane.enter());
            let refused = tokio::select! {
                biased;
                _ = &mut waiting => panic!("the slot is taken"),
                refused = lane.enter() => refused.expect_err("no place"),
            };
            let answer = refused.into_response();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[RETRY_AFTER], "1");
            let turn_of_other = other.enter().await.expect("another lane");
            assert_eq!(
                other.run(turn_of_other, |_| 7).await.map(|(n, _)| n),
                Some(7)
            );
            drop(turn);
            drop(waiting.await.expect("free again"));
            assert!(!lane.busy());
            assert_eq!(lane.counts(), (2, 1, 0));
        });
    }

    #[test]
    fn who_goes_away_gives_the_place_back_and_ends_the_work() {
        runtime().block_on(async {
            let lane = Lane::new("stacks", 1, 1);
            for n in 1..=300 {
                let (begun, has_begun) = channel();
                let (_go, gone) = channel();
                let turn = lane.enter().await.expect("free");
                // Three who wait, or are refused, and go.
                for _ in 0..3 {
                    let asked = Box::pin(lane.enter());
                    tokio::select! {
                        biased;
                        taken = asked => assert!(taken.is_err()),
                        () = std::future::ready(()) => {}
                    }
                }
                let mut running = Box::pin(lane.run(turn, work(begun, gone)));
                while has_begun.try_recv().is_err() {
                    tokio::select! {
                        biased;
                        _ = &mut running => panic!("nobody let it go"),
                        () = tokio::task::yield_now() => {}
                    }
                }
                drop(running);
                // It saw that it is not wanted: the slot comes back.
                drop(lane.enter().await.expect("free again"));
                assert_eq!(lane.counts().2, n, "abandoned");
            }
        });
    }

    #[test]
    fn work_that_panics_costs_its_own_answer() {
        runtime().block_on(async {
            let lane = Lane::new("stacks", 1, 0);
            for _ in 0..3 {
                let turn = lane.enter().await.expect("free");
                assert!(lane.run::<()>(turn, |_| panic!("a bug")).await.is_none());
            }
        });
    }
}
