//! The shop: a small but real service for soakscope to watch, and the load that drives it.
//!
//! Three programs use this library: `soak` (everything in one command), `shop` (the service for a load
//! generator of your own) and `overhead` (what the agent costs).
//!
//! | Module | What lives there |
//! |---|---|
//! | [`Shop`] | an axum service over an embedded SQLite database, on an address of its own |
//! | [`Leak`] | the fault it is asked to have: none, or one of five that soak tests exist to find |
//! | [`load`] | an open-model load generator, run in a second process |
//! | [`attach()`] | the agent in the shop: all that a service has to do |
//! | [`soak`] | the soak program, whatever its allocator |
//! | [`trial`] | a shop in a process of its own, its CPU and memory measured from outside |
//!
//! ```
//! # let runtime = tokio::runtime::Runtime::new().unwrap();
//! # runtime.block_on(async {
//! let shop = shop::Shop::start(shop::Options::default()).await?;
//! println!("open for business on http://{}", shop.addr());
//! shop.stop().await;
//! # Ok::<(), shop::Error>(())
//! # }).unwrap();
//! ```

mod allocator;
mod attach;
mod error;
mod leak;
pub mod load;
pub mod open_files;
mod service;
pub mod soak;
pub mod span_of_time;
mod status_line;
pub mod trial;
pub mod views;

pub use allocator::{INNER, Inner};
pub use attach::{ADMIN, Attachment, RunDir, attach};
pub use error::Error;
pub use leak::Leak;
pub use service::{Options, Shop};
pub use status_line::{StatusLine, Vitals};
