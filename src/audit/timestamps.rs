//! Checks a record's times against the commits of a range that contain it, in every version, and against the commits
//! that its events name. Whoever rewrites a record can rebuild its hash chain, but cannot alter earlier commits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::Value;

use crate::audit::{
    CommitDeadline, CommitName, EarlierRecord, Finding, FindingKind, RecordFacts, RecordState, Unwitnessed,
};
use crate::model::{ChangeId, Event, Kind, RolloutStage, Stage};
use crate::workflow::Change;
use crate::workflow::window::{CLOCK_TOLERANCE, earlier, later};

/// An event in a committed version of a record; the version itself is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub digest: String,
    pub is_signed: bool,
    /// Whether it records a monitored day without an alarm, whose loss hides nothing.
    pub quiet_day: bool,
    /// Its content if that does not depend on earlier events ([`Event::standalone_content`]).
    pub standalone_content: Option<Value>,
}

fn kept(events: &[Stamp], change: &Change) -> usize {
    events.iter().zip(&change.events).take_while(|(old, event)| old.digest == event.digest.as_str()).count()
}

/// A finding if the present events do not begin with those of an earlier version, and do not have them later. If only quiet
/// days are gone, a merge may have taken one side's: the caller asks git whether that is so.
pub(crate) fn rewritten(earlier: &[Stamp], change: &Change) -> Option<Finding> {
    let kept = kept(earlier, change);
    let joined: Vec<Value> = change.events.iter().skip(kept).filter_map(Event::standalone_content).collect();
    let is_joined = |event: &&Stamp| event.standalone_content.as_ref().is_some_and(|it| joined.contains(it));
    let lost: Vec<&Stamp> = earlier[kept..].iter().filter(|event| !is_joined(event)).collect();
    let seq = kept as u64 + 1;
    if lost.is_empty() {
        return None;
    }
    Some(if lost.iter().all(|event| event.quiet_day) {
        Finding::warn(FindingKind::RecordForked { seq })
    } else {
        let days = lost.iter().all(|event| event.standalone_content.is_some());
        Finding::fail(FindingKind::RecordRewritten { seq, days })
    })
}

/// A version of a record in one commit of the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordVersion {
    pub commit: CommitName,
    /// The author date, which a rebase keeps.
    pub written: DateTime<Utc>,
    pub made: DateTime<Utc>,
    /// The newest committer's time among the commits before it in the range, without times in the future.
    pub rests_on: Option<DateTime<Utc>>,
    /// The events; `None` if the commit removed the record or made it unreadable.
    pub events: Option<Vec<Stamp>>,
}

impl RecordVersion {
    fn events(&self) -> &[Stamp] {
        self.events.as_deref().unwrap_or_default()
    }
}

/// Compares the versions of a record (oldest first) with its last state; `before` is at the range's base, `now` at its head.
pub(crate) fn findings(
    id: &ChangeId,
    path: &str,
    before: Option<&EarlierRecord>,
    versions: &[RecordVersion],
    now: Option<&RecordFacts>,
    deadline: CommitDeadline,
) -> Vec<Finding> {
    let lost = |what: FindingKind, told_here: bool, held: &dyn Fn(&RecordVersion) -> bool| -> Vec<Finding> {
        let newest = versions.iter().rev().find(|version| told_here && held(version));
        newest.map(|version| Finding::fail(what).of_commit(&version.commit)).into_iter().collect()
    };
    let found: Vec<Finding> = match now.map(|now| &now.state) {
        // If the base has the record, `growth` finds its loss.
        None => lost(FindingKind::RecordRemoved, before.is_none(), &|version| version.events.is_some()),
        Some(RecordState::Legacy) => {
            let base_has_none = before.is_none_or(|before| before.events.is_empty());
            let rewritten = FindingKind::RecordRewritten { seq: 1, days: false };
            lost(rewritten, base_has_none, &|version| !version.events().is_empty())
        }
        // An unreadable record has a finding of its own.
        Some(RecordState::Unreadable { .. }) => Vec::new(),
        Some(RecordState::Tracked(change)) => {
            let lost = |version: &RecordVersion| Some(rewritten(version.events(), change)?.of_commit(&version.commit));
            // A rewritten record comes before a forked one.
            let rewritten = versions.iter().filter_map(lost).max_by_key(|finding| finding.level);
            let moments = out_of_time(change, before, versions, deadline);
            rewritten.into_iter().chain(moments).chain(late(change, before, versions, deadline)).collect()
        }
    };
    found.into_iter().map(|finding| finding.of_change(id).at(path)).collect()
}

/// The version that first committed the event at an index: with all events before it or, for an event that does not depend
/// on them, on another branch whose events were joined.
fn first_committed<'v>(change: &Change, index: usize, versions: &'v [RecordVersion]) -> Option<&'v RecordVersion> {
    let standalone_content = change.events[index].standalone_content();
    let is_it = |stamp: &Stamp| standalone_content.is_some() && stamp.standalone_content == standalone_content;
    let holds = |version: &&RecordVersion| kept(version.events(), change) > index || version.events().iter().any(is_it);
    versions.iter().filter(holds).min_by_key(|version| version.written)
}

/// Finds an event whose time is after a commit that holds it, or before a commit that does not.
fn out_of_time(
    change: &Change,
    before: Option<&EarlierRecord>,
    versions: &[RecordVersion],
    deadline: CommitDeadline,
) -> Option<Finding> {
    // Number of events to the time at which a record with that many was first committed.
    let mut known: BTreeMap<usize, DateTime<Utc>> = BTreeMap::new();
    let mut note = |count: usize, at: DateTime<Utc>| {
        known.entry(count).and_modify(|moment| *moment = at.min(*moment)).or_insert(at);
    };
    if let Some((before, at)) = before.and_then(|before| Some((before, before.committed?))) {
        note(before.events.len(), at);
    }
    for version in versions.iter().filter(|version| version.events.is_some()) {
        if kept(version.events(), change) < version.events().len() {
            continue;
        }
        let mut events = change.events.iter().take(version.events().len());
        if let Some(event) = events.find(|event| event.at > later(version.made, CLOCK_TOLERANCE)) {
            let what = FindingKind::RecordFromFuture { seq: event.seq, at: event.at };
            return Some(Finding::fail(what).of_commit(&version.commit));
        }
        note(version.events().len(), version.written);
    }
    known.into_iter().find_map(|(count, committed)| {
        // Events that another branch had committed by then were joined.
        let joined = |index: usize| first_committed(change, index, versions).is_some_and(|it| it.written < committed);
        let mut added = change.events.iter().enumerate().skip(count);
        let (_, event) =
            added.find(|(index, event)| event.at < earlier(committed, CLOCK_TOLERANCE) && !joined(*index))?;
        let what = FindingKind::RecordBackdated { seq: event.seq, at: event.at, committed };
        // A squash merge gives an older version of the record a new date, while a newer one waits in another branch.
        let soon = event.at >= earlier(committed, Duration::days(deadline.days.into()));
        Some(if soon && !deadline.demanded { Finding::warn(what) } else { Finding::fail(what) })
    })
}

/// Finds monitored days, and the full rollout before them, that were committed too late for git to confirm them.
fn late(
    change: &Change,
    before: Option<&EarlierRecord>,
    versions: &[RecordVersion],
    deadline: CommitDeadline,
) -> Option<Finding> {
    let known = before.map_or(0, |before| before.events.len());
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    let mut committed = None;
    for (index, event) in change.events.iter().enumerate().skip(known) {
        let is_day = matches!(event.what, Kind::Ticked(_) | Kind::RolledOut(RolloutStage { stage: Stage::Full, .. }));
        let first = if is_day { first_committed(change, index, versions) } else { None };
        let Some(first) = first.map(|it| it.rests_on.map_or(it.written, |at| at.max(it.written))) else { continue };
        if first > later(event.at, Duration::days(deadline.days.into())) {
            days.insert(event.at.date_naive());
            committed = committed.max(Some(first));
        }
    }
    let what = FindingKind::DaysUnwitnessed { days, why: Unwitnessed::Late { committed: committed? } };
    Some(if deadline.demanded { Finding::fail(what) } else { Finding::warn(what) })
}

/// When commits (oldest first, with parents and times) were made: no earlier than what they rest on, nor after `until`.
pub(crate) fn no_earlier<'c>(
    commits: impl Iterator<Item = (&'c str, Vec<&'c str>, i64)>,
    until: i64,
) -> BTreeMap<&'c str, i64> {
    let mut made = BTreeMap::new();
    for (id, parents, time) in commits {
        let behind = parents.iter().filter_map(|parent| made.get(parent)).max().copied();
        let own = Some(time).filter(|time| *time <= until);
        made.extend(own.max(behind).map(|time| (id, time)));
    }
    made
}

pub(crate) fn named(change: &Change) -> BTreeSet<String> {
    change.events.iter().flat_map(|event| event.what.commits().cloned()).collect()
}

/// Finds the first event from before the commit that it names; `made` has the committer's times of known commits.
pub(crate) fn before_its_commit(record: &RecordFacts, made: &BTreeMap<String, DateTime<Utc>>) -> Option<Finding> {
    let change = record.change()?;
    change.events.iter().find_map(|event| {
        let mut known = event.what.commits().filter_map(|commit| Some((*made.get(commit)?, commit.clone())));
        let (made, commit) = known.find(|(made, _)| event.at < earlier(*made, CLOCK_TOLERANCE))?;
        let what = FindingKind::RecordBeforeCommit { seq: event.seq, at: event.at, commit, made };
        Some(Finding::fail(what).of_change(&record.id).at(&record.path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Severity;
    use crate::report::fixture;

    const LENIENT: CommitDeadline = CommitDeadline { days: 2, demanded: false };

    fn facts(change: Change) -> RecordFacts {
        let state = RecordState::Tracked(Box::new(change.clone()));
        RecordFacts { id: change.id().clone(), path: "changes/chg-1.json".to_owned(), state }
    }

    /// The version of the record in a commit on the given day, with its first `count` events.
    fn version(change: &Change, count: usize, day: u32) -> RecordVersion {
        let stamp = |event: &Event| Stamp {
            digest: event.digest.as_str().to_owned(),
            is_signed: false,
            quiet_day: false,
            standalone_content: None,
        };
        RecordVersion {
            commit: CommitName { id: format!("{count:040}"), subject: "Evidence".to_owned() },
            written: fixture::at(day, 10),
            made: fixture::at(day, 10),
            rests_on: None,
            events: Some(change.events.iter().take(count).map(stamp).collect()),
        }
    }

    fn whats(change: &Change, versions: &[RecordVersion], deadline: CommitDeadline) -> Vec<FindingKind> {
        let record = facts(change.clone());
        let found = findings(change.id(), "x", None, versions, Some(&record), deadline);
        found.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_record_that_was_committed_day_by_day_is_confirmed_by_git() {
        let change = fixture::passed(7);
        let days = [1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 5];
        assert_eq!(change.events.len(), days.len());
        let versions: Vec<RecordVersion> = (1..).zip(days).map(|(count, day)| version(&change, count, day)).collect();
        assert_eq!(whats(&change, &versions, LENIENT), []);
        // A week's evidence in one commit of the next week is only a warning unless the config demands otherwise.
        let late = [version(&change, change.events.len(), 11)];
        let days = [4, 5].map(|day| fixture::at(day, 0).date_naive()).into();
        let what = FindingKind::DaysUnwitnessed { days, why: Unwitnessed::Late { committed: fixture::at(11, 10) } };
        assert_eq!(whats(&change, &late, LENIENT), [what]);
        assert_eq!(whats(&change, &late, CommitDeadline { days: 8, demanded: true }), []);
        let record = facts(change.clone());
        let strict = CommitDeadline { days: 2, demanded: true };
        let found = findings(change.id(), "x", None, &late, Some(&record), strict);
        assert_eq!(found[0].level, Severity::Fail);
        // Events that the base has were checked before.
        let events = late[0].events.clone().unwrap();
        let before = EarlierRecord { path: "x".to_owned(), events, committed: Some(fixture::at(11, 10)) };
        assert_eq!(findings(change.id(), "x", Some(&before), &late, Some(&record), strict), []);
    }

    #[test]
    fn the_final_record_must_begin_with_every_committed_version() {
        let whole = fixture::passed(7);
        let other = fixture::opened("Another", crate::model::Class::Code);
        let versions = [version(&whole, 1, 1), version(&other, 1, 1), version(&whole, 11, 5)];
        let found = whats(&whole, &versions, LENIENT);
        assert_eq!(found, [FindingKind::RecordRewritten { seq: 1, days: false }]);
        let removed = findings(whole.id(), "x", None, &versions, None, LENIENT);
        assert_eq!(removed[0].what, FindingKind::RecordRemoved);
        assert_eq!(removed[0].commit.as_ref(), Some(&versions[2].commit), "the commit that still has all of it");
    }

    #[test]
    fn a_commit_at_the_edge_of_time_is_compared_like_any_other() {
        let change = fixture::passed(7);
        for edge in [DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC] {
            let mut held = version(&change, 2, 1);
            (held.written, held.made) = (edge, edge);
            let found = whats(&change, &[held, version(&change, change.events.len(), 5)], LENIENT);
            assert_eq!(found.is_empty(), edge == DateTime::<Utc>::MAX_UTC, "{edge}");
            let before = EarlierRecord { path: "x".to_owned(), events: Vec::new(), committed: Some(edge) };
            let _told = findings(change.id(), "x", Some(&before), &[], Some(&facts(change.clone())), LENIENT);
            let made = named(&change).into_iter().map(|commit| (commit, edge)).collect();
            let _told = before_its_commit(&facts(change.clone()), &made);
        }
    }

    #[test]
    fn event_times_lie_between_the_commits_without_and_those_with_the_event() {
        let change = fixture::passed(7);
        // On day 3 only the contract was committed, although the baseline claims to be of day 1.
        let back = [version(&change, 2, 3), version(&change, 3, 4)];
        assert!(matches!(whats(&change, &back, LENIENT)[0], FindingKind::RecordBackdated { seq: 3, .. }));
        let level = |day, deadline| {
            let (versions, record) = ([version(&change, 2, day)], facts(change.clone()));
            findings(change.id(), "x", None, &versions, Some(&record), deadline)[0].level
        };
        assert_eq!((level(3, LENIENT), level(4, LENIENT)), (Severity::Warn, Severity::Fail));
        assert_eq!(level(3, CommitDeadline { days: 2, demanded: true }), Severity::Fail);
        let future = [version(&change, 8, 2)];
        assert!(matches!(whats(&change, &future, LENIENT)[0], FindingKind::RecordFromFuture { seq: 8, .. }));
        // A rebase on day 9 rewrote the commits, but kept their author dates.
        let rebased = |count, day| RecordVersion { made: fixture::at(9, 10), ..version(&change, count, day) };
        let versions = [rebased(3, 1), rebased(7, 2), rebased(9, 4), rebased(10, 4), rebased(11, 5)];
        assert_eq!(whats(&change, &versions, LENIENT), []);
    }

    #[test]
    fn nothing_can_be_measured_at_a_commit_that_does_not_exist_yet() {
        let record = facts(fixture::passed(7));
        let of = |day| BTreeMap::from([("b".repeat(40), fixture::at(day, 10))]);
        assert_eq!(before_its_commit(&record, &of(2)), None);
        assert_eq!(before_its_commit(&record, &BTreeMap::new()), None, "an unknown commit says nothing");
        let finding = before_its_commit(&record, &of(3)).unwrap();
        assert!(matches!(finding.what, FindingKind::RecordBeforeCommit { seq: 4, .. }), "{finding:?}");
    }
}
