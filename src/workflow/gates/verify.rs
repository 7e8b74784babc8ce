//! Gate 8: the monitored days and the verification at their end.

use chrono::{DateTime, Utc};

use crate::model::{Attestation, ChangeId, Class, Gate, Kind};
use crate::workflow::{Change, Missing, Refusal, TickFacts, VerifyFacts, gates, window};

/// Verified only if every demand of the window holds.
pub fn decide(change: &Change, summary: &str, facts: &VerifyFacts, now: DateTime<Utc>) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Verify;
    gates::enter(change, gate)?;
    let demands = window::demands(change, facts, now);
    if demands.iter().any(|demand| !demand.met) {
        return Err(Refusal::new(gate, Missing::Unverified { demands }));
    }
    if summary.trim().is_empty() {
        return Err(Refusal::new(gate, Missing::Summary));
    }
    Ok(vec![Kind::Verified { summary: summary.to_owned() }])
}

/// Says for how many days the change is to be measured. That moves no demand: those come from the policy alone.
pub fn start_monitor(change: &Change, days: u32) -> Result<Vec<Kind>, Refusal> {
    rolled_out(change)?;
    Ok(vec![Kind::MonitorStarted { days: days.max(window::MIN_DAYS) }])
}

/// When the full rollout began; without one there is nothing to monitor.
fn rolled_out(change: &Change) -> Result<DateTime<Utc>, Refusal> {
    let Some(at) = change.fully_rolled_out_at() else {
        gates::in_class(change, Gate::Verify)?;
        // What comes before the rollout comes first.
        gates::enter(change, Gate::Rollout).map_err(|refusal| Refusal::new(Gate::Verify, refusal.missing))?;
        return Err(Refusal::new(Gate::Verify, Missing::NotRolledOut));
    };
    gates::enter(change, Gate::Verify)?;
    Ok(at)
}

/// Records a monitored day: any time after the full rollout, as often as wanted; days are counted by date.
pub fn tick(change: &Change, facts: &TickFacts) -> Result<Vec<Kind>, Refusal> {
    let rolled_out = rolled_out(change)?;
    let utc_date = facts.at.date_naive();
    Ok(vec![Kind::Ticked {
        utc_date,
        day: window::day_of(rolled_out, utc_date).unwrap_or(0),
        taken: facts.taken.clone(),
        report: facts.report.clone(),
        alarms: facts.alarms.clone(),
    }])
}

/// Declares the open alarms harmless, with the reason on record.
pub fn resolve(change: &Change, reason: &str) -> Result<Vec<Kind>, Refusal> {
    gates::enter(change, Gate::Verify)?;
    if change.open_alarms.is_empty() {
        return Err(Refusal::new(Gate::Verify, Missing::NoAlarm));
    }
    gates::reason_given(Gate::Verify, reason)?;
    Ok(vec![Kind::AlarmResolved { reason: reason.to_owned() }])
}

/// Records an attestation: a review needs something to review, so the comparison comes first (the rollout, for an emergency).
pub fn attest(change: &Change, attestation: &Attestation) -> Result<Vec<Kind>, Refusal> {
    let reviewed = if change.opened.class == Class::Emergency { Gate::Rollout } else { Gate::Compare };
    if !gates::passed(change, reviewed) {
        return Err(Refusal::new(Gate::Verify, Missing::Earlier { gate: reviewed }));
    }
    if let Some(end) = &change.end {
        return Err(Refusal::new(Gate::Verify, Missing::Ended { end: gates::end_name(end) }));
    }
    Ok(vec![Kind::Attested { attestation: attestation.clone() }])
}

/// Names the change that takes an emergency's override over.
pub fn follow_up(change: &Change, by: &ChangeId) -> Result<Vec<Kind>, Refusal> {
    if change.opened.class != Class::Emergency || by == change.id() {
        return Err(Refusal::new(Gate::Verify, Missing::FollowUp));
    }
    Ok(vec![Kind::FollowedUp { by: by.clone() }])
}
