//! The next step of a change, in the order of the gates. Refuses nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{Class, Gate, Outcome, Part, Policy, Stage};
use crate::workflow::gates::decide;
use crate::workflow::{Change, window};

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    Contract { parts: Vec<Part> },
    Baseline,
    Validate,
    After,
    Compare,
    Promote,
    Decide { outcome: Outcome },
    Hold,
    Rollout { stage: Stage, not_before: Option<DateTime<Utc>> },
    Attest,
    Alarms,
    FollowUp,
    Tick,
    Wait { until: DateTime<Utc> },
    Verify,
    ConfirmRollback,
    Ended { end: &'static str },
}

pub fn next(change: &Change, policy: &Policy, now: DateTime<Utc>) -> Step {
    if let Some(end) = &change.end {
        let step = Step::Ended { end: end.name() };
        return if awaits_confirmation(change) { Step::ConfirmRollback } else { step };
    }
    let open = change.opened.class.gates().iter().copied().find(|gate| !change.passed(*gate));
    match open {
        None => Step::Hold,
        Some(Gate::Open | Gate::Contract) => Step::Contract { parts: change.contract.missing() },
        Some(Gate::Baseline) => Step::Baseline,
        Some(Gate::Validate) => Step::Validate,
        Some(Gate::After) => Step::After,
        Some(Gate::Compare) => Step::Compare,
        Some(Gate::Decide) => decision(change),
        Some(Gate::Rollout) => stage(change, policy, now),
        Some(Gate::Verify) => monitoring(change, policy, now),
    }
}

/// Whether a change was rolled back without a measurement that confirms the baseline's values.
pub fn awaits_confirmation(change: &Change) -> bool {
    let unconfirmed = change.rollback.as_ref().is_some_and(|rollback| rollback.confirmed.is_none());
    change.end.is_some() && unconfirmed && change.baseline.is_some()
}

fn decision(change: &Change) -> Step {
    // A change with evidence from a dirty tree can never be promoted, so the user has to end it.
    if change.is_indicative() {
        return Step::Decide { outcome: Outcome::Inconclusive };
    }
    match change.comparison.as_ref().map(|comparison| comparison.verdicts.overall()) {
        None | Some(Outcome::Pass) => Step::Promote,
        Some(outcome) => Step::Decide { outcome },
    }
}

fn stage(change: &Change, policy: &Policy, now: DateTime<Utc>) -> Step {
    let plan = decide::plan(change, policy);
    let stage = plan.get(change.rollout.len()).map_or(Stage::Full, |planned| planned.stage);
    let not_before = change.stage().and_then(|last| {
        let soak = plan.iter().find(|planned| planned.stage == last.stage)?;
        Some(window::later(last.at, decide::hours(soak.soak_hours))).filter(|until| *until > now)
    });
    Step::Rollout { stage, not_before }
}

fn monitoring(change: &Change, policy: &Policy, now: DateTime<Utc>) -> Step {
    if !change.open_alarms.is_empty() {
        return Step::Alarms;
    }
    let Some(from) = change.fully_rolled_out_at() else { return Step::Tick };
    let days = window::verify_days(change, policy);
    let ticked = window::ticked_days(change, from, now);
    if ticked.len() < days as usize && !ticked.contains(&now.date_naive()) {
        return Step::Tick;
    }
    let closes = window::closes(from, days);
    if now < closes || ticked.len() < days as usize {
        let tomorrow = now.date_naive().succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
        let until = if ticked.len() < days as usize { tomorrow.unwrap_or(closes) } else { closes };
        return Step::Wait { until };
    }
    if window::demanded(change, policy).require_attestation && !change.is_attested() {
        return Step::Attest;
    }
    if change.opened.class == Class::Emergency && change.follow_up.is_none() {
        return Step::FollowUp;
    }
    Step::Verify
}
