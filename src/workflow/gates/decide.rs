//! Gate 6: promotion; and the ends that are none: held, rejected, rolled back, which are always possible with a reason.

use crate::model::{Gate, Judged, Kind, Promotion, Rehearsal};
use crate::workflow::{Change, End, Reason, Refusal, World, gates};

const GATE: Gate = Gate::Decide;

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
