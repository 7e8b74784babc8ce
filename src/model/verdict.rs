//! The four verdicts, as closed enums that carry their evidence; `report/` renders them as text.

use serde::{Deserialize, Serialize};

use crate::model::Unit;
use crate::model::text::{count, joined};

/// The interval of a change that counts must exclude everything up to this share of the minimum effect
/// (`docs/measurement.md`).
pub const LEFT_OUT: f64 = 0.5;

/// A number with the interval that it is known to.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    /// Lower end of the interval; equal to `value` for an exact metric.
    pub low: f64,
    pub high: f64,
    /// Coverage of the interval, for pairs the joint one of all looks: 0.95, or 1 for an exact metric.
    pub confidence: f64,
}

impl Estimate {
    pub fn exact(value: f64) -> Self {
        Self { value, low: value, high: value, confidence: 1.0 }
    }
}

/// How the samples of the two sides were taken.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    Paired,
    /// Two sessions; the interval is widened by drift.
    Unpaired,
    Exact,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval meets the bound.
    Pass(Effect),
    /// The whole interval violates it.
    Fail(Effect),
    /// The interval straddles the bound, or too little was measured to draw one; about `more_runs` more pairs (or runs a
    /// side) would settle it at the present noise.
    Inconclusive { finding: Option<Effect>, because: Doubt, more_runs: Option<u32> },
    /// Nothing can be concluded, and more runs would not help.
    Invalid { because: Flaw },
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What was compared with the bound, in the bound's own terms: a share of the baseline for relative
    /// bounds (0.05 is +5 %), the metric's unit for absolute ones.
    pub estimate: Estimate,
    pub design: Design,
    /// Samples (pairs, when paired) on the baseline's side.
    pub n_before: u32,
    pub n_after: u32,
    /// Two-sided p-value of "no difference" where a test was made.
    pub p_value: Option<f64>,
    /// The smallest change, as a share, that counts as one here (noise floor or the contract's).
    pub min_effect: f64,
    /// Whether the baseline is zero, so that there is no share of it: the estimate is the difference itself, in the
    /// metric's unit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_zero: bool,
    /// The unit of the estimate unless it is a share; early versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// The bound lies within the interval.
    Straddles,
    /// There are fewer samples than an interval needs.
    TooFew { have: u32, need: u32 },
    /// The change is smaller than what counts, or too close to that.
    BelowMinEffect,
    /// The reference workload moved too much between the two sessions: by this ratio of its medians, after over before.
    Drift { ratio: f64 },
    /// An exact metric gave different values for the same code.
    NotExact,
}

/// Why a metric has no usable samples on one side. Never read as zero.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unusable {
    #[error("it was not measured")]
    NotMeasured,
    /// The command failed: `failed` of `runs` runs, the last exit code where there was one.
    #[error("{failed} of {} failed, the last {}", count(*.runs, "run", "runs"), ended(*.code))]
    CommandFailed { failed: u32, runs: u32, code: Option<i32> },
    #[error("a run was ended at its timeout of {timeout_s} s")]
    TimedOut { timeout_s: f64 },
    /// It is measured in another way than in the other snapshot: another command, another place of the number.
    #[error("the config measures it in another way than in the baseline")]
    Redefined,
    #[error("the path {path} does not exist")]
    MissingPath { path: String },
    /// Version 1 recorded 0 bytes, which it did both for an empty path and for one that does not exist.
    #[error("{path} was recorded as 0 bytes, which may mean empty or missing")]
    MissingOrEmpty { path: String },
    /// It printed nothing and ended at once, where the other side printed so many bytes.
    #[error(
        "it printed nothing and ended at once, where the other side printed {printed} bytes: it did not do the work"
    )]
    DidNothing { printed: u64 },
    /// It was read from a file that nobody wrote again: after `than` was changed, or since the baseline.
    #[error("{path} was {}; build or write it again, or give its `stale_ok: REASON`", staleness(.than.as_deref()))]
    Stale { path: String, than: Option<String> },
    /// The probe ran but gave no value (extraction failed, not a number, endpoint unreachable), in its words.
    #[error("{message}")]
    NoValue { message: String },
}

fn ended(code: Option<i32>) -> String {
    code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"))
}

fn staleness(than: Option<&str>) -> String {
    than.map_or("not written again since the baseline".to_owned(), |than| format!("written before {than} was changed"))
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "flaw", rename_all = "snake_case")]
pub enum Flaw {
    #[error("the baseline has no usable value: {reason}")]
    Before { reason: Unusable },
    #[error("the state after has no usable value: {reason}")]
    After { reason: Unusable },
    #[error("the two sides come from different machines ({} differ)", joined(.parts))]
    OtherMachine { parts: Vec<String> },
    #[error("both sides measured the same code and the same tuneables: there is no change to judge")]
    SameCode,
    /// A side opened this file of the user's own checkout, so that both may have run the same code.
    #[error(
        "a side opened {path} of your own checkout, so both may have run the same code; let the command, `cwd` and `env` name \
         paths relative to the project's root, and leave what is built out of `pair.share`"
    )]
    SharedCode { path: String },
    #[error("the two sides cannot be compared: {what}")]
    NotComparable { what: String },
    #[error("the baseline is zero, so there is no share of it; use an absolute bound")]
    ZeroBaseline,
    #[error("{path} is not what was recorded")]
    Altered { path: String },
}

/// The verdicts in order of gravity; the overall one of a comparison is the gravest.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    Inconclusive,
    Invalid,
    Fail,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Invalid => "invalid",
            Self::Fail => "fail",
        }
    }
}

impl Effect {
    /// Whether the change counts: the estimate is at least the minimum effect, and the interval excludes everything up
    /// to half of it. Excluding zero is not enough: if the noise is as large as the minimum effect, every interval that
    /// excludes zero by chance has an estimate of that size.
    pub fn counts(&self) -> bool {
        let least = self.least();
        let nearest = if self.estimate.value < 0.0 { -self.estimate.high } else { self.estimate.low };
        nearest > 0.0 && nearest >= least * LEFT_OUT && self.estimate.value.abs() >= least
    }

    /// Whether the whole interval lies within the minimum effect, so that no change that counts remains possible
    /// (equivalence in the sense of D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987)
    /// 657–680).
    pub fn is_ruled_out(&self) -> bool {
        self.estimate.low >= -self.least() && self.estimate.high <= self.least()
    }

    /// The smallest change that counts; 0 for an exact value, which has no noise.
    pub fn least(&self) -> f64 {
        if self.design == Design::Exact || self.from_zero { 0.0 } else { self.min_effect }
    }

    pub fn share(&self) -> Option<Estimate> {
        (!self.from_zero).then_some(self.estimate)
    }

    /// The estimate for comparison with relative bounds: with a zero baseline, any difference is an infinite share.
    pub fn as_share_bounds(&self) -> Estimate {
        let Estimate { value, low, high, confidence } = self.estimate;
        let share = |at: f64| if self.from_zero && at != 0.0 { f64::INFINITY.copysign(at) } else { at };
        Estimate { value: share(value), low: share(low), high: share(high), confidence }
    }
}

impl Verdict {
    pub fn finding(&self) -> Option<&Effect> {
        match self {
            Self::Pass(finding) | Self::Fail(finding) => Some(finding),
            Self::Inconclusive { finding, .. } => finding.as_ref(),
            Self::Invalid { .. } => None,
        }
    }

    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Pass(_) => Outcome::Pass,
            Self::Fail(_) => Outcome::Fail,
            Self::Inconclusive { .. } => Outcome::Inconclusive,
            Self::Invalid { .. } => Outcome::Invalid,
        }
    }
}
