//! A run, from its start to its seal.

pub(crate) mod directory;
pub(crate) mod finish;
pub(crate) mod info;
pub(crate) mod judged;
pub(crate) mod live;
pub(crate) mod outcome;
