//! The gates in their order, the classes of change with their gates, and the surfaces that a class may touch.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A step that may be entered only when what it demands is there.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    Open,
    Contract,
    Baseline,
    Validate,
    After,
    Compare,
    Decide,
    Rollout,
    Verify,
}

impl Gate {
    /// The gates by name; two have another name by their results, too, which the documents use.
    pub fn by_name() -> impl Iterator<Item = (&'static str, Self)> {
        let also = [("promoted", Self::Decide), ("verified", Self::Verify)];
        Self::value_variants().iter().map(|gate| (gate.name(), *gate)).chain(also)
    }

    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Contract => "contract",
            Self::Baseline => "baseline",
            Self::Validate => "validate",
            Self::After => "after",
            Self::Compare => "compare",
            Self::Decide => "decide",
            Self::Rollout => "rollout",
            Self::Verify => "verify",
        }
    }
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gate {} ({})", self.number(), self.name())
    }
}

/// What kind of change it is: which gates and which evidence it owes.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A threshold, weight, cooldown or limit that already exists
    Tuneable,
    /// Code, with tests, and docs where a contract changes
    Code,
    /// A temporary override that stops harm now and must be replaced
    Emergency,
    /// Benchmark only; never promoted
    Experiment,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tuneable => "tuneable",
            Self::Code => "code",
            Self::Emergency => "emergency",
            Self::Experiment => "experiment",
        }
    }

    /// The gates a change must pass, in order. An experiment is never verified.
    pub fn gates(self) -> &'static [Gate] {
        match self {
            Self::Tuneable | Self::Code => Gate::value_variants(),
            Self::Emergency => &[Gate::Open, Gate::Contract, Gate::Rollout, Gate::Verify],
            Self::Experiment => {
                &[Gate::Open, Gate::Contract, Gate::Baseline, Gate::Validate, Gate::After, Gate::Compare]
            }
        }
    }

    pub fn owes(self, gate: Gate) -> bool {
        self.gates().contains(&gate)
    }
}

/// Which layer of the control hierarchy a path belongs to.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// Code safety and invariants, the highest authority.
    Invariants,
    /// Contract documents and the code that keeps them.
    Contracts,
    Env,
    Tuneables,
    Overlays,
}

impl Surface {
    pub fn name(self) -> &'static str {
        match self {
            Self::Invariants => "invariants",
            Self::Contracts => "contracts",
            Self::Env => "env",
            Self::Tuneables => "tuneables",
            Self::Overlays => "overlays",
        }
    }
}
