//! Load for the shop: requests at a rate that does not wait for answers.
//!
//! The model is open: each request has an intended start on a timetable, and its latency is counted from there.
//! A service that stalls for a second therefore shows that second in every request that was due in it, as its
//! users would see it; a generator that waits for its answers would hide it (coordinated omission).
//!
//! | Module | What lives there |
//! |---|---|
//! | [`Scenario`] | the shape of a run: phases, each with a length and a rate |
//! | [`Plan`] | phases made concrete: how many requests, and when each is due |
//! | [`generate`] | sends a plan's requests over keep-alive connections |
//! | [`Tally`] | what the client saw, as JSON in the shape of oha's |
//! | [`Driver`] | the second process that does the sending, and its end in this one |
//!
//! It is bounded four ways: in time and count by its plan, to loopback addresses, and by the life of the
//! process that started it.

mod driver;
mod generator;
mod mix;
mod plan;
mod scenario;
mod tally;

pub use driver::{Driver, Event, Order, Outcome, drive};
pub use generator::{Progress, Sent, generate};
pub use plan::{Phase, Plan};
pub use scenario::Scenario;
pub use tally::{Percentiles, Tally};
