//! What talks to `tracing`: the layer that measures spans, and what it keeps of
//! those that are open. What spans mean for a run is in [`spans`](crate::spans).

pub(crate) mod callsites;
pub(crate) mod entered;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod kept;
pub(crate) mod layer;
pub(crate) mod open_spans;
pub(crate) mod request_end;
pub(crate) mod scope;
