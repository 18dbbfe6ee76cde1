//! What the agent says it holds is what it holds, and it does not grow.
//!
//! The service does nothing but what is asked of the agent, so that whatever
//! lives on the heap since the start is the agent's.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use soakscope::Agent;
use tracing_subscriber::prelude::*;

/// The system's allocator, and the bytes that live.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as i64 - layout.size() as i64, Relaxed);
        // SAFETY: the caller's duties are the same.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOC: Counting = Counting;

fn row(agent: &Agent) {
    let before = agent.latest("elapsed_min");
    while agent.latest("elapsed_min") == before {
        std::thread::yield_now();
    }
}

fn request(route: &str) {
    let span = tracing::info_span!("request", otel.kind = "server", http.route = route);
    let _entered = span.enter();
    let _inner = tracing::info_span!("query").entered();
    tracing::debug!(db.statement = "SELECT 1", "a statement");
}

/// What a window's end passes through is gone some rows later, however slowly
/// its thread runs; what stays longer than two seconds of rows is held.
fn at_rest(agent: &Agent, before: i64, what: &str) {
    let mut looks = Vec::new();
    for _ in 0..40 {
        row(agent);
        let held = (LIVE.load(Relaxed) - before) as f64 / 1_048_576.0;
        let said = agent.latest("agent_memory_mb").unwrap();
        looks.push((held, said));
        if (said / held - 1.0).abs() <= 0.2 {
            println!("{what}: {held:.3} MB held, {said:.3} said");
            return;
        }
    }
    panic!("{what}: MB held and said {looks:?}");
}

#[inline(never)]
fn burn() -> u64 {
    (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n.wrapping_mul(n)))
}

#[test]
fn what_the_agent_says_it_holds_is_what_it_holds() {
    let runs = std::env::temp_dir().join(format!("soakscope-own-{}", std::process::id()));
    for (series, routes) in [(0, 0), (300, 20), (300, 500), (2_000, 200)] {
        let names: Vec<String> = (0..series).map(|n| format!("series_{n}")).collect();
        let before = LIVE.load(Relaxed);
        let mut builder = Agent::builder("quiet")
            .run_dir(&runs)
            .tick(Duration::from_millis(50))
            .cpu_window(Duration::from_secs(1));
        for name in &names {
            builder = builder.track(name, || 7.0);
        }
        let agent = builder.start().unwrap();
        let subscriber = tracing_subscriber::registry().with(agent.layer());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..6 {
                for route in 0..routes {
                    request(&format!("/route/{route}"));
                }
                burn();
                at_rest(&agent, before, &format!("{series} series, {routes} routes"));
            }
        });
        drop(agent);
    }
    std::fs::remove_dir_all(runs).unwrap();
}
