//! Watched variables that changed between two snapshots. Owns what counts as changed; must not know what one means.

use serde::{Deserialize, Serialize};

use crate::model::Snapshot;

/// A variable with another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableChange {
    pub name: String,
    /// Its value before, or the digest of it; null where it was not set.
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Every changed variable, in order. What one side did not watch is unknown there, and so is whether it changed.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<VariableChange> {
    let both = before.env.iter().filter_map(|(name, old)| Some((name, old, after.env.get(name)?)));
    both.filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| VariableChange { name: name.clone(), old: old.clone(), new: new.clone() })
        .collect()
}
