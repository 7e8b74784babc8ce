//! Gate 0: opening a change.

use chrono::{DateTime, Duration, Utc};

use crate::model::{Class, Gate, Opened};
use crate::workflow::{Reason, Refusal, World, window};

/// One undecided change at a time, unless asked otherwise: two at once cannot be told apart in the numbers.
pub fn check(opened: &Opened, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    let refuse = |missing| Err(Refusal::new(Gate::Open, missing));
    if opened.class == Class::Emergency {
        if opened.incident.as_deref().is_none_or(|note| note.trim().is_empty()) {
            return refuse(Reason::IncidentNote);
        }
        if opened.expires.is_none_or(|at| at <= now) {
            return refuse(Reason::Expiry);
        }
        if let Some(days) = world.max_emergency_days {
            let latest = longest(now, days);
            if opened.expires.is_some_and(|at| at > latest) {
                return refuse(Reason::ExpiryTooLate { latest, days });
            }
        }
    } else if !world.undecided.is_empty() {
        return refuse(Reason::OtherOpen { ids: world.undecided.clone() });
    }
    if opened.class == Class::Tuneable && !world.tuneables_configured {
        return refuse(Reason::TuneablesUnknown);
    }
    Ok(())
}

/// The end of the longest override that may be opened at a moment.
pub fn longest(opened_at: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    window::later(opened_at, Duration::days(i64::from(days)))
}
