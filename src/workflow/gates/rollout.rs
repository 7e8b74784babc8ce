//! Gate 7: the rollout, stage by stage, each after the one before has soaked.

use chrono::{DateTime, Duration, Utc};

use crate::model::{Class, Gate, Judged, Policy, Revision, RolloutStage, Stage, StagePlan};
use crate::workflow::{Change, Reason, Refusal, World, gates, window};

const GATE: Gate = Gate::Rollout;

/// The plan was frozen at promotion. An emergency goes to full at once, and freezes its policy here.
pub fn may_enter(change: &Change, stage: Stage, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    let emergency = change.opened.class == Class::Emergency;
    if emergency && change.is_open() {
        gates::complete_contract(change, GATE)?;
    }
    gates::enter(change, GATE)?;
    gates::unaltered(GATE, &world.faults)?;
    in_order(change, stage, &world.policy, now)?;
    clean(change, &world.revision)?;
    gates::in_effect(GATE, world)?;
    gates::validated_tuneables(GATE, change, &world.tuneables)
}

pub(crate) fn check(change: &Change, begun: &RolloutStage, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    may_enter(change, begun.stage, world, now)?;
    gates::of_a_commit(GATE, change, &begun.taken.revision)?;
    // The stage's own check may have left something behind.
    clean(change, &begun.taken.revision)?;
    let Some(verdicts) = &begun.verdicts else {
        return if change.opened.class == Class::Emergency { Ok(()) } else { Err(not_judged(change)) };
    };
    if change.opened.class != Class::Emergency && !verdicts.are_on(&change.contract) {
        return Err(not_judged(change));
    }
    let judged: Vec<Judged> = verdicts.broken_guardrails().cloned().collect();
    if !judged.is_empty() {
        return Err(Refusal::new(GATE, Reason::StageGuardrails { judged }));
    }
    match verdicts.trigger.clone().filter(|_| verdicts.fired()) {
        Some(judged) => Err(Refusal::new(GATE, Reason::TriggerFired { judged })),
        None => Ok(()),
    }
}

/// An emergency stops harm now; uncommitted work is looked at afterwards.
fn clean(change: &Change, revision: &Revision) -> Result<(), Refusal> {
    if change.opened.class == Class::Emergency {
        return Ok(());
    }
    gates::settled(GATE, revision, None, false)
}

/// Without a verdict on every guardrail the stage was not checked; only an emergency goes without.
fn not_judged(change: &Change) -> Refusal {
    let metrics = change.contract.criteria().map(|criterion| criterion.metric.clone()).collect();
    Refusal::new(GATE, Reason::Unmeasured { metrics, why: Vec::new() })
}

/// The stages planned for a change: those that were frozen, and what a stricter policy adds to what is still to come.
/// An emergency has only the last.
pub fn plan(change: &Change, policy: &Policy) -> Vec<StagePlan> {
    let only_full = change.opened.class == Class::Emergency;
    let joined = change.frozen_policy().unwrap_or(policy).clone().joined_with(policy);
    let last = change.stage().map(|done| done.stage);
    let done = |stage| change.rollout.iter().any(|begun| begun.stage == stage);
    let planned = |plan: &StagePlan| done(plan.stage) || last.is_none_or(|last| plan.stage > last);
    let mut stages: Vec<StagePlan> = joined.stages.into_iter().filter(planned).collect();
    // What was begun was planned, whatever any config says since.
    let begun = change.rollout.iter().filter(|done| !stages.iter().any(|plan| plan.stage == done.stage));
    let begun: Vec<StagePlan> = begun.map(|done| StagePlan { stage: done.stage, soak_hours: 0.0 }).collect();
    stages.extend(begun);
    stages.sort_by_key(|plan| plan.stage);
    stages.retain(|plan| !only_full || plan.stage == Stage::Full);
    stages
}

fn in_order(change: &Change, stage: Stage, policy: &Policy, now: DateTime<Utc>) -> Result<(), Refusal> {
    let refuse = |missing| Err(Refusal::new(GATE, missing));
    let plan = plan(change, policy);
    if !plan.iter().any(|planned| planned.stage == stage) {
        return refuse(Reason::NoSuchStage { planned: plan.iter().map(|planned| planned.stage).collect() });
    }
    match plan.get(change.rollout.len()) {
        Some(next) if next.stage < stage => return refuse(Reason::StageOrder { next: next.stage }),
        Some(next) if next.stage == stage => {}
        Some(_) | None => return refuse(Reason::AlreadyPassed),
    }
    let Some(last) = change.stage() else { return Ok(()) };
    let soak = plan.iter().find(|planned| planned.stage == last.stage).map_or(0.0, |planned| planned.soak_hours);
    let until = window::later(last.at, hours(soak));
    if now < until { refuse(Reason::Soak { stage: last.stage, until }) } else { Ok(()) }
}

pub(crate) fn hours(hours: f64) -> Duration {
    // Configs are held to sane soak times; a saturating cast keeps any other value from overflowing.
    Duration::seconds(((hours * 3600.0) as i64).clamp(0, 10 * 365 * 24 * 3600))
}
