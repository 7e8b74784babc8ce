//! Whether a record's events are ones that the gates let happen, in that order: digests can be computed again by whoever edits
//! a file, but that opens no gate. What an event says of the world is taken as said; `audit/` holds it against the world.

use chrono::{DateTime, Duration, Utc};

use crate::model::{After, Event, Kind, TakenFor};
use crate::workflow::{Change, NotARecord, Refusal, World, gates, window};

#[derive(Debug, Clone, PartialEq)]
pub enum InvalidEvent {
    /// Its gate refuses it.
    Refused { seq: u64, refusal: Box<Refusal> },
    /// The gate would have recorded something else.
    Differs { seq: u64 },
    /// What it measured was measured before the step that it belongs to, or after it was recorded.
    MeasuredAtOtherTime { seq: u64, taken_at: DateTime<Utc> },
    /// The events are no record at all.
    NotARecord(NotARecord),
}

/// Checks every event against its gate, in the state that the events before it add up to.
pub fn check(events: &[Event]) -> Result<(), InvalidEvent> {
    let (first, rest) = events.split_first().ok_or(InvalidEvent::NotARecord(NotARecord::NotOpened))?;
    let mut change = Change::replay([first.clone()]).map_err(InvalidEvent::NotARecord)?;
    check_gate(&change, first, first.at)?;
    for event in rest {
        if matches!(event.what, Kind::Opened(_)) {
            return Err(InvalidEvent::NotARecord(NotARecord::OpenedTwice(event.seq)));
        }
        check_moment(&change, event)?;
        // The moment is cut to microseconds when it is sealed.
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

/// Whether what an event says of the change itself is so.
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
    // Before the values to put back were named, the action of a change without a commit was recorded as the contract has it.
    let as_in_contract = |after: &After| change.commits().is_empty() && after.rollback == change.contract.rollback;
    matches!(event, Kind::AfterTaken(after) if as_in_contract(after))
        || gates::completed(change, event.clone()) == *event
}

/// Measuring ends before it is recorded, and begins no earlier than the step before it.
fn check_moment(change: &Change, event: &Event) -> Result<(), InvalidEvent> {
    let Some((what, taken)) = event.what.measured() else { return Ok(()) };
    let step_before = match what {
        TakenFor::Baseline => None,
        TakenFor::After => change.validation.as_ref().map(|validation| validation.at),
        TakenFor::Stage(_) => change.promotion.as_ref().map(|promotion| promotion.at),
        TakenFor::Day(_) => change.fully_rolled_out_at(),
        TakenFor::Rollback => change.rollback.as_ref().map(|rollback| rollback.at),
    };
    let not_before = step_before.unwrap_or(change.opened_at);
    // Where the clock was set back between the two, the moment of recording is all there is to go by.
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
