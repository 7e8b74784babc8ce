//! May this happen now? One pure function from a change, a command and the moment to events or a refusal.
//! Each gate's own demands are in `change/gates/`; this file only sends each command to its gate.

use chrono::{DateTime, Utc};

use crate::model::{Gate, Kind};
use crate::workflow::{Change, Command, Missing, Refusal, gates};

/// The events that `command` brings about, or why it may not happen. A command that only asks whether its gate
/// would open (its facts hold no measurement) brings about none.
pub fn decide(change: &Change, command: &Command, now: DateTime<Utc>) -> Result<Vec<Kind>, Refusal> {
    match command {
        Command::SetContract(facts) => gates::contract::decide(change, facts),
        Command::Baseline(facts) => gates::baseline::decide(change, facts),
        Command::Validate(facts) => gates::validate::decide(change, facts),
        Command::After(facts) => gates::after::decide(change, facts),
        Command::Compare(facts) => gates::compare::decide(change, facts),
        Command::Promote(facts) => gates::promote::decide(change, facts),
        Command::Hold { reason } => gates::end::hold(change, reason),
        Command::Reject { reason } => gates::end::reject(change, reason),
        Command::Rollout(facts) => gates::rollout::decide(change, facts, now),
        Command::Rollback { reason, commit } => gates::end::rollback(change, reason, commit.clone()),
        Command::ConfirmRollback(facts) => gates::end::confirm(change, facts),
        Command::Verify { summary, facts } => gates::verify::decide(change, summary, facts, now),
        Command::StartMonitor { days } => gates::verify::start_monitor(change, *days),
        Command::Tick(facts) => gates::verify::tick(change, facts),
        Command::ResolveAlarms { reason } => gates::verify::resolve(change, reason),
        Command::Attest(attestation) => gates::verify::attest(change, attestation),
        Command::FollowUp { by } => gates::verify::follow_up(change, by),
        Command::Note { text } => noted(text),
        Command::Relink { commits, by } => Ok(relinked(change, commits, by)),
        Command::DecideDay { decision, reason } => gates::end::decide_day(change, decision, reason, now),
    }
}

/// Only a commit that is the change's now can have moved, and only to another; else there is nothing to record.
fn relinked(change: &Change, commits: &[(String, String)], by: &str) -> Vec<Kind> {
    let mut current = change.commits();
    let moves = commits.iter().all(|(old, new)| {
        let place = current.iter().position(|commit| commit == old);
        place.is_some_and(|at| {
            old != new && !current.contains(new) && std::mem::replace(&mut current[at], new.clone()) == *old
        })
    });
    if !moves {
        return Vec::new();
    }
    vec![Kind::Relinked { commits: commits.to_vec(), by: by.to_owned() }]
}

fn noted(text: &str) -> Result<Vec<Kind>, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Gate::Open, Missing::Reason));
    }
    Ok(vec![Kind::Noted { text: text.to_owned() }])
}
