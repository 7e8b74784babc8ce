//! Takes measurements: commands, sizes, HTTP, KPIs, tuneables, pairs. Judges nothing.

pub mod check;
pub mod command;
pub mod env;
pub mod flatten;
pub mod http;
pub mod kpi;
pub mod machine;
pub mod pair;
pub mod pointer;
pub mod reference;
pub mod revision;
pub mod size;
pub mod snapshot;
pub mod tuneables;

pub use command::{Runner, SystemRunner, Timed, TimingPlan};
pub use env::{Environment, ProcessEnvironment};
pub use flatten::NotTuneables;
pub use http::Network;
pub use kpi::{KpiError, Sample};
pub use pointer::Nowhere;
pub use reference::Reference;
pub use revision::{Own, Seen};
pub use snapshot::Plan;
pub use tuneables::{Effective, TuneablesError};

/// The name and version of this tool, as snapshots record it.
pub const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
