//! Gate 7: the rollout, stage by stage, each after the one before has soaked.

use chrono::{DateTime, Duration, Utc};

use crate::model::{Class, Gate, InEffect, Judged, Kind, Policy, Stage, StagePlan};
use crate::workflow::gates::{self, contract};
use crate::workflow::{Change, Missing, Refusal, RolloutFacts, window};

/// The plan was frozen at promotion. An emergency goes to full at once, and freezes its policy here.
pub fn decide(change: &Change, facts: &RolloutFacts, now: DateTime<Utc>) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Rollout;
    let emergency = change.opened.class == Class::Emergency;
    if emergency && change.is_open() {
        contract::complete(change, gate)?;
    }
    gates::enter(change, gate)?;
    gates::unaltered(gate, &facts.faults)?;
    in_order(change, facts, now)?;
    present(change, facts)?;
    let Some((taken, verdicts)) = facts.measured.clone() else { return Ok(Vec::new()) };
    if !emergency && !verdicts.as_ref().is_some_and(|verdicts| verdicts.are_on(&change.contract)) {
        // Without a verdict on every guardrail the stage was not checked; only an emergency goes without.
        let metrics = change.contract.criteria().map(|criterion| criterion.metric.clone()).collect();
        return Err(Refusal::new(gate, Missing::Unmeasured { metrics, why: Vec::new() }));
    }
    if let Some(verdicts) = &verdicts {
        let judged: Vec<Judged> = verdicts.broken_guardrails().cloned().collect();
        if !judged.is_empty() {
            return Err(Refusal::new(gate, Missing::StageGuardrails { judged }));
        }
        if let Some(judged) = verdicts.trigger.clone().filter(|_| verdicts.fired()) {
            return Err(Refusal::new(gate, Missing::TriggerFired { judged }));
        }
    }
    let policy = emergency.then(|| facts.policy.clone());
    Ok(vec![Kind::RolledOut { stage: facts.stage, taken, verdicts, policy }])
}

/// What is rolled out and measured has to be the change, and nothing uncommitted beside it.
fn present(change: &Change, facts: &RolloutFacts) -> Result<(), Refusal> {
    let gate = Gate::Rollout;
    // An emergency stops harm now; what lies uncommitted beside it is looked at afterwards.
    if change.opened.class != Class::Emergency {
        gates::settled(gate, &facts.revision, change.commits().last().map(String::as_str))?;
    }
    match facts.in_effect {
        InEffect::Absent => return Err(Refusal::new(gate, Missing::NotInEffect { reverted: false })),
        InEffect::Reverted => return Err(Refusal::new(gate, Missing::NotInEffect { reverted: true })),
        InEffect::Yes | InEffect::NoCommit => {}
    }
    gates::validated_tuneables(gate, change, &facts.tuneables)
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

fn in_order(change: &Change, facts: &RolloutFacts, now: DateTime<Utc>) -> Result<(), Refusal> {
    let refuse = |missing| Err(Refusal::new(Gate::Rollout, missing));
    let plan = plan(change, &facts.policy);
    if !plan.iter().any(|planned| planned.stage == facts.stage) {
        return refuse(Missing::NoSuchStage { planned: plan.iter().map(|planned| planned.stage).collect() });
    }
    match plan.get(change.rollout.len()) {
        None => return refuse(Missing::AlreadyPassed),
        Some(next) if next.stage < facts.stage => return refuse(Missing::StageOrder { next: next.stage }),
        Some(next) if next.stage > facts.stage => return refuse(Missing::AlreadyPassed),
        Some(_) => {}
    }
    let Some(last) = change.stage() else { return Ok(()) };
    let soak = plan.iter().find(|planned| planned.stage == last.stage).map_or(0.0, |planned| planned.soak_hours);
    let until = window::later(last.at, hours(soak));
    if now < until { refuse(Missing::Soak { stage: last.stage, until }) } else { Ok(()) }
}

pub(crate) fn hours(hours: f64) -> Duration {
    // Configs are held to sane soak times; a saturating cast keeps any other value from overflowing.
    Duration::seconds(((hours * 3600.0) as i64).clamp(0, 10 * 365 * 24 * 3600))
}
