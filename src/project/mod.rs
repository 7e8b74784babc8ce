//! What kind of project this is, seen from its files. Reads files only; runs nothing and writes nothing.

pub mod analysis;
pub mod bloat;
pub mod commands;
pub mod footprint;
pub mod languages;
pub mod onboarding;
pub mod python;
pub mod questions;

mod marker;

pub use analysis::Analysis;
pub use footprint::FileSize;
pub use python::DependencyHints;
pub use questions::Question;
