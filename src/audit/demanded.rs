//! Whether a change went the way that the committed configs demanded: a config that was loosened for a moment, and put
//! back, is seen in what it let pass. Must not read configs; their policies come as facts.

use crate::model::{Kind, Policy, Stage};
use crate::workflow::gates::rollout;
use crate::workflow::{Change, window};

/// The keys of the config that the change did not live up to, of those that every one of `policies` demands.
pub fn missed(change: &Change, policies: &[Policy]) -> Vec<&'static str> {
    if change.promotion.is_none() || policies.is_empty() {
        return Vec::new();
    }
    type Test = fn(&Change, &Policy) -> bool;
    let demands: [(&'static str, Test); 3] = [
        ("rollout.stages", skipped),
        ("verification.min_monitor_days", hurried),
        ("review.require_attestation", |change, policy| {
            verified_at(change).is_some() && policy.require_attestation && change.attestation.is_none()
        }),
    ];
    let missed = demands.into_iter().filter(|(_, test)| policies.iter().all(|policy| test(change, policy)));
    missed.map(|(key, _)| key).collect()
}

/// Whether it is out in full without a stage, or without the time that one has to last.
fn skipped(change: &Change, policy: &Policy) -> bool {
    let Some(full) = change.fully_rolled_out_at() else { return false };
    policy.stages.iter().filter(|plan| plan.stage != Stage::Full).any(|plan| {
        let begun = change.rollout.iter().find(|done| done.stage == plan.stage);
        begun.is_none_or(|begun| window::later(begun.at, rollout::hours(plan.soak_hours)) > full)
    })
}

/// Whether it was verified before so many days.
fn hurried(change: &Change, policy: &Policy) -> bool {
    let (Some(full), Some(at)) = (change.fully_rolled_out_at(), verified_at(change)) else { return false };
    window::closes(full, policy.min_monitor_days) > at
}

fn verified_at(change: &Change) -> Option<chrono::DateTime<chrono::Utc>> {
    change.events.iter().find(|event| matches!(event.what, Kind::Verified { .. })).map(|event| event.at)
}
