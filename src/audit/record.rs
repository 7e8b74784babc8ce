//! Records as git witnesses them: they only grow, their events are lawful, their moments fit the commits that hold
//! them, their evidence is there. Must not read files or git; both come as facts.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use crate::audit::{Finding, What, recompute};
use crate::model::{Artifact, ChangeId, Class, Digest, Stage};
use crate::workflow::{Change, InvalidEvent, replay};

/// How far the clocks of two machines may differ.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::minutes(10);

/// A record as it was read from one tree.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordFacts {
    /// The id that its file's name gives it.
    pub id: ChangeId,
    pub path: String,
    pub state: RecordState,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordState {
    /// One of ours, chain and view sound.
    Tracked(Box<Change>),
    /// One of the original's, which proves nothing.
    Legacy,
    /// Damaged or altered, with the reader's words.
    Unreadable(String),
}

impl RecordFacts {
    /// The change, where it could be read.
    pub fn change(&self) -> Option<&Change> {
        match &self.state {
            RecordState::Tracked(change) => Some(change),
            _ => None,
        }
    }

    /// Whether it is one of the original tool, which proves nothing.
    pub fn is_legacy(&self) -> bool {
        matches!(self.state, RecordState::Legacy)
    }
}

/// A record as it stood at the range's base.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EarlierRecord {
    pub path: String,
    /// The digests of its events, in order, as written; none for one of the original's.
    pub digests: Vec<String>,
    pub committed: Option<DateTime<Utc>>,
}

/// An evidence file as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Intact(Vec<u8>),
    Missing,
    /// Not in the commit, and as recorded in the work tree.
    Uncommitted,
    Altered(Digest),
}

/// What a record itself shows, with `latest` the last moment that it can know of: that of the commit that holds it,
/// or now.
pub fn findings(record: &RecordFacts, latest: DateTime<Utc>) -> Vec<Finding> {
    let of = |finding: Finding| finding.of_change(&record.id).at(&record.path);
    let change = match &record.state {
        RecordState::Tracked(change) => change,
        RecordState::Legacy => return vec![of(Finding::warn(What::RecordUnproven))],
        RecordState::Unreadable(problem) => {
            return vec![of(Finding::fail(What::RecordUnreadable { problem: problem.clone() }))];
        }
    };
    let mut found = Vec::new();
    match replay::check(&change.events) {
        Ok(()) => {}
        Err(InvalidEvent::Refused { seq, refusal }) => {
            found.push(Finding::fail(What::RecordUnlawful { seq, gate: Some(refusal.gate) }));
        }
        Err(InvalidEvent::Differs { seq } | InvalidEvent::MeasuredAtOtherTime { seq, .. }) => {
            found.push(Finding::fail(What::RecordUnlawful { seq, gate: None }));
        }
        Err(InvalidEvent::NotARecord(_)) => found.push(Finding::fail(What::RecordUnlawful { seq: 1, gate: None })),
    }
    let future = change.events.iter().find(|event| event.at > latest + CLOCK_TOLERANCE);
    if let Some(event) = future {
        found.push(Finding::fail(What::RecordFromFuture { seq: event.seq, at: event.at }));
    }
    found.into_iter().map(of).collect()
}

/// What becomes visible against the record as it was before: events may only have been added. Whether they were added
/// in the past is for `witnessed` to say.
pub fn growth(id: &ChangeId, before: &EarlierRecord, now: Option<&RecordFacts>) -> Option<Finding> {
    let of = |finding: Finding| Some(finding.of_change(id).at(&before.path));
    let Some(now) = now else { return of(Finding::fail(What::RecordRemoved)) };
    let change = match &now.state {
        RecordState::Tracked(change) => change,
        // One of the original's in the place of ours is a rewritten record; an unreadable one is reported as that.
        RecordState::Legacy if !before.digests.is_empty() => {
            return of(Finding::fail(What::RecordRewritten { seq: 1 }));
        }
        _ => return None,
    };
    let kept = before.digests.iter().zip(&change.events).take_while(|(old, event)| **old == event.digest.as_str());
    let kept = kept.count();
    if kept < before.digests.len() {
        return of(Finding::fail(What::RecordRewritten { seq: kept as u64 + 1 }));
    }
    None
}

/// What is wrong with the evidence of a change's present state. `fetch` is told whether a file is the newest of its
/// name, which has to lie under it; one that a later event replaced may be kept beside.
pub fn evidence(record: &RecordFacts, fetch: &mut dyn FnMut(&Artifact, bool) -> Found) -> Vec<Finding> {
    let Some(change) = record.change() else { return Vec::new() };
    let mut found = Vec::new();
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for artifact in change.artifacts() {
        let what = match fetch(artifact, change.is_newest(artifact)) {
            Found::Intact(bytes) => {
                files.insert(artifact.sha256.as_str(), bytes);
                continue;
            }
            Found::Missing => What::ArtifactMissing { uncommitted: false },
            Found::Uncommitted => What::ArtifactMissing { uncommitted: true },
            Found::Altered(found) => What::ArtifactAltered { recorded: artifact.sha256.clone(), found },
        };
        let finding = Finding::fail(what).of_change(&record.id).at(&artifact.path);
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    let bytes = |artifact: &Artifact| files.get(artifact.sha256.as_str()).cloned();
    if let Some(problem) = recompute::problem(change, &bytes) {
        found.push(Finding::fail(What::VerdictsDiffer { problem }).of_change(&record.id).at(&record.path));
    }
    found
}

/// What the workflow says to avoid, as far as a record alone shows it.
pub fn habits(record: &RecordFacts, now: DateTime<Utc>) -> Vec<Finding> {
    let Some(change) = record.change() else { return Vec::new() };
    let of = |finding: Finding| finding.of_change(&record.id).at(&record.path);
    let mut found = Vec::new();
    if let Some(expired) = expired_override(change, now) {
        found.push(of(Finding::fail(What::EnvOverrideExpired { expired })));
    }
    if let Some(promotion) = &change.promotion {
        let checked_live = promotion.policy.stages.iter().any(|plan| plan.stage != Stage::Full);
        let from = change.opened.from.clone();
        if from.is_some() && !checked_live {
            found.push(of(Finding::warn(What::PromotedWithoutLiveCheck { from })));
        }
    }
    found
}

/// When the override of an emergency expired that still is what holds: neither taken over nor taken back.
pub(crate) fn expired_override(change: &Change, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let holds = change.opened.class == Class::Emergency && change.is_open() && change.follow_up.is_none();
    change.opened.expires.filter(|at| holds && *at <= now)
}
