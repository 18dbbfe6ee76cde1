//! Request spans for web frameworks, each behind a feature of its name.

#[cfg(feature = "axum")]
pub mod axum;
