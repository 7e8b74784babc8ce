//! The part of a compare file that version 1's readers know. Owns its shape: a side that was not measured is null,
//! never 0; must not judge.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::snapshot::SCHEMA_V1;
use crate::model::{Snapshot, Timing};

/// Version 1's differences.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deltas {
    pub sizes: BTreeMap<String, SizeDelta>,
    /// In the order of the snapshot after the change, then what only the baseline has.
    pub timings: Vec<TimingDelta>,
    pub http: Vec<HttpDelta>,
}

/// A path's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeDelta {
    pub before_bytes: Option<u64>,
    pub after_bytes: Option<u64>,
    pub delta_bytes: Option<i64>,
}

/// A command's wall times in seconds.
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

/// Version 1's differences of two snapshots.
pub fn deltas(before: &Snapshot, after: &Snapshot) -> Deltas {
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

/// What is in `after`, each with its twin in `before`, then what is in `before` alone.
fn joined<'a, T>(before: &'a [T], after: &'a [T], key: impl Fn(&T) -> &str) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let twin = |item: &T| before.iter().find(|other| key(other) == key(item));
    let mut rows: Vec<_> = after.iter().map(|item| (twin(item), Some(item))).collect();
    let alone = before.iter().filter(|item| !after.iter().any(|other| key(other) == key(item)));
    rows.extend(alone.map(|item| (Some(item), None)));
    rows
}

/// Times of a command that failed are no times.
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
