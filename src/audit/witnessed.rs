//! A record against git as its witness: every version of it that a commit of the range holds, not only the first and
//! the last, and the commits that its events name. Whoever rewrites a record can make its chain anew, but not what was
//! committed before. Must not read git; the versions come as facts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::audit::record::CLOCK_TOLERANCE;
use crate::audit::{CommitName, EarlierRecord, Finding, Prompt, RecordFacts, What};
use crate::model::{ChangeId, Event, Kind, Revision, Stage, Validation};
use crate::workflow::Change;

/// An event as a commit holds it, without trust in the record around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub digest: String,
    /// When it claims to have been recorded.
    pub at: Option<DateTime<Utc>>,
}

/// A record as one commit of the range left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub commit: CommitName,
    /// When the commit was first written: rebasing moves the moment of committing, not this one.
    pub written: DateTime<Utc>,
    /// When the commit was made as it is now.
    pub made: DateTime<Utc>,
    /// The events; `None` where the commit took the record away, or left something that is none.
    pub events: Option<Vec<Stamp>>,
}

/// What the versions of a record, oldest first, show against what stands at the end. `before` is the record at the
/// range's base, `now` the one at its head.
pub fn findings(
    id: &ChangeId,
    path: &str,
    before: Option<&EarlierRecord>,
    versions: &[Version],
    now: Option<&RecordFacts>,
    prompt: Prompt,
) -> Vec<Finding> {
    let of = |finding: Finding| finding.of_change(id).at(path);
    let Some(now) = now else {
        // Where the base has it, its loss is found there.
        let last = versions.iter().rev().find(|version| version.events.is_some()).filter(|_| before.is_none());
        let removed = last.map(|version| Finding::fail(What::RecordRemoved).of_commit(&version.commit));
        return removed.map(of).into_iter().collect();
    };
    if now.is_legacy() {
        // One of the original's in the place of ours: the events are all gone.
        let ours = |version: &&Version| version.events.as_ref().is_some_and(|events| !events.is_empty());
        let last = versions.iter().rev().find(ours).filter(|_| before.is_none_or(|before| before.digests.is_empty()));
        let replaced = last.map(|last| Finding::fail(What::RecordRewritten { seq: 1 }).of_commit(&last.commit));
        return replaced.map(of).into_iter().collect();
    }
    // What cannot be read is found as that.
    let Some(change) = now.change() else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(lost(change, versions));
    found.extend(out_of_time(change, before, versions, prompt));
    found.extend(late(change, before, versions, prompt));
    found.into_iter().map(of).collect()
}

/// The first version whose events are not the beginning of the present ones: something was taken away again.
fn lost(change: &Change, versions: &[Version]) -> Option<Finding> {
    let holds = |version: &&Version| version.events.is_some();
    versions.iter().filter(holds).find_map(|version| {
        let events = version.events.as_deref().unwrap_or_default();
        let kept = common(events, &change.events);
        (kept < events.len())
            .then(|| Finding::fail(What::RecordRewritten { seq: kept as u64 + 1 }).of_commit(&version.commit))
    })
}

fn common(events: &[Stamp], now: &[Event]) -> usize {
    events.iter().zip(now).take_while(|(old, event)| old.digest == event.digest.as_str()).count()
}

/// Events that claim a moment after a commit that holds them, or before one that does not.
fn out_of_time(
    change: &Change,
    before: Option<&EarlierRecord>,
    versions: &[Version],
    prompt: Prompt,
) -> Option<Finding> {
    // When the record was first committed with at least so many events.
    let mut known: BTreeMap<usize, DateTime<Utc>> = BTreeMap::new();
    let mut note = |count: usize, at: DateTime<Utc>| {
        known.entry(count).and_modify(|moment| *moment = at.min(*moment)).or_insert(at);
    };
    if let Some((before, at)) = before.and_then(|before| Some((before, before.committed?))) {
        note(before.digests.len(), at);
    }
    for version in versions {
        let Some(events) = &version.events else { continue };
        if common(events, &change.events) < events.len() {
            continue;
        }
        let future = change.events.iter().take(events.len()).find(|event| event.at > version.made + CLOCK_TOLERANCE);
        if let Some(event) = future {
            let what = What::RecordFromFuture { seq: event.seq, at: event.at };
            return Some(Finding::fail(what).of_commit(&version.commit));
        }
        note(events.len(), version.written);
    }
    for (count, committed) in known {
        let added = change.events.iter().skip(count);
        if let Some(event) = added.into_iter().find(|event| event.at < committed - CLOCK_TOLERANCE) {
            let what = What::RecordBackdated { seq: event.seq, at: event.at, committed };
            // A squash merge dates an older version of the record anew, while a newer one waits in another branch.
            let soon = event.at >= committed - Duration::days(prompt.days.into());
            return Some(if soon && !prompt.demanded { Finding::warn(what) } else { Finding::fail(what) });
        }
    }
    None
}

/// Monitored days, and the full rollout that begins them, which were committed so long after they are said to have
/// been that git is no witness of them.
fn late(change: &Change, before: Option<&EarlierRecord>, versions: &[Version], prompt: Prompt) -> Option<Finding> {
    let known = before.map_or(0, |before| before.digests.len());
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    let mut committed = None;
    for (index, event) in change.events.iter().enumerate().skip(known) {
        let counts = match &event.what {
            Kind::Ticked { .. } => true,
            Kind::RolledOut(begun) => begun.stage == Stage::Full,
            _ => false,
        };
        let holds =
            |version: &&Version| version.events.as_ref().is_some_and(|events| common(events, &change.events) > index);
        let first = versions.iter().filter(holds).map(|version| version.written).min();
        let Some(first) = first.filter(|_| counts) else { continue };
        if first > event.at + Duration::days(prompt.days.into()) {
            days.insert(event.at.date_naive());
            committed = committed.max(Some(first));
        }
    }
    let what = What::DaysUnwitnessed { days: days.iter().copied().collect(), committed: committed? };
    Some(if prompt.demanded { Finding::fail(what) } else { Finding::warn(what) })
}

/// The commits that the events of a record name as what was there.
pub fn named(change: &Change) -> BTreeSet<String> {
    change.events.iter().flat_map(|event| commits_of(&event.what)).collect()
}

/// The first event that claims a moment before the commit that it names was made. `made` tells that moment; commits
/// that are not known here say nothing.
pub fn before_its_commit(record: &RecordFacts, made: &dyn Fn(&str) -> Option<DateTime<Utc>>) -> Option<Finding> {
    let change = record.change()?;
    change.events.iter().find_map(|event| {
        let commits = commits_of(&event.what).into_iter();
        let later = commits.filter_map(|commit| Some((made(&commit)?, commit)));
        let (at, commit) = later.into_iter().find(|(made, _)| event.at < *made - CLOCK_TOLERANCE)?;
        let what = What::RecordBeforeCommit { seq: event.seq, at: event.at, commit, made: at };
        Some(Finding::fail(what).of_change(&record.id).at(&record.path))
    })
}

fn commits_of(what: &Kind) -> Vec<String> {
    let of = |revision: &Revision| revision.commit.clone();
    let mut commits: Vec<String> = what.taken().and_then(|taken| of(&taken.revision)).into_iter().collect();
    match what {
        Kind::Validated(Validation { revision, delta, .. }) => {
            commits.extend(of(revision));
            commits.extend(delta.commits.iter().map(|commit| commit.sha.clone()));
        }
        Kind::ValidationFailed { delta, .. } => commits.extend(delta.commits.iter().map(|commit| commit.sha.clone())),
        Kind::Relinked { commits: moved, .. } => commits.extend(moved.iter().map(|(_, new)| new.clone())),
        Kind::RolledBack { commit, .. } => commits.extend(commit.clone()),
        _ => {}
    }
    commits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Level, RecordState};
    use crate::report::fixture;

    const LOOSE: Prompt = Prompt { days: 2, demanded: false };

    fn facts(change: Change) -> RecordFacts {
        let state = RecordState::Tracked(Box::new(change.clone()));
        RecordFacts { id: change.id().clone(), path: "changes/chg-1.json".to_owned(), state }
    }

    /// The record as a commit left it that was made with so many events, on a day of the fixture.
    fn version(change: &Change, count: usize, day: u32) -> Version {
        let stamp = |event: &Event| Stamp { digest: event.digest.as_str().to_owned(), at: Some(event.at) };
        Version {
            commit: CommitName { id: format!("{count:040}"), subject: "Evidence".to_owned() },
            written: fixture::at(day, 10),
            made: fixture::at(day, 10),
            events: Some(change.events.iter().take(count).map(stamp).collect()),
        }
    }

    fn whats(change: &Change, versions: &[Version], prompt: Prompt) -> Vec<What> {
        let record = facts(change.clone());
        let found = findings(change.id(), "x", None, versions, Some(&record), prompt);
        found.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_record_that_was_committed_day_by_day_is_witnessed() {
        let change = fixture::passed(7);
        let days = [1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 5];
        assert_eq!(change.events.len(), days.len());
        let versions: Vec<Version> = (1..).zip(days).map(|(count, day)| version(&change, count, day)).collect();
        assert_eq!(whats(&change, &versions, LOOSE), []);
        // A whole week's evidence in one commit of the next one: worth knowing, and no more unless the config says so.
        let late = [version(&change, change.events.len(), 11)];
        let days = vec![fixture::at(4, 0).date_naive(), fixture::at(5, 0).date_naive()];
        let what = What::DaysUnwitnessed { days, committed: fixture::at(11, 10) };
        assert_eq!(whats(&change, &late, LOOSE), [what]);
        assert_eq!(whats(&change, &late, Prompt { days: 8, demanded: true }), []);
        let record = facts(change.clone());
        let strict = Prompt { days: 2, demanded: true };
        let found = findings(change.id(), "x", None, &late, Some(&record), strict);
        assert_eq!(found[0].level, Level::Fail);
        // What the base has already was looked at before.
        let digests = change.events.iter().map(|event| event.digest.as_str().to_owned()).collect();
        let before = EarlierRecord { path: "x".to_owned(), digests, committed: Some(fixture::at(11, 10)) };
        assert_eq!(findings(change.id(), "x", Some(&before), &late, Some(&record), strict), []);
    }

    #[test]
    fn what_some_commit_held_must_begin_what_stands_at_the_end() {
        let whole = fixture::passed(7);
        let other = fixture::opened("Another", crate::model::Class::Code);
        let versions = [version(&whole, 1, 1), version(&other, 1, 1), version(&whole, 11, 5)];
        let found = whats(&whole, &versions, LOOSE);
        assert_eq!(found, [What::RecordRewritten { seq: 1 }]);
        let removed = findings(whole.id(), "x", None, &versions, None, LOOSE);
        assert_eq!(removed[0].what, What::RecordRemoved);
        assert_eq!(removed[0].commit.as_ref(), Some(&versions[2].commit), "the commit that still has all of it");
    }

    #[test]
    fn events_fit_between_the_commits_that_lack_them_and_those_that_hold_them() {
        let change = fixture::passed(7);
        // Committed with the contract alone on day 3, when the baseline of day 1 is said to have been there.
        let back = [version(&change, 2, 3), version(&change, 3, 4)];
        assert!(matches!(whats(&change, &back, LOOSE)[0], What::RecordBackdated { seq: 3, .. }));
        let level = |day, prompt| {
            let (versions, record) = ([version(&change, 2, day)], facts(change.clone()));
            findings(change.id(), "x", None, &versions, Some(&record), prompt)[0].level
        };
        assert_eq!((level(3, LOOSE), level(4, LOOSE)), (Level::Warn, Level::Fail));
        assert_eq!(level(3, Prompt { days: 2, demanded: true }), Level::Fail);
        let future = [version(&change, 8, 2)];
        assert!(matches!(whats(&change, &future, LOOSE)[0], What::RecordFromFuture { seq: 8, .. }));
        // A rebase on day 9 made the commits anew; their author's dates stay.
        let rebased = |count, day| Version { made: fixture::at(9, 10), ..version(&change, count, day) };
        let versions = [rebased(3, 1), rebased(7, 2), rebased(9, 4), rebased(10, 4), rebased(11, 5)];
        assert_eq!(whats(&change, &versions, LOOSE), []);
    }

    #[test]
    fn nothing_can_be_measured_at_a_commit_that_does_not_exist_yet() {
        let record = facts(fixture::passed(7));
        let of = |day| move |commit: &str| commit.starts_with('b').then(|| fixture::at(day, 10));
        assert_eq!(before_its_commit(&record, &of(2)), None);
        assert_eq!(before_its_commit(&record, &|_| None), None, "an unknown commit says nothing");
        let finding = before_its_commit(&record, &of(3)).unwrap();
        assert!(matches!(finding.what, What::RecordBeforeCommit { seq: 4, .. }), "{finding:?}");
    }
}
