//! What the layer costs: nanoseconds added to a span over a bare `Registry`,
//! beside others that measure spans; a disabled callsite; a label switch.
//!
//! ```text
//! cargo bench -p soakscope --bench spans
//! ```
//!
//! Each figure is the least of several rounds, all subjects in turn in each
//! round, so that a busy machine slows them alike.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use metrics_tracing_context::MetricsLayer;
use soakscope::Agent;
use soakscope_sampler::set_label;
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

const ROUNDS: usize = 9;
const SPANS: u32 = 200_000;
const DISABLED: u32 = 50_000_000;

fn main() {
    let run = std::env::temp_dir().join(format!("soakscope-bench-{}", std::process::id()));
    let agent = Agent::builder("bench")
        .run_path(&run)
        .cpu_clock(soakscope::Clock::Off)
        .tick(Duration::from_secs(1))
        .start()
        .expect("an agent");
    println!(
        "{} cores",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    spans(&agent);
    disabled(&agent);
    label();
    agent.finish().expect("sealed");
    let _ = std::fs::remove_dir_all(run);
}

type Make<'a> = Box<dyn Fn() -> Dispatch + 'a>;

fn spans(agent: &Agent) {
    let timing = || {
        let histogram =
            || tracing_timing::Histogram::new_with_max(1_000_000_000, 2).expect("valid");
        Dispatch::new(registry().with(tracing_timing::Builder::default().layer(histogram)))
    };
    let opentelemetry = || {
        use opentelemetry::trace::TracerProvider as _;
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
        Dispatch::new(registry().with(layer))
    };
    let subjects: Vec<(&str, Make<'_>)> = vec![
        ("bare registry", Box::new(|| Dispatch::new(registry()))),
        (
            "a filtered layer that does nothing",
            Box::new(|| Dispatch::new(registry().with(Nothing.with_filter(LevelFilter::INFO)))),
        ),
        (
            "soakscope",
            Box::new(|| Dispatch::new(registry().with(agent.layer()))),
        ),
        (
            "soakscope, in a request",
            Box::new(|| Dispatch::new(registry().with(agent.layer()))),
        ),
        (
            "metrics-tracing-context",
            Box::new(|| Dispatch::new(registry().with(MetricsLayer::new()))),
        ),
        ("tracing-timing", Box::new(timing)),
        ("tracing-opentelemetry", Box::new(opentelemetry)),
    ];
    for threads in [1, 2] {
        let mut least = vec![f64::INFINITY; subjects.len()];
        for _ in 0..ROUNDS {
            for ((name, make), least) in subjects.iter().zip(&mut least) {
                let inside = name.ends_with("request");
                *least = least.min(on_threads(threads, &make(), inside));
            }
        }
        println!("\na span (new, enter, exit, close), {threads} thread(s)   ns   added");
        for ((name, _), ns) in subjects.iter().zip(&least) {
            println!("  {name:<44} {ns:>6.0} {:>7.0}", ns - least[0]);
        }
    }
}

/// What tracing-subscriber's own wrapper of a layer with a filter costs, which
/// ours has to have: without, every disabled callsite would be enabled.
struct Nothing;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Nothing {}

/// Nanoseconds of a span on each of so many threads.
fn on_threads(threads: usize, dispatch: &Dispatch, inside: bool) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    with_default(dispatch, || {
                        let request = tracing::info_span!("request", http.route = "/bench");
                        let _entered = inside.then(|| request.enter());
                        some_spans(SPANS / 10);
                        barrier.wait();
                        let start = Instant::now();
                        some_spans(SPANS);
                        start.elapsed().as_nanos() as f64 / f64::from(SPANS)
                    })
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .fold(0.0, f64::max)
    })
}

#[inline(never)]
fn some_spans(count: u32) {
    for _ in 0..count {
        let span = tracing::info_span!("bench");
        let entered = span.enter();
        black_box(&entered);
    }
}

fn disabled(agent: &Agent) {
    let quiet = || {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::sink)
            .with_filter(LevelFilter::INFO)
    };
    let without: Make<'_> = Box::new(|| Dispatch::new(registry().with(quiet())));
    let with: Make<'_> = Box::new(|| Dispatch::new(registry().with(quiet()).with(agent.layer())));
    let mut least = [[f64::INFINITY; 2]; 2];
    for _ in 0..ROUNDS {
        for (make, least) in [&without, &with].into_iter().zip(&mut least) {
            let dispatch = make();
            with_default(&dispatch, || {
                for (trace, least) in [true, false].into_iter().zip(least) {
                    *least = least.min(some_disabled(trace));
                }
            });
        }
    }
    println!("\na disabled callsite       without   with   ratio");
    for (index, name) in ["trace!", "debug!"].into_iter().enumerate() {
        let (without, with) = (least[0][index], least[1][index]);
        println!(
            "  {name:<22} {without:>7.3} {with:>7.3} {:>6.3}",
            with / without
        );
    }
}

#[inline(never)]
fn some_disabled(trace: bool) -> f64 {
    let start = Instant::now();
    if trace {
        for n in 0..DISABLED {
            tracing::trace!(n, "never");
            black_box(n);
        }
    } else {
        for n in 0..DISABLED {
            tracing::debug!(n, "never");
            black_box(n);
        }
    }
    start.elapsed().as_nanos() as f64 / f64::from(DISABLED)
}

fn label() {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for n in 0..u64::from(DISABLED) {
            let outer = set_label(black_box(n));
            set_label(black_box(outer));
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(DISABLED));
    }
    println!("\na label switch (in and out)   {least:.2} ns");
}
