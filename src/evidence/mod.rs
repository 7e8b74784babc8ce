//! What was measured, and what may be concluded from it. Owns units, metrics, snapshots, criteria,
//! statistics and verdicts. Pure: does no I/O, reads no clock, and never renders text for a person.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod artifact;
pub mod calibration;
pub mod compare;
pub mod conceal;
pub mod criterion;
pub mod decisive;
pub mod digest;
pub mod effect;
pub mod hyperfine;
pub mod ingest;
pub mod judge;
pub mod machine;
pub mod measurable;
pub mod metric;
pub mod nearest;
pub mod noise;
pub mod pair;
pub mod revision;
pub mod scrub;
pub mod selftest;
pub mod series;
pub mod snapshot;
pub mod stats;
pub mod strict_json;
pub mod unit;
pub mod verdict;
