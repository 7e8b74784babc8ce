//! Measuring: each probe returns what it saw, as evidence types. Never judges.

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
