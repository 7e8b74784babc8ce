//! Gates 6 and 8: promotion, and the verification at the end of the monitored days; and the ends that are neither: held,
//! rejected, rolled back, which are always possible with a reason.

use chrono::{DateTime, Utc};

use crate::model::{ChangeId, Class, Gate, Judged, Kind, Promotion, Rehearsal};
use crate::workflow::{Change, End, Reason, Refusal, World, gates, window};

const GATE: Gate = Gate::Decide;
const LAST: Gate = Gate::Verify;

/// Every demand holds or it does not happen; there is no override. Evidence complete and unaltered, KPI and guardrails pass, and what was compared is what is there.
pub fn may_promote(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    gates::is_undecided(change, GATE)?;
    let refuse = |missing| Err(Refusal::new(GATE, missing));
    gates::unaltered(GATE, &world.faults)?;
    if change.is_indicative() {
        return refuse(Reason::OnlyIndicative);
    }
    let Some(comparison) = &change.comparison else {
        return refuse(Reason::Earlier { gate: Gate::Compare });
    };
    // Verdicts on something else than the contract never came out of a comparison of this change.
    if !world.reproduced || !comparison.verdicts.are_on(&change.contract) {
        return refuse(Reason::NotReproduced);
    }
    let judged: Vec<Judged> = comparison.verdicts.not_passing().cloned().collect();
    if !judged.is_empty() {
        return refuse(Reason::Verdicts { judged });
    }
    if let Some(judged) = comparison.verdicts.trigger.clone().filter(|_| comparison.verdicts.fired()) {
        return refuse(Reason::TriggerFired { judged });
    }
    gates::in_effect(GATE, world)
}

pub(crate) fn promotion(change: &Change, promotion: &Promotion, world: &World) -> Result<(), Refusal> {
    may_promote(change, world)?;
    match &promotion.rehearsal {
        Rehearsal::Applies { .. } | Rehearsal::NotApplicable => Ok(()),
        rehearsal @ (Rehearsal::Conflicts { .. } | Rehearsal::ChecksFail { .. }) => {
            Err(Refusal::new(GATE, Reason::Rollback { rehearsal: rehearsal.clone() }))
        }
    }
}

/// Holding and rejecting. Once a change is rolled out, it has to be rolled back instead.
pub(crate) fn other_decision(change: &Change, reason: &str) -> Result<(), Refusal> {
    gates::is_open(change, Gate::Decide)?;
    if !change.rollout.is_empty() {
        return Err(Refusal::new(Gate::Decide, Reason::AlreadyPassed));
    }
    gates::has_reason(Gate::Decide, reason)
}

/// No gate, from the moment that there is a delta, or a commit that takes one back. A rejected, held or even verified change may still have to be taken
/// out; so may one whose rollback was only written down, once there is a reverting commit.
pub(crate) fn rollback(change: &Change, reason: &str, has_commit: bool) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none());
    if let Some(end @ End::RolledBack) = &change.end
        && !(written_only && has_commit)
    {
        return Err(Refusal::new(gate, Reason::Ended { end: end.name() }));
    }
    let failed = change.events.iter().any(|event| matches!(event.what, Kind::ValidationFailed { .. }));
    if change.validation.is_none() && change.rollout.is_empty() && !failed && !has_commit {
        return Err(Refusal::new(gate, Reason::NothingToRollBack));
    }
    gates::has_reason(gate, reason)
}

/// What is still in effect was not rolled back.
pub fn may_confirm_rollback(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    if change.rollback.is_none() {
        return Err(Refusal::new(gate, Reason::NothingToRollBack));
    }
    if !world.still_in_effect.is_empty() {
        return Err(Refusal::new(gate, Reason::StillInEffect { what: world.still_in_effect.clone() }));
    }
    Ok(())
}

/// Verified only if every demand of the window holds, and the change is in effect.
pub(crate) fn verification(change: &Change, summary: &str, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    gates::enter(change, LAST)?;
    let demands = window::demands(change, world, now);
    if demands.iter().any(|demand| !demand.met) {
        return Err(Refusal::new(LAST, Reason::Unverified { demands }));
    }
    is_in_effect(change, world)?;
    if summary.trim().is_empty() { Err(Refusal::new(LAST, Reason::Summary)) } else { Ok(()) }
}

/// A day is measured any time after the full rollout, as often as wanted; days are counted by date.
pub fn may_tick(change: &Change, world: &World) -> Result<(), Refusal> {
    may_monitor(change)?;
    is_in_effect(change, world)
}

/// What is measured, and what is called verified, has to be the change, with the tuneables as they were validated:
/// anything else says nothing about it.
fn is_in_effect(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::in_effect(LAST, world)?;
    if !world.undone.is_empty() {
        return Err(Refusal::new(LAST, Reason::NotAsCommitted { files: world.undone.clone() }));
    }
    gates::validated_tuneables(LAST, change, &world.tuneables)
}

/// There is something to monitor from the full rollout on.
pub fn may_monitor(change: &Change) -> Result<(), Refusal> {
    if change.fully_rolled_out_at().is_some() {
        return gates::enter(change, LAST);
    }
    gates::in_class(change, LAST)?;
    // What comes before the rollout comes first.
    gates::enter(change, Gate::Rollout).map_err(|refusal| Refusal::new(LAST, refusal.missing))?;
    Err(Refusal::new(LAST, Reason::NotRolledOut))
}

pub(crate) fn check_resolution(change: &Change, reason: &str) -> Result<(), Refusal> {
    gates::enter(change, LAST)?;
    if change.open_alarms.is_empty() {
        return Err(Refusal::new(LAST, Reason::NoAlarm));
    }
    gates::has_reason(LAST, reason)
}

/// A review needs something to review, so the comparison comes first (the rollout, for an emergency).
pub(crate) fn check_attestation(change: &Change) -> Result<(), Refusal> {
    let reviewed = if change.opened.class == Class::Emergency { Gate::Rollout } else { Gate::Compare };
    if !change.passed(reviewed) {
        return Err(Refusal::new(LAST, Reason::Earlier { gate: reviewed }));
    }
    gates::is_open(change, LAST)
}

/// Only an emergency is followed up, and not by itself.
pub(crate) fn check_follow_up(change: &Change, by: &ChangeId) -> Result<(), Refusal> {
    if change.opened.class != Class::Emergency || by == change.id() {
        return Err(Refusal::new(LAST, Reason::FollowUp));
    }
    Ok(())
}
