//! Requests on whatever threads, nested, left in any order, and cut by a panic.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll};

use soakscope_tests::{burn, thread_cpu};
use tracing::dispatcher::{Dispatch, get_default, set_default, with_default};
use tracing::{Instrument, Span};

use crate::stage::{MS, Stage, Truth, US};

/// Reads the clock around each poll.
struct Around<F> {
    route: &'static str,
    truth: Truth,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Around<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (route, truth) = (self.route, self.truth.clone());
        truth.around(route, || self.inner.as_mut().poll(context))
    }
}

/// A task that is polled on whatever thread is free, with a blocking part that
/// the span is carried into.
async fn task(truth: Truth) {
    const ROUTE: &str = "/task";
    let span = truth.opened(ROUTE);
    let inside = truth.clone();
    let work = async move {
        for step in 0..6 {
            inside.burn(ROUTE, 200 * US);
            if step == 3 {
                let (span, truth) = (Span::current(), inside.clone());
                let dispatch = get_default(Dispatch::clone);
                let blocking = move || {
                    let _default = set_default(&dispatch);
                    truth.around(ROUTE, || span.in_scope(|| truth.burn(ROUTE, 500 * US)));
                };
                tokio::task::spawn_blocking(blocking)
                    .await
                    .expect("it ends");
            }
            tokio::task::yield_now().await;
        }
    };
    let inner = Box::pin(work.instrument(span));
    let route = ROUTE;
    Around {
        route,
        truth,
        inner,
    }
    .await;
}

#[test]
fn a_request_has_what_it_used_on_whatever_threads() {
    let stage = Stage::set(1_000 * MS);
    let truth = &stage.truth;
    let dispatch = stage.dispatch.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .on_thread_start({
            let dispatch = dispatch.clone();
            move || std::mem::forget(set_default(&dispatch))
        })
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(task(truth.clone()))).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    drop(runtime);
    with_default(&dispatch, || {
        on_a_thread_of_its_own(truth, &dispatch);
        nested(truth);
        out_of_order(truth);
        panicking(truth);
    });
    let found = stage.finish();
    stage.holds(&found);
    // They are few enough that all are measured.
    for name in truth.known().keys() {
        let span = &found[name];
        assert_eq!(
            (span.cpu_measured, span.cpu_se_ms),
            (span.count, Some(0.0)),
            "{name}"
        );
    }
    // What was spent between requests is nobody's.
    let outside = found["<no request>"].cpu_ms.expect("measured");
    assert!(outside >= 30.0, "{outside}");
}

fn on_a_thread_of_its_own(truth: &Truth, dispatch: &Dispatch) {
    let (work, orders) = channel::<Span>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            with_default(dispatch, || {
                for span in orders {
                    truth.around("/own", || span.in_scope(|| truth.burn("/own", 2 * MS)));
                }
                burn(15 * MS);
            });
        });
        for _ in 0..5 {
            work.send(truth.opened("/own")).expect("it listens");
        }
        drop(work);
    });
}

/// A request inside another, as of a service that calls itself; spans inside are
/// of the innermost.
fn nested(truth: &Truth) {
    for _ in 0..5 {
        let outer = truth.opened("/outer");
        let begin = thread_cpu();
        outer.in_scope(|| {
            truth.burn("/outer", 2 * MS);
            let inner = truth.opened("/inner");
            truth.around("/inner", || {
                inner.in_scope(|| {
                    let deep = tracing::info_span!("deep");
                    deep.in_scope(|| truth.burn("/inner", 3 * MS));
                    // The outer one again, inside of the inner.
                    outer.in_scope(|| truth.burn("/outer", MS));
                });
            });
            tracing::info_span!("deep").in_scope(|| truth.burn("/outer", MS));
        });
        // Both together are no more than both took.
        let took = (thread_cpu() - begin).saturating_sub(3 * MS);
        truth.with("/outer", |known| known.outer += took);
    }
}

/// Guards that are dropped in any order, and one that never is.
fn out_of_order(truth: &Truth) {
    let (first, second) = (truth.opened("/first"), truth.opened("/second"));
    let begin = thread_cpu();
    let a = first.enter();
    truth.burn("/first", 3 * MS);
    let b = second.enter();
    truth.burn("/second", 2 * MS);
    drop(a);
    truth.burn("/second", 2 * MS);
    drop(b);
    let took = thread_cpu() - begin;
    truth.with("/first", |known| known.outer += took - 4 * MS);
    truth.with("/second", |known| known.outer += took - 3 * MS);
    burn(15 * MS);
    // On a thread that ends inside of it.
    let dispatch = get_default(Dispatch::clone);
    let truth = truth.clone();
    let thread = std::thread::spawn(move || {
        with_default(&dispatch, || {
            let forgotten = truth.opened("/forgotten");
            truth.around("/forgotten", || {
                let entered = forgotten.enter();
                truth.burn("/forgotten", 3 * MS);
                std::mem::forget(entered);
            });
            // A thread's end takes its time, too.
            truth.with("/forgotten", |known| known.outer += 2 * MS);
            drop(forgotten);
        });
    });
    thread.join().expect("it ends");
}

fn panicking(truth: &Truth) {
    truth.around("/panic", || {
        let work = || {
            truth.opened("/panic").in_scope(|| {
                truth.burn("/panic", 2 * MS);
                std::panic::resume_unwind(Box::new("a bug of the service"));
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    });
}
