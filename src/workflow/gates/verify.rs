//! Gate 8: the monitored days and the verification at their end.

use chrono::{DateTime, Utc};

use crate::model::{ChangeId, Class, Gate};
use crate::workflow::{Change, Reason, Refusal, World, gates, window};

const GATE: Gate = Gate::Verify;

/// Verified only if every demand of the window holds, and the change is in effect.
pub(crate) fn check(change: &Change, summary: &str, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    let demands = window::demands(change, world, now);
    if demands.iter().any(|demand| !demand.met) {
        return Err(Refusal::new(GATE, Reason::Unverified { demands }));
    }
    is_in_effect(change, world)?;
    if summary.trim().is_empty() { Err(Refusal::new(GATE, Reason::Summary)) } else { Ok(()) }
}

/// A day is measured any time after the full rollout, as often as wanted; days are counted by date.
pub fn may_tick(change: &Change, world: &World) -> Result<(), Refusal> {
    may_monitor(change)?;
    is_in_effect(change, world)
}

/// What is measured, and what is called verified, has to be the change, with the tuneables as they were validated:
/// anything else says nothing about it.
fn is_in_effect(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::in_effect(GATE, world)?;
    if !world.undone.is_empty() {
        return Err(Refusal::new(GATE, Reason::NotAsCommitted { files: world.undone.clone() }));
    }
    gates::validated_tuneables(GATE, change, &world.tuneables)
}

/// There is something to monitor from the full rollout on.
pub fn may_monitor(change: &Change) -> Result<(), Refusal> {
    if change.fully_rolled_out_at().is_some() {
        return gates::enter(change, GATE);
    }
    gates::in_class(change, GATE)?;
    // What comes before the rollout comes first.
    gates::enter(change, Gate::Rollout).map_err(|refusal| Refusal::new(GATE, refusal.missing))?;
    Err(Refusal::new(GATE, Reason::NotRolledOut))
}

pub(crate) fn check_resolution(change: &Change, reason: &str) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    if change.open_alarms.is_empty() {
        return Err(Refusal::new(GATE, Reason::NoAlarm));
    }
    gates::has_reason(GATE, reason)
}

/// A review needs something to review, so the comparison comes first (the rollout, for an emergency).
pub(crate) fn check_attestation(change: &Change) -> Result<(), Refusal> {
    let reviewed = if change.opened.class == Class::Emergency { Gate::Rollout } else { Gate::Compare };
    if !change.passed(reviewed) {
        return Err(Refusal::new(GATE, Reason::Earlier { gate: reviewed }));
    }
    gates::is_open(change, GATE)
}

/// Only an emergency is followed up, and not by itself.
pub(crate) fn check_follow_up(change: &Change, by: &ChangeId) -> Result<(), Refusal> {
    if change.opened.class != Class::Emergency || by == change.id() {
        return Err(Refusal::new(GATE, Reason::FollowUp));
    }
    Ok(())
}
