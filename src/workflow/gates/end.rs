//! The ends that are no promotion: held, rejected, rolled back. Always possible, with a reason.

use crate::model::{Gate, Kind};
use crate::workflow::{Change, End, Reason, Refusal, World, gates};

/// Holding and rejecting. Once a change is rolled out, it has to be rolled back instead.
pub(crate) fn check_decision(change: &Change, reason: &str) -> Result<(), Refusal> {
    gates::is_open(change, Gate::Decide)?;
    if !change.rollout.is_empty() {
        return Err(Refusal::new(Gate::Decide, Reason::AlreadyPassed));
    }
    gates::has_reason(Gate::Decide, reason)
}

/// No gate, from the moment that there is a delta, or a commit that takes one back. A rejected, held or even verified change may still have to be taken
/// out; so may one whose rollback was only written down, once there is a reverting commit.
pub(crate) fn check_rollback(change: &Change, reason: &str, has_commit: bool) -> Result<(), Refusal> {
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
