//! Profiling and soak monitoring inside a service: did it leak, regress or break
//! its budget, and which code did it?
//!
//! Embed the agent, put load on the service for a minute or for three days, stop.
//! The agent keeps a timeline of memory, CPU, descriptors, connections, threads,
//! tasks and latency, samples CPU and heap stacks, serves Prometheus metrics, and
//! at the end gives a verdict with its numbers.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pool = std::sync::Arc::new(Pool);
//! # struct Pool;
//! # impl Pool { fn in_use(&self) -> u32 { 3 } }
//! # let runs = std::env::temp_dir().join(format!("soakscope-doc-{}", std::process::id()));
//! use tracing_subscriber::prelude::*;
//!
//! #[global_allocator] // optional: live heap in the timeline, and who holds it
//! static ALLOC: soakscope::HeapProfiler = soakscope::HeapProfiler::system();
//!
//! let agent = soakscope::Agent::builder("checkout")
//!     .run_dir("runs") // optional: where runs are written
//! #   .run_dir(&runs)
//!     .listen("127.0.0.1:9900") // optional: admin server
//! #   .listen("127.0.0.1:0")
//!     .track("db_pool_in_use", { let p = pool.clone(); move || p.in_use() as f64 }) // any series of your own
//!     .start()?;
//! tracing_subscriber::registry().with(agent.layer()).init(); // optional: requests and spans
//! // ... the service runs ...
//! let outcome = agent.finish()?; // judges the run and writes its files
//! println!("{}", outcome.summary());
//! // std::process::exit(outcome.exit_code()); // 0 pass, 1 fail, 3 inconclusive
//! # assert!(outcome.run_dir().is_some_and(|dir| dir.join("verdict.json").exists()));
//! # std::fs::remove_dir_all(runs)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Builder`] has the options, [`Agent`] is the running agent, [`Outcome`] is
//! how the run ended.
//!
//! # What is observed
//!
//! **The process**, at each tick ([`Builder::tick`], one second): a row of
//! `timeline.csv` with memory, CPU, descriptors, threads, sockets by state, the
//! cgroup and its pressure, the tokio runtime, and any series that the service
//! adds with [`Builder::track`].
//!
//! **CPU stacks**, with no privileges and no frame pointers: windows of ten seconds
//! in the pprof format, in which each sample has its thread, phase, route and
//! span.
//!
//! **The heap**, where the allocator is [`HeapProfiler`]: what lives, who
//! allocated it, and whose old blocks keep accumulating.
//!
//! **Requests and spans**, where the service's subscriber has [`Agent::layer`]:
//! rates and latencies by route, CPU time and allocations per request, slow
//! requests with where their time went, and statements that a request repeats
//! (N+1). With the feature `axum`, `soakscope::axum::trace_layer` opens the spans
//! of requests; any other framework's spans do that carry `http.route` or
//! `otel.kind = "server"`.
//!
//! # While it runs
//!
//! The admin server ([`Builder::listen`]) has a thread of its own and answers
//! while the service's runtime is stalled: `/status` with the verdict so far,
//! `/metrics` for Prometheus, `/debug/pprof/*` for `go tool pprof`, Parca and
//! Pyroscope, `POST /phase/NAME`, `POST /finish`. It listens on the address
//! given; one beyond loopback needs a token.
//!
//! A load generator marks what it does as phases, over HTTP or with
//! [`Agent::phase`]; latencies, profiles and budgets can be had by phase.
//!
//! # How it is judged
//!
//! [`Agent::finish`] judges each series for leaks, and the run by a budget file
//! ([`Builder::budgets`]), which is judged while the run goes on, too. A verdict
//! is [pass, fail or inconclusive](Verdict): too little data does not pass, and
//! the verdict says how much more is needed. The run directory then has
//! `verdict.json`, a report, flame graphs and a timeline as pictures; the command
//! `soakscope` (crate `soakscope-cli`) judges, draws and checks it again.
//!
//! # What it promises to the service
//!
//! The agent never stops the service: what fails inside it after the start is
//! a warning (`tracing`, target `soakscope`), a counter and an entry in
//! `events.jsonl`. What is lost is counted by cause, and what could not be read is
//! missing, not zero. Its own memory, CPU time, threads and descriptors are
//! columns of the timeline, and are never taken for the service's.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `admin` (default) | the admin server; without it a service compiles neither axum nor hyper, and [`Agent::metrics`] has the text for a `/metrics` of its own |
//! | `axum` | `soakscope::axum::trace_layer`, request spans for services on axum |
//! | `pprof-engine` | the CPU clock `pprof` on Linux; elsewhere it is always there |
//!
//! Measuring lives in `soakscope-sampler`, judging and rendering in
//! `soakscope-report`; this crate ties the two to a service.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "admin"),
    allow(dead_code, reason = "what only the admin server asks for")
)]

#[cfg(feature = "admin")]
mod admin;
#[cfg(not(feature = "admin"))]
#[path = "no_admin.rs"]
mod admin;
mod agent;
mod budgets;
mod builder;
mod clock;
mod config;
mod disk;
mod drops;
mod error;
mod frameworks;
mod history;
mod journal;
mod metrics;
mod own_bytes;
mod phases;
mod process;
mod profiles;
mod run;
mod session;
mod spans;
mod threads;
#[cfg(test)]
mod three_days;
mod timeline;
mod tracing_layer;

pub use agent::Agent;
pub use builder::Builder;
pub use error::Error;
#[cfg(feature = "axum")]
pub use frameworks::axum;
pub use run::outcome::Outcome;
pub use soakscope_report::{BudgetOutcome, Kind, RunVerdict, Verdict};
pub use soakscope_sampler::{Clock, ClockChoice, HeapProfiler};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
