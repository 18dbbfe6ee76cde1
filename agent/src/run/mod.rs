//! A run, from its start to its seal.

pub(crate) mod claim;
mod directory;
mod finish;
mod info;
pub(crate) mod judged;
pub(crate) mod live;
pub(crate) mod outcome;
pub(crate) mod start;
