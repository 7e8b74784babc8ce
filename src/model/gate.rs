//! The gates in their order. Must not know how a gate is passed; that is `change/gates/`.

use serde::{Deserialize, Serialize};

/// A step that may be entered only when what it demands is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    Open,
    Contract,
    /// 2: the baseline is captured, and the contract frozen.
    Baseline,
    /// 3: the delta is there and its checks pass.
    Validate,
    /// 4: the state after it is captured.
    After,
    Compare,
    /// 6: it is promoted, held or rejected.
    Decide,
    /// 7: it is rolled out, stage by stage.
    Rollout,
    /// 8: it is verified after the monitoring window.
    Verify,
}

impl Gate {
    /// Every gate in order.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Contract,
        Self::Baseline,
        Self::Validate,
        Self::After,
        Self::Compare,
        Self::Decide,
        Self::Rollout,
        Self::Verify,
    ];

    /// Its number in the workflow, 0 to 8.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name in messages and in `--require`.
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
