//! The commits of one change against its record: one commit, after the baseline, the one that was validated, with the
//! demanded gate passed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::audit::record::CLOCK_TOLERANCE;
use crate::audit::{CommitName, Finding, FindingKind, History, Policy, RecordFacts, range, record};
use crate::model::{ChangeId, Class, Gate};
use crate::workflow::gates::{self, open};
use crate::workflow::{Change, End};

/// A commit that belongs to a change.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: CommitName,
    /// When it was first written, and when it was made as it is now.
    pub(crate) written: i64,
    pub(crate) made: i64,
    pub(crate) paths: Vec<String>,
    /// The commit whose place it took, by the record.
    pub(crate) relinked: Option<String>,
}

/// What the gates are held against.
#[derive(Clone, Copy)]
pub(crate) struct Demands<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// When the head was made, or now, whichever is later.
    pub(crate) now: DateTime<Utc>,
}

/// The change that a commit names, or the finding that there is none.
pub(crate) fn named(
    records: &BTreeMap<ChangeId, RecordFacts>,
    commit: &CommitName,
    text: &str,
) -> Result<ChangeId, Finding> {
    let what = match text.parse::<ChangeId>() {
        Ok(id) if records.contains_key(&id) => return Ok(id),
        Ok(id) => FindingKind::UnknownId { id },
        Err(_) => FindingKind::MalformedId { value: text.to_owned() },
    };
    Err(Finding::fail(what).of_commit(commit))
}

/// What is wrong with the commits (oldest first, not empty) of a change that were not taken back; `earlier` are those
/// that it has before the range.
pub(crate) fn findings(
    change: &Change,
    members: &[Member],
    earlier: &[CommitName],
    demands: Demands<'_>,
    history: &dyn History,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let names = members.iter().map(|member| &member.name);
    let all: Vec<CommitName> = earlier.iter().chain(names).cloned().collect();
    // The second of them that lies in the range is the one too many.
    if let (true, Some(member)) = (all.len() > 1, members.get(1 - earlier.len().min(1))) {
        found.push(Finding::fail(FindingKind::ManyCommits { commits: all }).of_commit(&member.name));
    }
    let last = &members[members.len() - 1].name;
    match &change.end {
        Some(end @ (End::Rejected { .. } | End::RolledBack)) => {
            let known = change.commits_to_revert().contains(&last.id);
            found.push(Finding::fail(FindingKind::NotReverted { end: end.name(), known }).of_commit(last));
        }
        Some(End::Held { .. } | End::Verified { .. }) | None => {
            found.extend(gate(change, demands).map(|finding| finding.of_commit(last)));
        }
    }
    let validated = change.commits();
    for member in members {
        let mut add = |finding: Finding| found.push(finding.of_commit(&member.name));
        if let Some(old) = &member.relinked {
            if !is_the_validated_one(change, member, history) {
                add(Finding::fail(FindingKind::RelinkUnproven { old: old.to_owned() }));
            }
            continue;
        }
        if let Some(what) = baseline_order(change, member, history) {
            add(Finding::fail(what));
        }
        if change.validation.is_some() && !validated.is_empty() && !validated.contains(&member.name.id) {
            add(Finding::fail(FindingKind::CommitNotValidated { validated: validated.clone() }));
        }
    }
    found
}

/// The first gate up to the demanded one that the class passes and the change has not; or that it never passes.
fn gate(change: &Change, demands: Demands<'_>) -> Option<Finding> {
    let (class, require) = (change.opened.class, demands.policy.require);
    let mut owed = class.gates().iter().copied().take_while(|gate| *gate <= require);
    if let Some(missing) = owed.find(|gate| !gates::passed(change, *gate)) {
        let end = change.end.as_ref().map(End::name);
        return Some(Finding::fail(FindingKind::GateNotReached { missing, end }));
    }
    match class {
        Class::Experiment if require >= Gate::Decide => {
            Some(Finding::fail(FindingKind::ClassNeverPasses { class, gate: require }))
        }
        Class::Emergency if require >= Gate::Decide => expired_emergency(change, demands),
        Class::Tuneable | Class::Code | Class::Emergency | Class::Experiment => None,
    }
}

/// What stands for the decision on an emergency: its override has not expired, and holds for no longer than allowed; or
/// a change that can be promoted took it over.
fn expired_emergency(change: &Change, demands: Demands<'_>) -> Option<Finding> {
    let longest = |from| open::longest(from, demands.policy.max_emergency_days);
    let latest = longest(change.opened_at);
    let expired = change.opened.expires.map_or(latest, |at| at.min(latest));
    // One that was only opened, or has been undecided for longer than an override may hold, takes nothing over.
    let takes_over = |id: &ChangeId| {
        let by = demands.records.get(id).and_then(RecordFacts::change);
        by.is_some_and(|by| {
            let in_time = by.promotion.is_some() || longest(by.opened_at) > demands.now;
            let active = by.is_open() && by.baseline.is_some() && in_time;
            by.opened.class.owes(Gate::Decide) && (active || matches!(by.end, Some(End::Verified { .. })))
        })
    };
    let taken_over = change.follow_up.as_ref().is_some_and(takes_over);
    // An override that outlived its own expiry is reported with its record.
    let reported = record::expired_override(change, demands.now).is_some();
    let fails = change.is_open() && !taken_over && !reported && expired <= demands.now;
    fails.then(|| Finding::fail(FindingKind::EnvOverrideExpired { expired }))
}

/// Whether a relinked commit really is the one that was validated: it makes the same difference, or ends in the
/// validated code. What the record says of the move proves nothing.
fn is_the_validated_one(change: &Change, member: &Member, history: &dyn History) -> bool {
    let Some(validation) = &change.validation else { return false };
    let new = member.name.id.as_str();
    let mut own = validation.delta.own_commits();
    own.any(|own| own.sha == new || history.is_same_delta(&own.sha, new) == Some(true))
        || validation.revision.code.as_ref().is_some_and(|code| history.code_is(new, code.as_str()))
}

/// What contradicts that the baseline came before the commit: it is proven by ancestry (or by the same code, where
/// rebasing made new hashes), and the times must not speak against it.
fn baseline_order(change: &Change, member: &Member, history: &dyn History) -> Option<FindingKind> {
    let taken = &change.baseline.as_ref()?.taken;
    let commit = member.name.id.as_str();
    // Without a commit at the baseline git knows nothing of it.
    if let Some(baseline) = taken.revision.commit.as_deref() {
        let same_code =
            || taken.revision.code.as_ref().is_some_and(|code| history.code_before_is(commit, code.as_str()));
        if history.comes_before(baseline, commit) != Some(true) && !same_code() {
            return Some(FindingKind::BaselineNotFirst { baseline: taken.revision.short() });
        }
    }
    let measured = taken.taken_at;
    // A commit that was made before the baseline, as it is now, comes from another clock, or from one that was set back.
    // One that was written before and made after it was written first.
    let other_clock = measured.timestamp() > member.made;
    let tolerance = if other_clock { CLOCK_TOLERANCE.num_seconds() } else { 0 };
    let written = range::moment(member.written);
    (measured.timestamp() > member.written + tolerance)
        .then_some(FindingKind::EvidenceAfterTheFact { measured, written })
}
