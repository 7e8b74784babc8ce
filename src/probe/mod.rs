//! Measuring: each probe returns what it saw, as evidence types. Never judges.

pub mod check;
pub mod command;
pub mod env;
pub mod flatten;
pub mod http;
pub mod kpi;
pub mod machine;
pub mod pair;
pub mod pointer;
pub mod project;
pub mod reference;
pub mod revision;
pub mod size;
pub mod snapshot;
pub mod tuneables;

/// Name and version of this tool, as evidence holds them.
pub const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
