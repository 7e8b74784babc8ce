//! Takes measurements: commands, sizes, HTTP, KPIs, tuneables, pairs. Judges nothing.

pub mod command;
pub(crate) mod duration;
pub(crate) mod freshness;
pub(crate) mod http;
pub(crate) mod kpi;
pub(crate) mod machine;
pub(crate) mod number;
pub(crate) mod opened;
pub mod pair;
pub(crate) mod pointer;
pub(crate) mod profile;
pub(crate) mod results;
pub(crate) mod revision;
pub(crate) mod size;
pub(crate) mod snapshot;
pub(crate) mod tuneables;

pub use command::{Place, Runner, SystemRunner};
pub(crate) use machine::Reference;
pub(crate) use revision::ObservedCode;
pub use tuneables::TuneablesError;

/// The name and version of this tool, as snapshots record it.
pub(crate) const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
