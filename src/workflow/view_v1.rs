//! The fields of a version 1 record, computed from the events for other tools that read them.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::text::stamp;
use crate::model::{ChangeId, Event, Gate, Kind, RecordedSnapshot, Stage};
use crate::workflow::{Change, End};

/// Schema of the records that this tool writes.
pub const SCHEMA_V2: &str = "vibeship_optimizer.change.v2";
/// Schema of the Python tool's records; read only.
pub const SCHEMA_V1: &str = "vibeship_optimizer.change.v1";

/// The state of a change in one word. `planned` and `verified` are those of the Python tool; the others name the last
/// gate passed, the stage of the rollout, or the end.
pub fn status(change: &Change) -> &'static str {
    if let Some(end) = &change.end {
        return end.name();
    }
    if let Some(done) = change.stage() {
        return match done.stage {
            Stage::Full => "monitoring",
            stage @ (Stage::Canary | Stage::Live) => stage.name(),
        };
    }
    let passed = |gate| change.passed(gate);
    let words = [
        (Gate::Decide, "promoted"),
        (Gate::Compare, "compared"),
        (Gate::After, "measured"),
        (Gate::Validate, "validated"),
        (Gate::Baseline, "baseline"),
    ];
    words.into_iter().find(|(gate, _)| passed(*gate)).map_or("planned", |(_, word)| word)
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
pub(crate) struct ViewV1 {
    schema: &'static str,
    change_id: ChangeId,
    title: String,
    status: &'static str,
    started_at: String,
    commit: Option<String>,
    snapshot_before: Option<String>,
    snapshot_after: Option<String>,
    hypothesis: String,
    risk: String,
    rollback: String,
    validation_today: String,
    validation_next_days: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_attestation: Option<String>,
    verification_updates: Vec<Update>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_summary: Option<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
pub(crate) struct Update {
    ts: String,
    utc_date: NaiveDate,
    day: u32,
    snapshot: String,
    report: String,
}

pub fn fields(change: &Change) -> Map<String, Value> {
    let opened = change.opened.clone();
    let snapshot = |taken: &RecordedSnapshot| taken.snapshot.path.clone();
    let verified = if let Some(End::Verified { summary, at }) = &change.end { Some((summary, *at)) } else { None };
    let view = ViewV1 {
        schema: SCHEMA_V2,
        change_id: change.id().clone(),
        title: opened.title,
        status: status(change),
        started_at: stamp(change.opened_at),
        commit: change.commits().pop(),
        snapshot_before: change.baseline.as_ref().map(|baseline| snapshot(&baseline.taken)),
        snapshot_after: change.after.as_ref().map(|after| snapshot(&after.taken)),
        hypothesis: change.contract.hypothesis.clone(),
        risk: opened.risk,
        rollback: change.rollback_action(),
        validation_today: opened.validation_today,
        validation_next_days: opened.validation_next_days,
        review_attestation: change.attestation.as_ref().map(|attestation| attestation.artifact.path.clone()),
        verification_updates: updates(change, true),
        verified_at: verified.map(|(_, at)| stamp(at)),
        verified_summary: verified.map(|(summary, _)| summary.clone()),
    };
    // A struct always serializes to an object.
    if let Ok(Value::Object(fields)) = serde_json::to_value(view) { fields } else { Map::new() }
}

/// The monitored days. With `one_a_day`, a day that was measured again has one entry, its last measurement, because the
/// Python tool counts entries. Earlier versions listed every measurement.
pub(crate) fn updates(change: &Change, one_a_day: bool) -> Vec<Update> {
    let day = |event: &Event| if let Kind::Ticked(tick) = &event.what { Some(tick.utc_date) } else { None };
    let of_tick = |(at, event): (usize, &Event)| {
        let Kind::Ticked(tick) = &event.what else { return None };
        if one_a_day && change.events[at + 1..].iter().any(|later| day(later) == Some(tick.utc_date)) {
            return None;
        }
        Some(Update {
            ts: stamp(event.at),
            utc_date: tick.utc_date,
            day: tick.day,
            snapshot: tick.taken.snapshot.path.clone(),
            report: tick.report.path.clone(),
        })
    };
    change.events.iter().enumerate().filter_map(of_tick).collect()
}
