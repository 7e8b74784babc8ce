//! Checks of a single record: its replay, its growth since the base, its evidence files and its commits in git.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::audit::evidence::Fetch;
use crate::audit::{Finding, FindingKind, History, Stamp, evidence, members, timestamps};
use crate::model::{
    Artifact, Attestation, ChangeId, Check, Class, Digest, Event, FileChange, Kind, Revision, Stage, Strength,
    Validation, short,
};
use crate::workflow::window::{CLOCK_TOLERANCE, later};
use crate::workflow::{Change, End, InvalidEvent, replay};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordFacts {
    pub id: ChangeId,
    pub path: String,
    pub state: RecordState,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RecordState {
    Tracked(Box<Change>),
    /// A record of the Python tool, which has no evidence.
    Legacy,
    /// Damaged or altered, with the parser's error; `kept_in` is a commit with a readable version.
    Unreadable {
        problem: String,
        conflicted: bool,
        kept_in: Option<String>,
    },
}

impl RecordFacts {
    pub(crate) fn change(&self) -> Option<&Change> {
        match &self.state {
            RecordState::Tracked(change) => Some(change),
            RecordState::Legacy | RecordState::Unreadable { .. } => None,
        }
    }

    pub(crate) fn unreadable(&self) -> Option<Finding> {
        let RecordState::Unreadable { problem, conflicted, kept_in } = self.state.clone() else { return None };
        Some(self.about(Finding::fail(FindingKind::RecordUnreadable { problem, conflicted, kept_in })))
    }

    pub(crate) fn about(&self, finding: Finding) -> Finding {
        finding.of_change(&self.id).at(&self.path)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EarlierRecord {
    pub path: String,
    /// Its events, in order, as written; none for a record of the Python tool.
    pub events: Vec<Stamp>,
    pub committed: Option<DateTime<Utc>>,
}

/// The findings from the record alone. `latest` is the last time in it that is possible: of its commit, or now.
pub(crate) fn findings(record: &RecordFacts, latest: DateTime<Utc>) -> Vec<Finding> {
    let change = match &record.state {
        RecordState::Tracked(change) => change,
        RecordState::Legacy => return vec![record.about(Finding::warn(FindingKind::RecordUnproven))],
        RecordState::Unreadable { .. } => return record.unreadable().into_iter().collect(),
    };
    let invalid = replay::check(&change.events).err().map(|error| match error {
        InvalidEvent::Refused { seq, refusal } => FindingKind::RecordUnlawful { seq, gate: Some(refusal.gate) },
        InvalidEvent::Differs { seq } | InvalidEvent::MeasuredAtOtherTime { seq, .. } => {
            FindingKind::RecordUnlawful { seq, gate: None }
        }
        InvalidEvent::NotARecord(_) => FindingKind::RecordUnlawful { seq: 1, gate: None },
    });
    let future = change.events.iter().find(|event| event.at > later(latest, CLOCK_TOLERANCE));
    let future = future.map(|event| FindingKind::RecordFromFuture { seq: event.seq, at: event.at });
    invalid.into_iter().chain(future).map(|what| record.about(Finding::fail(what))).collect()
}

/// A finding if the record did not only grow since an earlier version. `timestamps` checks whether events were backdated.
pub(crate) fn growth(id: &ChangeId, before: &EarlierRecord, now: Option<&RecordFacts>) -> Option<Finding> {
    let what = match now.map(|now| &now.state) {
        None => FindingKind::RecordRemoved,
        Some(RecordState::Tracked(change)) => {
            return timestamps::rewritten(&before.events, change).map(|finding| finding.of_change(id).at(&before.path));
        }
        // A record of the Python tool replaced ours.
        Some(RecordState::Legacy) if !before.events.is_empty() => FindingKind::RecordRewritten { seq: 1, days: false },
        // An unreadable record has a finding of its own.
        Some(RecordState::Legacy | RecordState::Unreadable { .. }) => return None,
    };
    Some(Finding::fail(what).of_change(id).at(&before.path))
}

/// The bytes of an evidence file as it was recorded, or the finding about it.
pub(crate) type EvidenceBytes = Result<Vec<u8>, FindingKind>;

pub(crate) fn evidence<E>(
    record: &RecordFacts,
    fetch: &mut dyn FnMut(&Artifact) -> Result<EvidenceBytes, E>,
) -> Result<Vec<Finding>, E> {
    let Some(change) = record.change() else { return Ok(Vec::new()) };
    let (mut found, files) = files(record, fetch)?;
    let fetch = |artifact: &Artifact| files.get(artifact.sha256.as_str()).cloned();
    let problem = evidence::problem(change, &fetch);
    found.extend(problem.map(|problem| record.about(Finding::fail(FindingKind::VerdictsDiffer { problem }))));
    Ok(found)
}

/// A difference between the record and its review and validation files.
pub(crate) fn repeated(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let validation = || validation_file(change, change.validation.as_ref()?, fetch);
    attestation(change, fetch).or_else(validation)
}

/// A difference between the attestation's file and the record.
fn attestation(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let attestation = change.attestation.as_ref()?;
    let bytes = fetch(&attestation.artifact)?;
    let path = &attestation.artifact.path;
    let Ok(file) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return Some(format!("{path}: not valid JSON"));
    };
    let says = |key: &str, expected: &str| file[key].as_str() == Some(expected);
    let agrees = says("change_id", change.id().as_str())
        && says("reviewed", attestation.reviewed.as_str())
        && says("tool", &attestation.tool)
        && says("reasoning_mode", &attestation.reasoning_mode);
    if !agrees {
        return Some(format!("{path}: it attests something else than the record says"));
    }
    let names = |key: &str| file[key].as_str().is_some_and(Attestation::is_name);
    (!names("reviewer") && !names("model")).then(|| format!("{path}: it names neither a reviewer nor a model"))
}

#[derive(Deserialize)]
struct ValidationFile {
    change_id: ChangeId,
    revision: Revision,
    checks: Vec<Check>,
}

fn validation_file(change: &Change, validation: &Validation, fetch: &Fetch<'_>) -> Option<String> {
    let bytes = fetch(&validation.artifact)?;
    let path = &validation.artifact.path;
    let file: ValidationFile = match serde_json::from_slice(&bytes) {
        Ok(file) => file,
        Err(error) => return Some(format!("{path}: {error}")),
    };
    let recorded = [
        ("change id", file.change_id == *change.id()),
        ("revision", file.revision == validation.revision),
        ("outcome", file.checks == validation.checks),
    ];
    let other = recorded.into_iter().find(|(_, same)| !same);
    other.map(|(what, _)| format!("{path}: its {what} is not what the record says"))
}

type Files<'r> = BTreeMap<&'r str, Vec<u8>>;

/// The record's files by their digests, with findings for those that are missing or altered.
pub(crate) fn files<'r, E>(
    record: &'r RecordFacts,
    fetch: &mut dyn FnMut(&Artifact) -> Result<EvidenceBytes, E>,
) -> Result<(Vec<Finding>, Files<'r>), E> {
    let (mut found, mut files) = (Vec::new(), BTreeMap::new());
    for artifact in record.change().map(Change::artifacts).unwrap_or_default() {
        let what = match fetch(artifact)? {
            Ok(bytes) => {
                files.insert(artifact.sha256.as_str(), bytes);
                continue;
            }
            Err(what) => what,
        };
        let finding = Finding::fail(what).of_change(&record.id).at(&artifact.path);
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    Ok((found, files))
}

/// The findings about practices that the workflow advises against. `by` is the follow-up of an emergency, `days` the most
/// that an override may last; `is_here` tells whether an ended change is still in effect.
pub(crate) fn habits(
    record: &RecordFacts,
    by: Option<&Change>,
    (days, now): (u32, DateTime<Utc>),
    is_here: &mut dyn FnMut() -> bool,
) -> Vec<Finding> {
    let Some(change) = record.change() else { return Vec::new() };
    let expired = members::expired(change, by, days, now).filter(|_| change.is_open() || is_here());
    let is_emergency = change.opened.class == Class::Emergency;
    let verified = is_emergency && matches!(change.end, Some(End::Verified { .. }));
    let unproven = verified && by.is_none_or(|by| by.promotion.is_none());
    let problem = "it is verified, and no promoted change takes the override over".to_owned();
    let unproven = unproven.then(|| Finding::fail(FindingKind::VerdictsDiffer { problem }));
    let stages = change.promotion.as_ref().map(|promotion| &promotion.policy.stages);
    let only_full = stages.is_some_and(|stages| stages.iter().all(|plan| plan.stage == Stage::Full));
    let from = change.opened.from.clone().filter(|_| only_full);
    let unchecked = from.map(|from| Finding::warn(FindingKind::PromotedWithoutLiveCheck { from: Some(from) }));
    expired.into_iter().chain(unproven).chain(unchecked).map(|finding| record.about(finding)).collect()
}

pub(crate) fn expired(change: &Change, now: DateTime<Utc>) -> Option<Finding> {
    let expired = change.expired_override(now)?;
    Some(Finding::fail(FindingKind::EnvOverrideExpired { expired }).of_change(change.id()))
}

/// The finding about the first revision or delta of a record that differs from git's objects.
pub(crate) fn against_objects(record: &RecordFacts, head: &str, history: &dyn History) -> Option<Finding> {
    let change = record.change()?;
    let problem = change.events.iter().find_map(|event| {
        let revision = revision(event)?;
        let (tree, code) = history.at(revision.commit.as_deref()?)?;
        let what = if revision.tree.as_ref().is_some_and(|recorded| *recorded != tree) {
            "tree"
        } else if revision.code.as_ref().is_some_and(|recorded| recorded.as_str() != code) {
            "code"
        } else {
            return None;
        };
        Some(format!("event {}: its {what} is not the one of commit {}", event.seq, revision.short()))
    });
    let problem = problem.or_else(|| other_delta(change, head, history))?;
    Some(record.about(Finding::fail(FindingKind::VerdictsDiffer { problem })))
}

fn revision(event: &Event) -> Option<&Revision> {
    if let Kind::Validated(validation) = &event.what {
        return Some(&validation.revision);
    }
    event.what.recorded_snapshot().map(|taken| &taken.revision)
}

/// A difference between the delta and git. Of a single commit that is known here, nothing is believed that git can show:
/// what others committed since the baseline, which files it changes, and that its code is what was validated.
fn other_delta(change: &Change, head: &str, history: &dyn History) -> Option<String> {
    let (baseline, validation) = (change.baseline.as_ref()?, change.validation.as_ref()?);
    let delta = &validation.delta;
    if baseline.strength != Strength::Full {
        return None;
    }
    let differing = |base: &str, head: &str| {
        let _ = (history.at(base)?, history.at(head)?);
        let files = history.changed(base, head);
        let recorded: BTreeSet<&str> = delta.files.iter().map(String::as_str).collect();
        (recorded != files.iter().map(FileChange::name).collect())
            .then(|| "the files of its delta are not those that differ between its commits".to_owned())
    };
    let named = delta.own_commits().next().and_then(|own| Some((own.sha.as_str(), history.at(&own.sha)?)));
    let Some((own, (_, code))) = named else {
        return differing(change.baseline_commit()?, validation.revision.commit.as_deref()?);
    };
    let parent = history.parent(own)?;
    let before = history.at(&parent)?;
    let says = |recorded: &Option<Digest>, code: &str| recorded.as_ref().is_none_or(|it| it.as_str() == code);
    match &delta.base {
        Some(recorded) if history.at(recorded).as_ref() != Some(&before) => {
            return Some("the recorded parent is not the commit's parent".to_owned());
        }
        None if !says(&baseline.taken.revision.code, &before.1) => {
            let own = short(own);
            return Some(format!(
                "others committed before commit {own} since its baseline, and its delta does not say so"
            ));
        }
        Some(_) | None => {}
    }
    // What others committed may have been validated with it.
    let with_others = || delta.base.is_some() && is_validated_after(change, own, head, history);
    if !says(&validation.revision.code, &code) && !with_others() {
        return Some(format!("the validated code is not the one of its commit {}", short(own)));
    }
    differing(&parent, own)
}

/// Whether the validated code is that of a commit after `own` in the history of `head`.
fn is_validated_after(change: &Change, own: &str, head: &str, history: &dyn History) -> bool {
    let Some(revision) = change.validation.as_ref().map(|validation| &validation.revision) else { return false };
    let Some(commit) = revision.commit.as_deref() else { return false };
    let follows = history.comes_before(own, commit);
    // After a rebase, the relinked commit shows what was validated.
    if change.is_moved() {
        return follows != Some(false);
    }
    let reaches = || commit == head || history.comes_before(commit, head) == Some(true);
    let in_code = || revision.code.as_ref().is_some_and(|code| history.has_code_after(own, head, code.as_str()));
    follows == Some(true) && reaches() || in_code()
}
