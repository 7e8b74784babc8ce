//! The contract of a change: what should improve, what must not get worse, and when and how to roll back.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::{Criterion, Digest, Trigger};

/// The default rollback action, as in the Python tool.
pub const DEFAULT_ROLLBACK: &str = "git revert <sha>";

/// The five parts. Parts may be missing while it is being written.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contract {
    pub hypothesis: String,
    /// The primary KPI: what must hold for the change to be promoted.
    pub kpi: Option<Criterion>,
    pub guardrails: Vec<Criterion>,
    /// When to go back after it is rolled out.
    pub trigger: Option<Trigger>,
    /// How to go back; `<sha>` stands for the change's commit.
    pub rollback: String,
    /// The smallest change, as a share of the baseline (0.02 is 2 %), that counts as one. `None`: the noise floor decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Hypothesis,
    Kpi,
    Guardrails,
    Trigger,
    Rollback,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hypothesis => "hypothesis",
            Self::Kpi => "primary KPI",
            Self::Guardrails => "guardrails",
            Self::Trigger => "rollback trigger",
            Self::Rollback => "rollback action",
        })
    }
}

impl Contract {
    pub fn digest(&self) -> Digest {
        Digest::of_json(&json!(self))
    }

    /// The parts still missing, in the order in which they are asked for.
    pub fn missing(&self) -> Vec<Part> {
        let parts = [
            (self.hypothesis.trim().is_empty(), Part::Hypothesis),
            (self.kpi.is_none(), Part::Kpi),
            (self.guardrails.is_empty(), Part::Guardrails),
            (self.trigger.is_none(), Part::Trigger),
            (self.rollback.trim().is_empty(), Part::Rollback),
        ];
        parts.into_iter().filter_map(|(missing, part)| missing.then_some(part)).collect()
    }

    /// Every criterion: KPI, guardrails, and the trigger if it is a criterion.
    pub fn criteria(&self) -> impl Iterator<Item = &Criterion> {
        self.kpi.iter().chain(&self.guardrails).chain(self.measured_trigger())
    }

    pub fn measured_trigger(&self) -> Option<&Criterion> {
        if let Some(Trigger::Measured(criterion)) = &self.trigger { Some(criterion) } else { None }
    }

    /// Replaces the parts that `newer` gives; an empty part keeps the old one.
    pub fn merged_with(self, newer: Self) -> Self {
        let text = |new: String, old: String| if new.trim().is_empty() { old } else { new };
        Self {
            hypothesis: text(newer.hypothesis, self.hypothesis),
            kpi: newer.kpi.or(self.kpi),
            guardrails: if newer.guardrails.is_empty() { self.guardrails } else { newer.guardrails },
            trigger: newer.trigger.or(self.trigger),
            rollback: text(newer.rollback, self.rollback),
            min_effect: newer.min_effect.or(self.min_effect),
        }
    }
}
