//! Differences between two snapshots, without interpretation: the deltas of version 1, tuneables, watched variables,
//! and the definitions of what is measured.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::snapshot::SCHEMA_V1;
use crate::model::{Digest, MetricId, Snapshot, Timing, Tuneable};

/// Version 1's differences: a side that was not measured is null, never 0.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deltas {
    pub sizes: BTreeMap<String, SizeDelta>,
    /// In the order of the snapshot after the change, then what only the baseline has.
    pub timings: Vec<TimingDelta>,
    pub http: Vec<HttpDelta>,
}

/// A path's bytes.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeDelta {
    pub before_bytes: Option<u64>,
    pub after_bytes: Option<u64>,
    pub delta_bytes: Option<i64>,
}

/// A command's wall times in seconds.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimingDelta {
    pub name: String,
    pub before_mean_s: Option<f64>,
    pub after_mean_s: Option<f64>,
    pub delta_mean_s: Option<f64>,
    pub before_p95_s: Option<f64>,
    pub after_p95_s: Option<f64>,
    pub delta_p95_s: Option<f64>,
    pub before_last_rc: Option<i32>,
    pub after_last_rc: Option<i32>,
}

/// A probe's last answers.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpDelta {
    pub url: String,
    /// Whether the baseline's answer was the expected one.
    pub before_ok: Option<bool>,
    pub after_ok: Option<bool>,
    pub before_status: Option<u16>,
    pub after_status: Option<u16>,
    pub after_error: Option<String>,
}

pub(crate) fn deltas(before: &Snapshot, after: &Snapshot) -> Deltas {
    Deltas { sizes: sizes(before, after), timings: timings(before, after), http: http(before, after) }
}

fn bytes(snapshot: &Snapshot, path: &str) -> Option<u64> {
    let bytes = snapshot.sizes.get(path)?.bytes;
    // Version 1 wrote 0 for a path that does not exist.
    (bytes > 0 || snapshot.schema != SCHEMA_V1).then_some(bytes)
}

fn sizes(before: &Snapshot, after: &Snapshot) -> BTreeMap<String, SizeDelta> {
    let all = [before, after].into_iter().flat_map(|side| side.sizes.keys().chain(&side.missing_sizes));
    let paths: BTreeSet<&String> = all.collect();
    let delta = |path: &String| {
        let (old, new) = (bytes(before, path), bytes(after, path));
        let difference = old.zip(new).and_then(|(old, new)| i64::try_from(i128::from(new) - i128::from(old)).ok());
        (path.clone(), SizeDelta { before_bytes: old, after_bytes: new, delta_bytes: difference })
    };
    paths.into_iter().map(delta).collect()
}

/// A full outer join: the items of `after`, each with its match in `before`, then those only in `before`.
fn joined<'a, T>(before: &'a [T], after: &'a [T], key: impl Fn(&T) -> &str) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    // Of several items with the same key, the first one matches.
    let twins: BTreeMap<&str, &T> = before.iter().rev().map(|item| (key(item), item)).collect();
    let known: BTreeSet<&str> = after.iter().map(&key).collect();
    let rows = after.iter().map(|item| (twins.get(key(item)).copied(), Some(item)));
    let alone = before.iter().filter(|item| !known.contains(key(item))).map(|item| (Some(item), None));
    rows.chain(alone).collect()
}

/// `None` if the command failed, whose times mean nothing.
fn time(timing: Option<&Timing>, of: impl Fn(&Timing) -> Option<f64>) -> Option<f64> {
    timing.filter(|timing| timing.last_rc == Some(0)).and_then(of)
}

fn difference(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    before.zip(after).map(|(before, after)| after - before)
}

fn timings(before: &Snapshot, after: &Snapshot) -> Vec<TimingDelta> {
    let rows = joined(&before.timings, &after.timings, |timing| &timing.name);
    rows.into_iter()
        .filter_map(|(old, new)| {
            let (before_mean_s, after_mean_s) = (time(old, |t| t.mean_s), time(new, |t| t.mean_s));
            let (before_p95_s, after_p95_s) = (time(old, |t| t.p95_s), time(new, |t| t.p95_s));
            Some(TimingDelta {
                name: new.or(old)?.name.clone(),
                before_mean_s,
                after_mean_s,
                delta_mean_s: difference(before_mean_s, after_mean_s),
                before_p95_s,
                after_p95_s,
                delta_p95_s: difference(before_p95_s, after_p95_s),
                before_last_rc: old.and_then(|timing| timing.last_rc),
                after_last_rc: new.and_then(|timing| timing.last_rc),
            })
        })
        .collect()
}

fn http(before: &Snapshot, after: &Snapshot) -> Vec<HttpDelta> {
    let rows = joined(&before.http, &after.http, |http| &http.url);
    rows.into_iter()
        .filter_map(|(old, new)| {
            Some(HttpDelta {
                url: new.or(old)?.url.clone(),
                before_ok: old.map(|http| http.ok),
                after_ok: new.map(|http| http.ok),
                before_status: old.and_then(|http| http.status),
                after_status: new.and_then(|http| http.status),
                after_error: new.and_then(|http| http.error.clone()),
            })
        })
        .collect()
}

/// A key whose effective value, or the layer that it comes from, changed.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectiveChange {
    pub key: String,
    /// The effective value before; null where the key was not set (see `old_layer`).
    pub old: Option<Value>,
    pub new: Option<Value>,
    /// The file or `env:NAME` that the old value came from.
    pub old_layer: Option<String>,
    pub new_layer: Option<String>,
}

pub fn tuneable_changes(
    before: &BTreeMap<String, Tuneable>,
    after: &BTreeMap<String, Tuneable>,
) -> Vec<EffectiveChange> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (before.get(key), after.get(key));
            let same = old.zip(new).is_some_and(|(old, new)| old.value == new.value && old.layer == new.layer);
            (!same).then(|| EffectiveChange {
                key: key.clone(),
                old: old.map(|tuneable| tuneable.value.clone()),
                new: new.map(|tuneable| tuneable.value.clone()),
                old_layer: old.map(|tuneable| tuneable.layer.clone()),
                new_layer: new.map(|tuneable| tuneable.layer.clone()),
            })
        })
        .collect()
}

/// A variable with another value.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableChange {
    pub name: String,
    /// Its value before, or the digest of it; null where it was not set.
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Every changed variable, by name. Skips variables that only one side watched, as their change is unknown.
pub(crate) fn variable_changes(before: &Snapshot, after: &Snapshot) -> Vec<VariableChange> {
    let both = before.env.iter().filter_map(|(name, old)| Some((name, old, after.env.get(name)?)));
    both.filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| VariableChange { name: name.clone(), old: old.clone(), new: new.clone() })
        .collect()
}

/// Prefixes of the definitions that apply to a change whatever metrics its contract names.
const GENERAL: [&str; 5] = ["commands.", "pair.", "validation.", "surfaces.", "contract_docs."];

/// Whether a definition applies whatever metrics a contract names: how a change is built, paired and checked, and what
/// it requires.
pub fn is_general(key: &str) -> bool {
    GENERAL.iter().any(|beginning| key.starts_with(beginning))
}

/// Whether the general definitions were recorded; earlier versions did not.
pub fn has_general(definitions: &BTreeMap<String, Digest>) -> bool {
    definitions.keys().any(|key| is_general(key))
}

/// The definitions of `before` that are different in `after`. A metric's definition missing in `after` does not count,
/// as the metric is reported as not measured; a missing general definition does, as it may be a removed check.
pub fn redefined(before: &BTreeMap<String, Digest>, after: &BTreeMap<String, Digest>) -> Vec<String> {
    let known = has_general(after);
    let differs = |(key, old): (&String, &Digest)| {
        let differs = after.get(key).map_or(known && is_general(key), |new| new != old);
        differs.then(|| key.clone())
    };
    before.iter().filter_map(differs).collect()
}

/// The timings whose recorded command differs between the sides.
pub(crate) fn other_commands(before: &[Timing], after: &[Timing]) -> Vec<String> {
    let olds: BTreeMap<&str, &str> = before.iter().map(|it| (it.name.as_str(), it.cmd.as_str())).collect();
    let is_other = |it: &&Timing| {
        let old = olds.get(it.name.as_str()).copied().unwrap_or_default();
        !old.is_empty() && !it.cmd.is_empty() && old != it.cmd
    };
    after.iter().filter(is_other).map(|it| format!("timing.{}", it.name)).collect()
}

/// Whether `stem` names the definition of a metric: `kpi.v` that of `kpi.v`, `timing.t` that of `timing.t.wall`.
pub fn governs(stem: &str, id: &MetricId) -> bool {
    match id.as_str().strip_prefix(stem) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|last| !last.contains('.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_governs_its_own_metrics_only() {
        let governs = |stem: &str, id: &str| governs(stem, &MetricId::new(id));
        assert!(governs("timing.t", "timing.t.wall") && governs("kpi.v", "kpi.v"));
        assert!(!governs("timing.t", "timing.t2.wall") && !governs("timing.t", "timing.t.x.wall"));
    }

    #[test]
    fn only_what_both_sides_define_can_be_redefined() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, Digest> {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), Digest::of_bytes(text.as_bytes()))).collect()
        };
        let before = of(&[("kpi.v", "a"), ("kpi.w", "a"), ("kpi.x", "a")]);
        assert_eq!(redefined(&before, &of(&[("kpi.v", "a"), ("kpi.w", "b"), ("kpi.y", "c")])), ["kpi.w"]);
    }
}
