//! The control hierarchy: which layer of control a path or variable belongs to, the highest authority first. Must not
//! know which paths those are; the config says.

use serde::Serialize;

/// Which layer of the control hierarchy a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// Every surface, the highest authority first.
    pub const ALL: [Self; 5] = [Self::Invariants, Self::Contracts, Self::Env, Self::Tuneables, Self::Overlays];

    /// Its name in the config.
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
