//! The hash chain over a record's events: seals new events and detects alterations. Does not interpret events.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::{Digest, Event, Kind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it holds no event")]
    Empty,
    /// A gap in the numbering: an event was removed, added or moved.
    #[error("event {expected} is missing or out of place (found number {found} there)")]
    Sequence { expected: u64, found: u64 },
    #[error("event {0} does not follow the one before it: an event was removed, replaced or reordered")]
    Link(u64),
    #[error("event {0} was altered after it was recorded")]
    Altered(u64),
}

/// Creates the event that follows `last`, with its link and digest.
pub fn seal(last: Option<&Event>, what: Kind, actor: Option<String>, at: DateTime<Utc>) -> Event {
    let seq = last.map_or(1, |event| event.seq + 1);
    let prev = last.map(|event| event.digest.clone());
    // The digest covers the event as written, so the time is truncated to microseconds, the precision on disk.
    let at = chrono::SubsecRound::trunc_subsecs(at, 6);
    let mut event = Event { seq, at, actor, what, prev, digest: Digest::of_bytes(b""), signature: None };
    event.digest = digest_of(&to_value(&event));
    event
}

/// Verifies a whole chain. Takes raw values, so that fields unknown to this version are covered as well.
pub fn verify(events: &[Value]) -> Result<(), Broken> {
    if events.is_empty() {
        return Err(Broken::Empty);
    }
    let mut prev: Option<&str> = None;
    for (index, event) in events.iter().enumerate() {
        let expected = index as u64 + 1;
        let found = event["seq"].as_u64().unwrap_or(0);
        if found != expected {
            return Err(Broken::Sequence { expected, found });
        }
        if event["prev"].as_str() != prev {
            return Err(Broken::Link(expected));
        }
        let digest = event["digest"].as_str().unwrap_or_default();
        if digest_of(event).as_str() != digest {
            return Err(Broken::Altered(expected));
        }
        prev = Some(digest);
    }
    Ok(())
}

pub fn to_value(event: &Event) -> Value {
    // Cannot fail: events consist of strings, finite numbers, and maps with string keys.
    serde_json::to_value(event).unwrap_or(Value::Null)
}

fn digest_of(event: &Value) -> Digest {
    // The signature is over the digest, so it is not part of it.
    Digest::of_json_without(event, &["digest", "signature"])
}
