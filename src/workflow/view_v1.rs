//! The fields of the original's record, as a view of the events: other tools read them, this one recomputes them.
//! Must hold nothing that the events do not.

use serde_json::{Map, Value, json};

use crate::model::{Gate, Kind, Stage};
use crate::workflow::{Change, End};

/// Schema name of the records written here.
pub const SCHEMA_V2: &str = "vibeship_optimizer.change.v2";
/// Schema name of the original's records, which are read.
pub const SCHEMA_V1: &str = "vibeship_optimizer.change.v1";

/// The state of a change in one word. `planned` and `verified` are the original's; the rest name the last gate
/// passed, the stage of the rollout, or the end.
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

/// The fields of a version 1 record, in its order.
pub fn fields(change: &Change) -> Map<String, Value> {
    let path = |taken: Option<&crate::model::Taken>| taken.map(|taken| taken.snapshot.path.clone());
    let opened = &change.opened;
    let mut view = Map::new();
    let mut put = |key: &str, value: Value| {
        view.insert(key.to_owned(), value);
    };
    put("schema", json!(SCHEMA_V2));
    put("change_id", json!(change.id()));
    put("title", json!(opened.title));
    put("status", json!(status(change)));
    put("started_at", json!(seconds(change.opened_at)));
    put("commit", json!(change.commits().last()));
    put("snapshot_before", json!(path(change.baseline.as_ref().map(|baseline| &baseline.taken))));
    put("snapshot_after", json!(path(change.after.as_ref().map(|after| &after.taken))));
    put("hypothesis", json!(change.contract.hypothesis));
    put("risk", json!(opened.risk));
    put("rollback", json!(change.rollback_action()));
    put("validation_today", json!(opened.validation_today));
    put("validation_next_days", json!(opened.validation_next_days));
    if let Some(attestation) = &change.attestation {
        put("review_attestation", json!(attestation.artifact.path));
    }
    put("verification_updates", updates(change, true));
    if let Some(End::Verified { summary, at }) = &change.end {
        put("verified_at", json!(seconds(*at)));
        put("verified_summary", json!(summary));
    }
    view
}

/// The monitored days: the original counts the entries, so that a day measured again is one, with the last of it.
/// Earlier versions listed every measurement.
pub fn updates(change: &Change, one_a_day: bool) -> Value {
    let day = |event: &crate::model::Event| {
        let Kind::Ticked(tick) = &event.what else { return None };
        Some(tick.utc_date)
    };
    let of_tick = |(at, event): (usize, &crate::model::Event)| {
        let Kind::Ticked(tick) = &event.what else { return None };
        if one_a_day && change.events[at + 1..].iter().any(|later| day(later) == Some(tick.utc_date)) {
            return None;
        }
        Some(json!({
            "ts": seconds(event.at),
            "utc_date": tick.utc_date,
            "day": tick.day,
            "snapshot": change.lies_at(&tick.taken.snapshot),
            "report": change.lies_at(&tick.report),
        }))
    };
    change.events.iter().enumerate().filter_map(of_tick).collect()
}

/// A moment as the original writes it: UTC to the second, with `Z`.
fn seconds(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
