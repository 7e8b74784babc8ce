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
pub use compare::{Comparison, CriterionRow, Level, MetricRow, PairRow, Role, Settings, Side};
pub use decisive::{CpuReason, Decision, Decisive, WallReason};
pub use effect::{Circumstances, Undecided};
pub use noise::{CalibratedCommand, Calibration, Injected, Row, Tally};
pub use rule::Change;
pub use series::{Measured, PairSample, PairedReading, PairedSeries, Reading, Series};
