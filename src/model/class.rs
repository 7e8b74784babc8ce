//! Classes of change and the gates each has to pass. Owns the spec's table "change classes and required
//! evidence"; must not look at evidence itself.

use serde::{Deserialize, Serialize};

use crate::model::Gate;

/// What kind of change it is: which gates and which evidence it owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A threshold, weight, cooldown or limit that already exists.
    Tuneable,
    /// Code, with its tests, and docs where a contract changes.
    Code,
    /// A temporary override that stops harm now and must be replaced.
    Emergency,
    Experiment,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Tuneable, Self::Code, Self::Emergency, Self::Experiment];

    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tuneable => "tuneable",
            Self::Code => "code",
            Self::Emergency => "emergency",
            Self::Experiment => "experiment",
        }
    }

    /// The gates it must pass before it may be called verified, in order. An experiment never is.
    pub fn gates(self) -> &'static [Gate] {
        match self {
            Self::Tuneable | Self::Code => &Gate::ALL,
            Self::Emergency => &[Gate::Open, Gate::Contract, Gate::Rollout, Gate::Verify],
            Self::Experiment => {
                &[Gate::Open, Gate::Contract, Gate::Baseline, Gate::Validate, Gate::After, Gate::Compare]
            }
        }
    }

    /// Whether a change of this class has to pass `gate`.
    pub fn owes(self, gate: Gate) -> bool {
        self.gates().contains(&gate)
    }
}
