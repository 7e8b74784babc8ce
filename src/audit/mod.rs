//! Findings about commits and records. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod anchored;
pub mod commit;
pub mod demanded;
pub mod finding;
pub mod history;
pub mod merge;
pub mod message;
pub mod monitored;
pub mod policy;
pub mod preflight;
pub mod range;
pub mod recompute;
pub mod record;
pub mod witnessed;

mod lines;
mod session;
mod settings;
mod surface;
mod tracked;
mod validation;
