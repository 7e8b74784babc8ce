//! Tuneables that changed between two snapshots. Owns what counts as changed; must not know what a key means.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Snapshot;

/// A key whose effective value, or the layer that it comes from, changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneableChange {
    pub key: String,
    /// The effective value before; null where the key was not set (see `old_layer`).
    pub old: Option<Value>,
    pub new: Option<Value>,
    /// The file or `env:NAME` that the old value came from.
    pub old_layer: Option<String>,
    pub new_layer: Option<String>,
}

/// Every changed key, in order.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<TuneableChange> {
    let keys: BTreeSet<&String> = before.tuneables.keys().chain(after.tuneables.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (before.tuneables.get(key), after.tuneables.get(key));
            let same = match (old, new) {
                (Some(old), Some(new)) => old.value == new.value && old.layer == new.layer,
                _ => false,
            };
            (!same).then(|| TuneableChange {
                key: key.clone(),
                old: old.map(|tuneable| tuneable.value.clone()),
                new: new.map(|tuneable| tuneable.value.clone()),
                old_layer: old.map(|tuneable| tuneable.layer.clone()),
                new_layer: new.map(|tuneable| tuneable.layer.clone()),
            })
        })
        .collect()
}
