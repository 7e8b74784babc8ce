//! From samples to verdicts: series, effects, comparisons, caveats. Pure.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod bisect;
pub mod caveat;
pub mod compare;
pub mod decisive;
pub mod effect;
pub mod noise;
pub mod rule;
pub mod series;

pub use caveat::{Caveat, Which};
pub use compare::{ComparedSnapshot, Comparison, CriterionRole, CriterionRow, Level, MetricRow, PairRow, Settings};
pub use decisive::{CpuReason, Decisive, StoppingDecision, WallReason};
pub use effect::{Circumstances, Undecided};
pub use noise::{CalibratedCommand, Calibration, Injected, SelftestRow, Tally};
pub use rule::MetricChange;
pub use series::{MetricReadings, PairSample, PairedReading, PairedSeries, Reading, Series};
