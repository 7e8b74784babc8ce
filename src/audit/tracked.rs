//! The commits of one change against its record: one commit, after the baseline, the one that was validated, with the
//! demanded gate passed. Must not know the order of gates: it asks the class and the record.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::audit::{CommitName, Finding, History, Member, Policy, RecordFacts, What, range, record};
use crate::model::{ChangeId, Class, Gate};
use crate::workflow::gates::{self, open};
use crate::workflow::{Change, End};

/// What is wrong with the standing commits (oldest first, not empty) of a change; `earlier` are those that it has
/// before the range.
pub(crate) fn findings(
    change: &Change,
    members: &[Member],
    earlier: &[CommitName],
    demands: Demands<'_>,
    history: &dyn History,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let all: Vec<CommitName> =
        earlier.iter().cloned().chain(members.iter().map(|member| member.name.clone())).collect();
    // The second of them that lies in the range is the one too many.
    if let (true, Some(member)) = (all.len() > 1, members.get(1 - earlier.len().min(1))) {
        found.push(Finding::fail(What::ManyCommits { commits: all }).of_commit(&member.name));
    }
    let last = &members[members.len() - 1];
    match &change.end {
        Some(end @ (End::Rejected { .. } | End::RolledBack)) => {
            let end = end.name();
            let known = change.commits_to_revert().contains(&last.name.id);
            found.push(Finding::fail(What::NotReverted { end, known }).of_commit(&last.name));
        }
        _ => found.extend(gate(change, demands).map(|finding| finding.of_commit(&last.name))),
    }
    for member in members {
        if let Some(old) = &member.relinked {
            found.extend(moved(change, member, old, history).map(|finding| finding.of_commit(&member.name)));
            continue;
        }
        found.extend(order(change, member, history).map(|finding| finding.of_commit(&member.name)));
        let validated = change.commits();
        if change.validation.is_some() && !validated.is_empty() && !validated.contains(&member.name.id) {
            found.push(Finding::fail(What::CommitNotValidated { validated }).of_commit(&member.name));
        }
    }
    found
}

/// What the gates are held against.
#[derive(Clone, Copy)]
pub(crate) struct Demands<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// When the head was made, or now, whichever is later.
    pub(crate) now: DateTime<Utc>,
}

/// The first gate up to the demanded one that the class passes and the change has not; or that it never passes.
fn gate(change: &Change, demands: Demands<'_>) -> Option<Finding> {
    let (class, require) = (change.opened.class, demands.policy.require);
    let owed = class.gates().iter().copied().take_while(|gate| *gate <= require);
    if let Some(missing) = owed.into_iter().find(|gate| !gates::passed(change, *gate)) {
        let end = change.end.as_ref().map(End::name);
        return Some(Finding::fail(What::GateNotReached { missing, end }));
    }
    match class {
        Class::Experiment if require >= Gate::Decide => {
            Some(Finding::fail(What::ClassNeverPasses { class, gate: require }))
        }
        Class::Emergency if require >= Gate::Decide => overridden(change, demands),
        _ => None,
    }
}

/// What stands for the decision on an emergency: that its override still holds by its expiry, and for no longer than is
/// allowed; or that a change which can be promoted took it over.
fn overridden(change: &Change, demands: Demands<'_>) -> Option<Finding> {
    let latest = open::longest(change.opened_at, demands.policy.max_emergency_days);
    let expired = change.opened.expires.map_or(latest, |at| at.min(latest));
    // One that only was opened, or that lies about undecided for longer than an override may, takes nothing over.
    let follows = |id: &ChangeId| {
        let by = demands.records.get(id).and_then(RecordFacts::change);
        by.is_some_and(|by| {
            let on_its_way = open::longest(by.opened_at, demands.policy.max_emergency_days) > demands.now;
            let stands = by.is_open() && by.baseline.is_some() && (by.promotion.is_some() || on_its_way);
            by.opened.class.owes(Gate::Decide) && (stands || matches!(by.end, Some(End::Verified { .. })))
        })
    };
    let taken_over = change.follow_up.as_ref().is_some_and(follows);
    // An override that outlived its own expiry is told by the record already.
    let told = record::expired_override(change, demands.now).is_some();
    let holds = change.is_open() && !taken_over && !told && expired <= demands.now;
    holds.then(|| Finding::fail(What::EnvOverrideExpired { expired }))
}

/// Whether a commit really is the one that was validated, however often the record says that it moved: it makes the
/// same difference, or ends in the code that was validated. `old` only names what the record says.
fn moved(change: &Change, member: &Member, old: &str, history: &dyn History) -> Option<Finding> {
    let new = member.name.id.as_str();
    let validation = change.validation.as_ref();
    let validated = validation.and_then(|validation| validation.revision.code.as_ref());
    let same_code = || validated.is_some_and(|code| history.code_is(new, code.as_str()));
    let mut own = validation.into_iter().flat_map(|validation| validation.delta.own_commits());
    if own.any(|own| own.sha == new || history.is_same_delta(&own.sha, new) == Some(true)) || same_code() {
        return None;
    }
    Some(Finding::fail(What::RelinkUnproven { old: old.to_owned() }))
}

/// Whether the baseline came before the commit: proven by ancestry (or by the very same code, where rebasing made
/// new hashes), and not contradicted by the times.
fn order(change: &Change, member: &Member, history: &dyn History) -> Option<Finding> {
    let taken = &change.baseline.as_ref()?.taken;
    let before = taken.revision.commit.as_deref();
    let ancestry = before.and_then(|baseline| history.lies_before(baseline, &member.name.id));
    let same_code =
        || taken.revision.code.as_ref().is_some_and(|code| history.code_before_is(&member.name.id, code.as_str()));
    // Without commits at the baseline there is nothing that git could witness.
    if before.is_some() && ancestry != Some(true) && !same_code() {
        return Some(Finding::fail(What::BaselineNotFirst { baseline: taken.revision.short() }));
    }
    let written = range::moment(member.written);
    // Commits know whole seconds only.
    if taken.taken_at.timestamp() > member.written {
        return Some(Finding::fail(What::EvidenceAfterTheFact { measured: taken.taken_at, written }));
    }
    None
}
