//! Gates 6 to 8: promotion, rollout and verification; also holding, rejecting and rolling back, which need a reason.

use chrono::{DateTime, Duration, Utc};

use crate::model::{ChangeId, Class, CriterionResult, Gate, Kind, Policy, Promotion, Rehearsal, Revision};
use crate::model::{RolloutStage, Stage, StagePlan, Verdicts};
use crate::workflow::gates::{enter, has_reason, is_open, is_undecided, require};
use crate::workflow::{Change, End, Reason, Refusal, World, gates, window};

/// Promotion, which has no override: evidence complete and unaltered, KPI and guardrails pass, and the change that was
/// compared is in effect.
pub fn may_promote(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Decide;
    enter(change, gate)?;
    is_undecided(change, gate)?;
    gates::unaltered(gate, &world.faults)?;
    require(gate, !change.is_indicative(), || Reason::OnlyIndicative)?;
    let Some(comparison) = &change.comparison else {
        return Err(Refusal::new(gate, Reason::Earlier { gate: Gate::Compare }));
    };
    // Verdicts on anything but the contract cannot come from a comparison of this change.
    let verdicts = &comparison.verdicts;
    require(gate, world.reproduced && verdicts.are_on(&change.contract), || Reason::NotReproduced)?;
    let judged: Vec<CriterionResult> = verdicts.not_passing().cloned().collect();
    require(gate, judged.is_empty(), || Reason::Verdicts { judged })?;
    not_fired(gate, verdicts)?;
    gates::in_effect(gate, world)
}

fn not_fired(gate: Gate, verdicts: &Verdicts) -> Result<(), Refusal> {
    match verdicts.trigger.clone().filter(|_| verdicts.fired()) {
        Some(judged) => Err(Refusal::new(gate, Reason::TriggerFired { judged })),
        None => Ok(()),
    }
}

pub(crate) fn promotion(change: &Change, promotion: &Promotion, world: &World) -> Result<(), Refusal> {
    may_promote(change, world)?;
    match &promotion.rehearsal {
        Rehearsal::Applies { .. } | Rehearsal::NotApplicable => Ok(()),
        rehearsal @ (Rehearsal::Conflicts { .. } | Rehearsal::ChecksFail { .. }) => {
            Err(Refusal::new(Gate::Decide, Reason::Rollback { rehearsal: rehearsal.clone() }))
        }
    }
}

/// Holding or rejecting; a change that is rolled out has to be rolled back instead.
pub(crate) fn other_decision(change: &Change, verb: &'static str, reason: &str) -> Result<(), Refusal> {
    is_open(change, Gate::Decide)?;
    require(Gate::Decide, change.rollout.is_empty(), || Reason::AlreadyPassed)?;
    has_reason(Gate::Decide, verb, reason)
}

/// Rolling back, which no gate bars once there is a delta or a reverting commit. A rejected, held or even verified
/// change may still have to be rolled back; so may one whose rollback was only recorded, once there is a reverting
/// commit.
pub(crate) fn rollback(change: &Change, reason: &str, has_commit: bool) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none());
    let is_back = matches!(change.end, Some(End::RolledBack)) && !(written_only && has_commit);
    require(gate, !is_back, || Reason::Ended { end: End::RolledBack.name() })?;
    let failed = change.events.iter().any(|event| matches!(event.what, Kind::ValidationFailed { .. }));
    let has_delta = change.validation.is_some() || !change.rollout.is_empty() || failed || has_commit;
    require(gate, has_delta, || Reason::NothingToRollBack)?;
    has_reason(gate, "rollback", reason)
}

/// Confirming a rollback: nothing of the change may still be in effect.
pub fn may_confirm_rollback(change: &Change, world: &World) -> Result<(), Refusal> {
    require(Gate::Rollout, change.rollback.is_some(), || Reason::NothingToRollBack)?;
    let what = &world.still_in_effect;
    require(Gate::Rollout, what.is_empty(), || Reason::StillInEffect { what: what.clone() })?;
    let files = &world.undone;
    require(Gate::Rollout, files.is_empty(), || Reason::NotAsCommitted { files: files.clone() })
}

/// Gate 7: a stage begins after the previous one has soaked. The plan was frozen at promotion; an emergency goes
/// directly to the full rollout and freezes its policy here.
pub fn may_roll_out(change: &Change, stage: Stage, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    if change.opened.class == Class::Emergency && change.is_open() {
        gates::complete_contract(change, gate)?;
    }
    enter(change, gate)?;
    gates::unaltered(gate, &world.faults)?;
    in_order(change, stage, &world.policy, now)?;
    clean(change, &world.revision)?;
    gates::in_effect(gate, world)?;
    gates::validated_tuneables(gate, change, &world.tuneables)
}

pub(crate) fn stage(change: &Change, begun: &RolloutStage, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    may_roll_out(change, begun.stage, world, now)?;
    gates::of_a_commit(gate, change, &begun.taken.revision)?;
    // The stage's own check may have changed files.
    clean(change, &begun.taken.revision)?;
    // Without a verdict on every guardrail the stage was not checked; only an emergency is exempt.
    let is_judged = begun.verdicts.as_ref().is_some_and(|verdicts| verdicts.are_on(&change.contract));
    require(gate, is_judged || change.opened.class == Class::Emergency, || Reason::Unmeasured {
        metrics: change.contract.criteria().map(|criterion| criterion.metric.clone()).collect(),
        why: Vec::new(),
    })?;
    let Some(verdicts) = &begun.verdicts else { return Ok(()) };
    let judged: Vec<CriterionResult> = verdicts.broken_guardrails().cloned().collect();
    require(gate, judged.is_empty(), || Reason::StageGuardrails { judged })?;
    not_fired(gate, verdicts)
}

/// Demands a clean work tree, except for an emergency, which must not wait.
fn clean(change: &Change, revision: &Revision) -> Result<(), Refusal> {
    if change.opened.class == Class::Emergency {
        return Ok(());
    }
    gates::require_committed(Gate::Rollout, revision, None, false)
}

/// The planned stages of a change: the frozen ones, and those that a stricter policy adds after the current stage.
/// An emergency has only the full rollout.
pub fn plan(change: &Change, policy: &Policy) -> Vec<StagePlan> {
    let only_full = change.opened.class == Class::Emergency;
    let joined = change.frozen_policy().unwrap_or(policy).clone().joined_with(policy);
    let last = change.stage().map(|done| done.stage);
    let done = |stage| change.rollout.iter().any(|begun| begun.stage == stage);
    let planned = |plan: &StagePlan| done(plan.stage) || last.is_none_or(|last| plan.stage > last);
    let mut stages: Vec<StagePlan> = joined.stages.into_iter().filter(planned).collect();
    // Stages that began were planned, whatever the config says now.
    let begun = change.rollout.iter().filter(|done| !stages.iter().any(|plan| plan.stage == done.stage));
    let begun: Vec<StagePlan> = begun.map(|done| StagePlan { stage: done.stage, soak_hours: 0.0 }).collect();
    stages.extend(begun);
    stages.sort_by_key(|plan| plan.stage);
    stages.retain(|plan| !only_full || plan.stage == Stage::Full);
    stages
}

fn in_order(change: &Change, stage: Stage, policy: &Policy, now: DateTime<Utc>) -> Result<(), Refusal> {
    let demand = |met: bool, reason: Reason| require(Gate::Rollout, met, || reason);
    let plan = plan(change, policy);
    let planned: Vec<Stage> = plan.iter().map(|planned| planned.stage).collect();
    let next = planned.get(change.rollout.len()).copied();
    demand(planned.contains(&stage), Reason::NoSuchStage { planned })?;
    let Some(next) = next.filter(|next| *next <= stage) else { return demand(false, Reason::AlreadyPassed) };
    demand(next == stage, Reason::StageOrder { next })?;
    let Some(last) = change.stage() else { return Ok(()) };
    let soak = plan.iter().find(|planned| planned.stage == last.stage).map_or(0.0, |planned| planned.soak_hours);
    let until = window::later(last.at, hours(soak));
    demand(now >= until, Reason::Soak { stage: last.stage, until })
}

pub(crate) fn hours(hours: f64) -> Duration {
    // The config check limits soak times; the saturating cast and the clamp prevent an overflow with any other value.
    Duration::seconds(((hours * 3600.0) as i64).clamp(0, 10 * 365 * 24 * 3600))
}

/// Gate 8: every demand of the window is met, and the change is in effect.
pub(crate) fn verification(change: &Change, summary: &str, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    enter(change, Gate::Verify)?;
    let demands = window::demands(change, world, now);
    require(Gate::Verify, demands.iter().all(|demand| demand.met), || Reason::Unverified { demands })?;
    is_in_effect(change, world)?;
    require(Gate::Verify, !summary.trim().is_empty(), || Reason::Summary)
}

/// Measuring a day: any time after the full rollout, as often as wanted, as days are counted by date.
pub fn may_tick(change: &Change, world: &World) -> Result<(), Refusal> {
    may_monitor(change)?;
    is_in_effect(change, world)
}

/// Demands that the change is in effect, unedited and with the validated tuneables, as any other state says nothing
/// about it.
fn is_in_effect(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::in_effect(Gate::Verify, world)?;
    let files = &world.undone;
    require(Gate::Verify, files.is_empty(), || Reason::NotAsCommitted { files: files.clone() })?;
    gates::validated_tuneables(Gate::Verify, change, &world.tuneables)
}

pub fn may_monitor(change: &Change) -> Result<(), Refusal> {
    if change.fully_rolled_out_at().is_some() {
        return enter(change, Gate::Verify);
    }
    gates::in_class(change, Gate::Verify)?;
    // A gate before the rollout that is not passed is reported first.
    enter(change, Gate::Rollout).map_err(|refusal| Refusal::new(Gate::Verify, refusal.missing))?;
    Err(Refusal::new(Gate::Verify, Reason::NotRolledOut))
}

pub(crate) fn check_resolution(change: &Change, reason: &str, world: &World) -> Result<(), Refusal> {
    enter(change, Gate::Verify)?;
    let is_alarming = !change.open_alarms.is_empty() || world.kpi_lost.is_some();
    require(Gate::Verify, is_alarming, || Reason::NoAlarm)?;
    has_reason(Gate::Verify, "resolve", reason)
}

/// Attesting a review, which needs the comparison to review (for an emergency, the rollout).
pub(crate) fn check_attestation(change: &Change) -> Result<(), Refusal> {
    let reviewed = if change.opened.class == Class::Emergency { Gate::Rollout } else { Gate::Compare };
    require(Gate::Verify, change.passed(reviewed), || Reason::Earlier { gate: reviewed })?;
    is_open(change, Gate::Verify)
}

/// A follow-up: only of an emergency, and by another change.
pub(crate) fn check_follow_up(change: &Change, by: &ChangeId) -> Result<(), Refusal> {
    require(Gate::Verify, change.opened.class == Class::Emergency && by != change.id(), || Reason::FollowUp)
}
