//! Options of the agent that a reader goes by: keys of `config` in `run.json`,
//! for whoever writes it and whoever reads it.

/// The leak of memory that the run must be able to show, such as `10MB/h`.
pub const MUST_SEE: &str = "must_see";

/// The environment whose overrides of the budgets are in force.
pub const ENVIRONMENT: &str = "environment";
