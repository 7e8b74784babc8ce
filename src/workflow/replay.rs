//! Whether a record's events are ones that the gates let happen, in that order. The second look at a record whose
//! chain is sound: digests can be computed anew by whoever edits a file, but that does not open a gate. Must not
//! know git or files: what an event says of the world is taken as said, `audit/` holds it against the world.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use crate::model::{Event, Gate, InEffect, Kind, Policy, Stage, StagePlan, Strength, Taken, TuneableChange};
use crate::workflow::decide::decide;
use crate::workflow::{
    AfterFacts, BaselineFacts, Change, Command, CompareFacts, Compared, ConfirmFacts, ContractFacts, Measured,
    NotARecord, OpenFacts, PromoteFacts, Refusal, RolloutFacts, TickFacts, ValidateFacts, VerifyFacts, gates, window,
};

/// An event that no gate let happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Unlawful {
    Refused {
        seq: u64,
        refusal: Box<Refusal>,
    },
    /// The gate would have recorded something else.
    Differs {
        seq: u64,
    },
    /// What it measured was measured before the step that it belongs to, or after it was recorded.
    MeasuredAtOtherTime {
        seq: u64,
        taken_at: DateTime<Utc>,
    },
    /// The events are no record at all.
    NotARecord(NotARecord),
}

/// Checks every event against its gate, in the state that the events before it add up to.
pub fn check(events: &[Event]) -> Result<(), Unlawful> {
    let (first, rest) = events.split_first().ok_or(Unlawful::NotARecord(NotARecord::NotOpened))?;
    let mut change = Change::replay(std::slice::from_ref(first)).map_err(Unlawful::NotARecord)?;
    let opening = OpenFacts {
        opened: change.opened.clone(),
        others: Vec::new(),
        parallel: true,
        tuneables_configured: true,
        // Earlier versions had no limit; what is demanded now holds such a record to it, and does not call it forged.
        max_emergency_days: None,
    };
    gates::open::decide(&opening, first.at).map_err(|refusal| refused(first.seq, refusal))?;
    for event in rest {
        one(&change, event)?;
        change = change.followed_by(event).map_err(Unlawful::NotARecord)?;
    }
    Ok(())
}

fn refused(seq: u64, refusal: Refusal) -> Unlawful {
    Unlawful::Refused { seq, refusal: Box::new(refusal) }
}

fn one(change: &Change, event: &Event) -> Result<(), Unlawful> {
    measured_then(change, event)?;
    let seq = event.seq;
    if let Kind::ValidationFailed { checks, .. } = &event.what {
        gates::enter(change, Gate::Validate).map_err(|refusal| refused(seq, refusal))?;
        let failed = change.promotion.is_none() && checks.iter().any(|check| !check.passed);
        return if failed { Ok(()) } else { Err(Unlawful::Differs { seq }) };
    }
    let Some(command) = command_of(change, event) else { return Ok(()) };
    // The moment is cut to microseconds when it is sealed.
    let now = window::later(event.at, Duration::microseconds(1));
    match decide(change, &command, now) {
        Err(refusal) => Err(refused(seq, refusal)),
        Ok(kinds) if same(change, &kinds, &event.what) => Ok(()),
        Ok(_) => Err(Unlawful::Differs { seq }),
    }
}

fn same(change: &Change, kinds: &[Kind], recorded: &Kind) -> bool {
    match kinds {
        // A contract may be written as it stood.
        [] => matches!(recorded, Kind::ContractSet { .. }),
        [Kind::DayDecided { .. }] => matches!(recorded, Kind::DayDecided { .. }),
        [Kind::AfterTaken { taken: measured, .. }] if as_written(change, recorded) => {
            matches!(recorded, Kind::AfterTaken { taken, .. } if taken == measured)
        }
        [one] => one == recorded,
        _ => false,
    }
}

/// Whether the action of a change without a commit was recorded as the contract has it: so it was, before the values
/// to put back were named.
fn as_written(change: &Change, recorded: &Kind) -> bool {
    let Kind::AfterTaken { rollback, .. } = recorded else { return false };
    change.commits().is_empty() && *rollback == change.contract.rollback
}

/// The command that recorded an event, with the best that the world can have been.
fn command_of(change: &Change, event: &Event) -> Option<Command> {
    let what = event.what.clone();
    Some(match what {
        Kind::Opened(_) | Kind::ValidationFailed { .. } => return None,
        Kind::ContractSet { contract } => Command::SetContract(ContractFacts {
            parts: contract,
            measurable: Vec::new(),
            better: BTreeMap::new(),
            unknown: Vec::new(),
        }),
        Kind::BaselineTaken { taken, strength } => Command::Baseline(BaselineFacts {
            revision: taken.revision.clone(),
            commits_with_id: Vec::new(),
            allow_dirty: strength == Strength::Indicative,
            unknown: Vec::new(),
            own_sources: Vec::new(),
            measured: Some(Measured { taken, unmeasured: Vec::new(), why: Vec::new() }),
        }),
        Kind::Validated { revision, delta, checks, artifact } => Command::Validate(ValidateFacts {
            revision,
            descends: Some(true),
            delta,
            redefined: Vec::new(),
            has_tests: true,
            retry: true,
            outcome: Some((checks, artifact)),
        }),
        Kind::AfterTaken { taken, .. } => Command::After(AfterFacts {
            revision: taken.revision.clone(),
            tuneables: validated_tuneables(change),
            redefined: Vec::new(),
            measured: Some(Measured { taken, unmeasured: Vec::new(), why: Vec::new() }),
        }),
        Kind::Compared { markdown, json, pair, verdicts } => Command::Compare(CompareFacts {
            redefined: Vec::new(),
            faults: Vec::new(),
            compared: Some(Compared { markdown, json, pair, verdicts }),
        }),
        Kind::Promoted { rehearsal, policy, note } => Command::Promote(PromoteFacts {
            faults: Vec::new(),
            reproduced: true,
            policy,
            rehearsed: Some((rehearsal, note)),
        }),
        Kind::Held { reason } => Command::Hold { reason },
        Kind::Rejected { reason } => Command::Reject { reason },
        later => return after_promotion(change, event, later),
    })
}

/// What the tuneables can have been at best: what was validated.
fn validated_tuneables(change: &Change) -> Vec<TuneableChange> {
    change.validation.as_ref().map(|validation| validation.delta.tuneables.clone()).unwrap_or_default()
}

fn after_promotion(change: &Change, event: &Event, what: Kind) -> Option<Command> {
    let demanded = || change.frozen_policy().cloned().unwrap_or_else(least);
    Some(match what {
        Kind::RolledOut { stage, taken, verdicts, policy } => Command::Rollout(RolloutFacts {
            stage,
            // A stage more than was frozen is one that a stricter config added.
            policy: policy.unwrap_or_else(|| demanded().joined_with(&only(stage))),
            revision: taken.revision.clone(),
            in_effect: InEffect::Yes,
            tuneables: validated_tuneables(change),
            faults: Vec::new(),
            measured: Some((taken, verdicts)),
        }),
        Kind::Ticked { utc_date, taken, report, alarms, .. } => {
            // Which day it counts for is the window's business; here only that its number fits its date.
            let same_day = event.at.date_naive() == utc_date;
            let at = if same_day { event.at } else { utc_date.and_time(NaiveTime::MIN).and_utc() };
            Command::Tick(TickFacts { taken, report, alarms, at })
        }
        Kind::MonitorStarted { days } => Command::StartMonitor { days },
        Kind::AlarmResolved { reason } => Command::ResolveAlarms { reason },
        Kind::Attested { attestation } => Command::Attest(attestation),
        Kind::FollowedUp { by } => Command::FollowUp { by },
        Kind::RolledBack { reason, commit } => Command::Rollback { reason, commit },
        Kind::RollbackConfirmed { taken, not_back } => {
            Command::ConfirmRollback(ConfirmFacts { still: Vec::new(), measured: Some((taken, not_back)) })
        }
        Kind::Verified { summary } => Command::Verify {
            summary,
            facts: VerifyFacts {
                policy: demanded(),
                faults: Vec::new(),
                reproduced: true,
                clean_git: None,
                follow_up_promoted: true,
            },
        },
        Kind::Noted { text } => Command::Note { text },
        Kind::Relinked { commits, by } => Command::Relink { commits, by },
        Kind::DayDecided { decision, reason, .. } => Command::DecideDay { decision, reason },
        _ => return None,
    })
}

/// The least that any policy demands.
fn least() -> Policy {
    Policy { stages: Vec::new(), min_monitor_days: window::MIN_DAYS, require_attestation: false }
}

/// A policy that demands this stage and nothing else.
fn only(stage: Stage) -> Policy {
    Policy { stages: vec![StagePlan { stage, soak_hours: 0.0 }], ..least() }
}

/// Measuring ends before it is recorded, and begins no earlier than the step before it.
fn measured_then(change: &Change, event: &Event) -> Result<(), Unlawful> {
    let (taken, not_before): (&Taken, DateTime<Utc>) = match &event.what {
        Kind::BaselineTaken { taken, .. } => (taken, change.opened_at),
        Kind::AfterTaken { taken, .. } => {
            (taken, change.validation.as_ref().map_or(change.opened_at, |validation| validation.at))
        }
        Kind::RolledOut { taken, .. } => {
            (taken, change.promotion.as_ref().map_or(change.opened_at, |promotion| promotion.at))
        }
        Kind::Ticked { taken, .. } => (taken, change.fully_rolled_out_at().unwrap_or(change.opened_at)),
        Kind::RollbackConfirmed { taken, .. } => {
            (taken, change.rollback.as_ref().map_or(change.opened_at, |rollback| rollback.at))
        }
        _ => return Ok(()),
    };
    // Where the clock was set back between the two, the moment of recording is all there is to go by.
    let set_back = event.at < not_before;
    let earliest = if set_back {
        window::earlier(event.at, window::MEASURED_WITHIN)
    } else {
        window::earlier(not_before, window::CLOCK_TOLERANCE)
    };
    let latest = window::later(event.at, window::CLOCK_TOLERANCE);
    if taken.taken_at >= earliest && taken.taken_at <= latest {
        return Ok(());
    }
    Err(Unlawful::MeasuredAtOtherTime { seq: event.seq, taken_at: taken.taken_at })
}
