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

mod error;
mod leak;
pub mod load;
mod service;
pub mod span_of_time;

pub use error::Error;
pub use leak::Leak;
pub use service::{Options, Shop};
