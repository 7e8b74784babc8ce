//! Gate 0: opening a change.

use chrono::{DateTime, Duration, Utc};

use crate::model::{ChangeId, Class, Gate, Kind};
use crate::workflow::{Missing, OpenFacts, Refusal, window};

/// The event that opens a change, or why it may not be opened. One undecided change at a time, unless asked
/// otherwise: two at once cannot be told apart in the numbers.
pub fn decide(facts: &OpenFacts, now: DateTime<Utc>) -> Result<Kind, Refusal> {
    let refuse = |missing| Err(Refusal::new(Gate::Open, missing));
    let undecided: Vec<ChangeId> =
        facts.others.iter().filter(|other| !other.decided).map(|other| other.id.clone()).collect();
    let opened = &facts.opened;
    if opened.class == Class::Emergency {
        if opened.incident.as_deref().is_none_or(|note| note.trim().is_empty()) {
            return refuse(Missing::IncidentNote);
        }
        if opened.expires.is_none_or(|at| at <= now) {
            return refuse(Missing::Expiry);
        }
        if let Some(days) = facts.max_emergency_days {
            let latest = longest(now, days);
            if opened.expires.is_some_and(|at| at > latest) {
                return refuse(Missing::ExpiryTooLate { latest, days });
            }
        }
    } else if !facts.parallel && !undecided.is_empty() {
        return refuse(Missing::OtherOpen { ids: undecided });
    }
    if opened.class == Class::Tuneable && !facts.tuneables_configured {
        return refuse(Missing::TuneablesUnknown);
    }
    Ok(Kind::Opened(opened.clone()))
}

/// The end of the longest override that may be opened at a moment.
pub fn longest(opened_at: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    window::later(opened_at, Duration::days(i64::from(days)))
}
