//! Checks a record's events against the gates, in order: whoever edits a record can recompute its digests, but cannot
//! pass a gate that way. Claims of events about the world are taken as true here; `audit/` checks them.

use chrono::{DateTime, Duration, Utc};

use crate::model::{After, Event, Kind, SnapshotPurpose};
use crate::workflow::{Change, NotARecord, Refusal, World, gates, window};

#[derive(Debug, Clone, PartialEq)]
pub enum InvalidEvent {
    /// The gate refuses the event.
    Refused { seq: u64, refusal: Box<Refusal> },
    /// The gate would have recorded something else.
    Differs { seq: u64 },
    /// The measurement precedes the step that it belongs to, or is later than the event.
    MeasuredAtOtherTime { seq: u64, taken_at: DateTime<Utc> },
    /// The events do not form a record.
    NotARecord(NotARecord),
}

/// Checks every event against its gate, in the state after the events before it.
pub fn check(events: &[Event]) -> Result<(), InvalidEvent> {
    let (first, rest) = events.split_first().ok_or(InvalidEvent::NotARecord(NotARecord::NotOpened))?;
    let mut change = Change::replay([first.clone()]).map_err(InvalidEvent::NotARecord)?;
    check_gate(&change, first, first.at)?;
    for event in rest {
        if matches!(event.what, Kind::Opened(_)) {
            return Err(InvalidEvent::NotARecord(NotARecord::OpenedTwice(event.seq)));
        }
        check_moment(&change, event)?;
        // Sealing truncates the time to microseconds.
        check_gate(&change, event, window::later(event.at, Duration::microseconds(1)))?;
        if !follows(&change, &event.what) {
            return Err(InvalidEvent::Differs { seq: event.seq });
        }
        change = change.followed_by(event.clone()).map_err(InvalidEvent::NotARecord)?;
    }
    Ok(())
}

fn check_gate(change: &Change, event: &Event, now: DateTime<Utc>) -> Result<(), InvalidEvent> {
    gates::check(change, &event.what, &World::granted(change, &event.what), now)
        .map_err(|refusal| InvalidEvent::Refused { seq: event.seq, refusal: Box::new(refusal) })
}

fn follows(change: &Change, event: &Kind) -> bool {
    if let Kind::Validated(validation) = event {
        return validation.checks.iter().all(|check| check.passed);
    }
    if let Kind::ValidationFailed { checks, .. } = event {
        return checks.iter().any(|check| !check.passed);
    }
    if let Kind::Relinked { commits, .. } = event {
        return change.can_relink(commits);
    }
    // Earlier versions recorded the contract's action unchanged for a change without a commit.
    let as_in_contract = |after: &After| change.commits().is_empty() && after.rollback == change.contract.rollback;
    matches!(event, Kind::AfterTaken(after) if as_in_contract(after))
        || gates::completed(change, event.clone()) == *event
}

/// Checks that a measurement was taken between the step before it and its event.
fn check_moment(change: &Change, event: &Event) -> Result<(), InvalidEvent> {
    let Some((what, taken)) = event.what.measured() else { return Ok(()) };
    let step_before = match what {
        SnapshotPurpose::Baseline => None,
        SnapshotPurpose::After => change.validation.as_ref().map(|validation| validation.at),
        SnapshotPurpose::Stage(_) => change.promotion.as_ref().map(|promotion| promotion.at),
        SnapshotPurpose::Day(_) => change.fully_rolled_out_at(),
        SnapshotPurpose::Rollback => change.rollback.as_ref().map(|rollback| rollback.at),
    };
    let not_before = step_before.unwrap_or(change.opened_at);
    // If the clock was set back in between, only the time of recording can be used.
    let earliest = if event.at < not_before {
        window::earlier(event.at, window::MEASURED_WITHIN)
    } else {
        window::earlier(not_before, window::CLOCK_TOLERANCE)
    };
    let latest = window::later(event.at, window::CLOCK_TOLERANCE);
    if taken.taken_at >= earliest && taken.taken_at <= latest {
        return Ok(());
    }
    Err(InvalidEvent::MeasuredAtOtherTime { seq: event.seq, taken_at: taken.taken_at })
}
