//! The ends that are no promotion: held, rejected, rolled back. Always possible, with a reason.

use chrono::{DateTime, Utc};

use crate::model::{Gate, Kind};
use crate::workflow::{Change, ConfirmFacts, End, Missing, Refusal, gates};

/// Keeps a change as an experiment. Once it is rolled out, it has to be rolled back instead.
pub fn hold(change: &Change, reason: &str) -> Result<Vec<Kind>, Refusal> {
    before_rollout(change)?;
    gates::reason_given(Gate::Decide, reason)?;
    Ok(vec![Kind::Held { reason: reason.to_owned() }])
}

/// Drops a change. Once it is rolled out, it has to be rolled back instead.
pub fn reject(change: &Change, reason: &str) -> Result<Vec<Kind>, Refusal> {
    before_rollout(change)?;
    gates::reason_given(Gate::Decide, reason)?;
    Ok(vec![Kind::Rejected { reason: reason.to_owned() }])
}

/// Rolls a change back: no gate, from the moment that there is a delta. A rejected, held or even verified change
/// may still have to be taken out; so may one whose rollback was only written down, once there is a reverting commit.
pub fn rollback(change: &Change, reason: &str, commit: Option<String>) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Rollout;
    let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none());
    if matches!(change.end, Some(End::RolledBack)) && !(written_only && commit.is_some()) {
        return Err(Refusal::new(gate, Missing::Ended { end: "rolled_back" }));
    }
    let failed = change.events.iter().any(|event| matches!(event.what, Kind::ValidationFailed { .. }));
    if change.validation.is_none() && change.rollout.is_empty() && !failed {
        return Err(Refusal::new(gate, Missing::NothingToRollBack));
    }
    gates::reason_given(gate, reason)?;
    Ok(vec![Kind::RolledBack { reason: reason.to_owned(), commit }])
}

/// Records whether the baseline's values are back after a rollback. What is still in effect was not rolled back.
pub fn confirm(change: &Change, facts: &ConfirmFacts) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Rollout;
    if change.rollback.is_none() {
        return Err(Refusal::new(gate, Missing::NothingToRollBack));
    }
    if !facts.still.is_empty() {
        return Err(Refusal::new(gate, Missing::StillInEffect { what: facts.still.clone() }));
    }
    let Some((taken, not_back)) = facts.measured.clone() else { return Ok(Vec::new()) };
    Ok(vec![Kind::RollbackConfirmed { taken, not_back }])
}

/// Writes the day's decision on an open change down; a decision has a reason.
pub fn decide_day(change: &Change, decision: &str, reason: &str, now: DateTime<Utc>) -> Result<Vec<Kind>, Refusal> {
    if let Some(end) = &change.end {
        return Err(Refusal::new(Gate::Decide, Missing::Ended { end: gates::end_name(end) }));
    }
    gates::reason_given(Gate::Decide, reason)?;
    Ok(vec![Kind::DayDecided { utc_date: now.date_naive(), decision: decision.to_owned(), reason: reason.to_owned() }])
}

fn before_rollout(change: &Change) -> Result<(), Refusal> {
    if let Some(end) = &change.end {
        return Err(Refusal::new(Gate::Decide, Missing::Ended { end: gates::end_name(end) }));
    }
    if !change.rollout.is_empty() {
        return Err(Refusal::new(Gate::Decide, Missing::AlreadyPassed));
    }
    Ok(())
}
