//! In-process profiling and soak monitoring for services.
//!
//! Embed the agent, put load on the service, stop. The agent keeps a timeline
//! of memory, CPU, descriptors, connections, threads, tasks and latency,
//! samples CPU stacks, serves Prometheus metrics, and at the end says whether
//! the service leaked, with the numbers.
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
//! let outcome = agent.finish()?; // seals the run
//! println!("{}", outcome.summary());
//! // std::process::exit(outcome.exit_code());
//! # assert!(outcome.run_dir().is_some_and(|dir| dir.join("verdict.json").exists()));
//! # std::fs::remove_dir_all(runs)?;
//! # Ok(())
//! # }
//! ```
//!
//! What is where: options in [`Builder`], the running agent in [`Agent`], how
//! it ended in [`Outcome`]. Judging and rendering live in `soakscope-report`,
//! measuring in `soakscope-sampler`; this crate ties the two to a service.
//!
//! [`Agent::layer`] measures requests and spans, labels every sample with them,
//! and finds slow requests and repeated statements. With the feature `axum`,
//! `soakscope::axum::trace_layer` opens the spans of requests.
//!
//! The agent never stops the service: what fails inside it after the start is
//! a warning (`tracing`, target `soakscope`), a counter and an entry in
//! `events.jsonl`.

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
