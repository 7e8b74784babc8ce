//! A metric: one named series of samples with its unit and better-direction. Owns the names and the
//! meaning of "missing"; must not judge.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Unit;

/// The dotted name of a metric, such as `timing.tests.wall` or `kpi.advisory_p95_ms`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricId(String);

impl MetricId {
    /// A metric of that name. Any text is a name; whether it can be measured is the config's to say.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which direction is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Smaller is better: durations, sizes, error counts.
    Lower,
    /// Larger is better: throughput, hit rates, quality scores.
    Higher,
}

/// How many samples it takes before a value means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Varies from run to run; a verdict needs many samples.
    Sampled,
    /// The same at every measurement of the same code; one sample decides.
    Exact,
    /// Each sample is 1 (success) or 0 (failure); judged as a proportion.
    Rate,
}

/// A metric that was measured: what it is, and its samples in run order. All samples are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub id: MetricId,
    pub unit: Unit,
    pub better: Better,
    pub sampling: Sampling,
    /// Whether the samples are in the order in which they were taken; version 1 kept them sorted.
    pub ordered: bool,
    pub samples: Vec<f64>,
}

/// Why a metric has no usable samples on one side. Never read as zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unusable {
    NotMeasured,
    /// The command failed: `failed` of `runs` runs, the last exit code where there was one.
    CommandFailed {
        /// Runs that ended with a code other than 0, or by a signal.
        failed: u32,
        runs: u32,
        code: Option<i32>,
    },
    /// A run was ended at its timeout.
    TimedOut {
        timeout_s: f64,
    },
    /// It is measured in another way than in the other snapshot: another command, another place of the number.
    Redefined,
    MissingPath {
        path: String,
    },
    /// Version 1 recorded 0 bytes, which it did both for an empty path and for one that does not exist.
    MissingOrEmpty {
        path: String,
    },
    /// The probe ran but gave no value (extraction failed, not a number, endpoint unreachable).
    NoValue {
        /// What went wrong, in the probe's words.
        message: String,
    },
}

/// A metric as one snapshot holds it: measured, or not, with the reason.
pub type Reading = Result<Series, Unusable>;
