//! The agent's metrics, and how `/metrics` shows them beside the service's own.

pub(crate) mod exposition;
pub(crate) mod families;
pub(crate) mod page;
pub(crate) mod telemetry;
