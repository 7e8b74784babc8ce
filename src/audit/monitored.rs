//! Whether what a record says was measured, stage by stage and day by day, comes out of the raw snapshots again: each a
//! measurement of its own, of this change, made when the record says, with the conclusions that follow from it. Must
//! not read files; the caller hands over their bytes.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use uuid::Uuid;

use crate::judge::{Comparison, Settings};
use crate::model::{Artifact, Event, Kind, RolloutStage, Snapshot, ingest};
use crate::workflow::{Change, watch};

/// How far the moment in a measurement may lie from that of its event: measuring ends shortly before recording.
const RECORDING_DELAY: Duration = Duration::minutes(15);

/// How far the moment in a snapshot's id may lie from the snapshot's own; both are taken at once.
const MINTING_DELAY: Duration = Duration::seconds(2);

/// Hands over the bytes of a recorded file; `None` where it is missing or altered, which is for others to report.
pub type Fetch<'a> = dyn Fn(&Artifact) -> Option<Vec<u8>> + 'a;

/// What is wrong with the first measurement that does not hold; `None` when all of them do.
pub fn problem(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let current = change.artifacts();
    let mut seen = Seen::default();
    let held = Held::of(change, fetch);
    for event in &change.events {
        let Some(taken) = event.what.taken().filter(|taken| current.contains(&&taken.snapshot)) else { continue };
        let Some(bytes) = fetch(&taken.snapshot) else { continue };
        let path = &taken.snapshot.path;
        let snapshot = match ingest::parse_snapshot(&bytes) {
            Ok(snapshot) => snapshot,
            Err(error) => return Some(format!("{path}: {error}")),
        };
        let what = mismatch(change, event, &snapshot)
            .or_else(|| seen.again(&snapshot))
            .or_else(|| held.as_ref().and_then(|held| held.differs(change, &event.what, &snapshot)));
        if let Some(what) = what {
            return Some(format!("{path}: {what}"));
        }
    }
    attestation(change, fetch)
}

fn mismatch(change: &Change, event: &Event, snapshot: &Snapshot) -> Option<String> {
    let taken = event.what.taken()?;
    let not_said = |what: &str| Some(format!("its {what} is not what the record says"));
    if snapshot.change_id.as_deref() != Some(change.id().as_str()) {
        return not_said("change id");
    }
    if snapshot.revision.as_ref() != Some(&taken.revision) {
        return not_said("revision");
    }
    if snapshot.role != role(&event.what) {
        return not_said("role");
    }
    if snapshot.generated_at != taken.taken_at {
        return not_said("moment");
    }
    if apart(event.at, snapshot.generated_at) > RECORDING_DELAY {
        return Some("it was not measured when it was recorded".to_owned());
    }
    if snapshot.started_at.is_some_and(|started| started > snapshot.generated_at) {
        return Some("it ended before it began".to_owned());
    }
    match snapshot.id.as_deref().and_then(minted) {
        Some(at) if apart(at, snapshot.generated_at) <= MINTING_DELAY => None,
        Some(_) => Some("its id was made at another moment".to_owned()),
        None => Some("its id carries no moment".to_owned()),
    }
}

/// The role that an event's snapshot has.
fn role(what: &Kind) -> Option<String> {
    match what {
        Kind::BaselineTaken { .. } => Some("before".to_owned()),
        Kind::AfterTaken { .. } => Some("after".to_owned()),
        Kind::RolledOut(begun) => Some(begun.stage.name().to_owned()),
        Kind::Ticked(tick) => Some(day_role(tick.day)),
        Kind::RollbackConfirmed { .. } => Some("rollback".to_owned()),
        _ => None,
    }
}

/// The role of the snapshot of a day of the window.
pub fn day_role(day: u32) -> String {
    format!("day{day}")
}

fn apart(one: DateTime<Utc>, other: DateTime<Utc>) -> Duration {
    (one - other).abs()
}

/// The moment that a UUID version 7 carries.
fn minted(id: &str) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    Utc.timestamp_opt(i64::try_from(seconds).ok()?, nanos).single()
}

/// The measurements so far, to tell a copy by.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    runs: BTreeSet<Vec<u64>>,
}

impl Seen {
    /// A wall clock of nanoseconds does not give the same run times twice: where it seems to, a file was copied.
    fn again(&mut self, snapshot: &Snapshot) -> Option<String> {
        if !snapshot.id.iter().all(|id| self.ids.insert(id.clone())) {
            return Some("its id is that of another measurement".to_owned());
        }
        let runs = snapshot.timings.iter().flat_map(|timing| &timing.samples).map(|run| run.wall_s.to_bits());
        let runs: Vec<u64> = runs.collect();
        let copied = !runs.is_empty() && !self.runs.insert(runs);
        copied.then(|| "its run times are those of another measurement, to the last digit".to_owned())
    }
}

/// What later measurements are held against.
struct Held {
    reference: Snapshot,
    settings: Settings,
}

impl Held {
    fn of(change: &Change, fetch: &Fetch<'_>) -> Option<Self> {
        let reference = ingest::parse_snapshot(&fetch(watch::reference(change)?)?).ok()?;
        let recorded = match &change.comparison {
            Some(comparison) => Some(serde_json::from_slice::<Comparison>(&fetch(&comparison.json)?).ok()?),
            None => None,
        };
        Some(Self { reference, settings: watch::settings(change, recorded.as_ref()) })
    }

    fn differs(&self, change: &Change, what: &Kind, snapshot: &Snapshot) -> Option<String> {
        let again = || watch::watch(change, &self.reference, snapshot, &self.settings);
        let same = match what {
            Kind::RolledOut(RolloutStage { verdicts: Some(verdicts), .. }) => {
                again().verdicts().as_ref() == Some(verdicts)
            }
            Kind::Ticked(tick) => again().alarms() == tick.alarms,
            _ => true,
        };
        (!same).then(|| "the recorded verdicts do not come out of it again".to_owned())
    }
}

/// The attestation's file must be of this change, and of what the record says was reviewed.
fn attestation(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let attestation = change.attestation.as_ref()?;
    let bytes = fetch(&attestation.artifact)?;
    let path = &attestation.artifact.path;
    let Ok(file) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return Some(format!("{path}: it is no JSON"));
    };
    let says = |key: &str, expected: &str| file[key].as_str() == Some(expected);
    let agrees = says("change_id", change.id().as_str())
        && says("reviewed", attestation.reviewed.as_str())
        && says("tool", &attestation.tool)
        && says("reasoning_mode", &attestation.reasoning_mode);
    (!agrees).then(|| format!("{path}: it attests something else than the record says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        // RFC 9562, appendix A.6: made on 22 February 2022 at 19:22:22 UTC.
        let at = minted("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").unwrap();
        assert_eq!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "2022-02-22T19:22:22Z");
        assert_eq!(minted("0190-before"), None);
    }
}
