//! From samples to verdicts: series, effects, comparisons, caveats. Pure.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod calibration;
pub mod compare;
pub mod decisive;
pub mod effect;
pub mod noise;
pub mod rule;
pub mod selftest;
pub mod series;

pub use calibration::{CalibratedCommand, Calibration, Injected};
pub use compare::{Comparison, CriterionRow, Role, Settings, Side};
pub use decisive::{CpuReason, Decision, Decisive, WallReason};
pub use effect::{Circumstances, Undecided};
pub use noise::Tally;
pub use rule::{Change, Measured};
pub use selftest::Row;
pub use series::{PairSample, PairedReading, PairedSeries};
