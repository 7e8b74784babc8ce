//! Checks the commits of one change against its record: one, after the baseline, as validated, past the required gate.

use chrono::{DateTime, Utc};

use crate::audit::{CheckPolicy, CommitName, Finding, FindingKind, History, RangeAudit, range};
use crate::model::{Class, FileChange, Gate, Remade, Remake, Revision};
use crate::workflow::gates::contract;
use crate::workflow::window::CLOCK_TOLERANCE;
use crate::workflow::{Change, End};

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: CommitName,
    /// The author's time and the committer's time.
    pub(crate) written: i64,
    pub(crate) made: i64,
    pub(crate) paths: Vec<String>,
    pub(crate) ids: Vec<String>,
    /// The commit whose work it brings back, if it reverts a revert of that commit.
    pub(crate) root: Option<String>,
}

impl Member {
    fn work(&self) -> &str {
        self.root.as_deref().unwrap_or(&self.name.id)
    }
}

/// The findings about a change's commits that stand (oldest first, not empty); `earlier` are those before the range.
pub(crate) fn findings(
    change: &Change,
    members: &[Member],
    earlier: &[CommitName],
    audit: &RangeAudit<'_>,
    history: &dyn History,
) -> Vec<Finding> {
    let mut found = Vec::new();
    // The validated commit and its replacement may both be present, if a branch was squashed and merged later.
    let places = change.every_commit();
    let work = |of: &'_ str| if places.iter().any(|it| it == of) { places[0].clone() } else { of.to_owned() };
    let mut works: Vec<String> = earlier.iter().map(|commit| work(&commit.id)).collect();
    let mut all = earlier.to_vec();
    let mut second = None;
    for member in members.iter().filter(|member| !earlier.contains(&member.name)) {
        if !works.contains(&work(member.work())) {
            works.push(work(member.work()));
            all.push(member.name.clone());
            second = second.or((works.len() > 1).then_some(member));
        }
    }
    if let Some(member) = second {
        found.push(Finding::fail(FindingKind::ManyCommits { commits: all }).of_commit(&member.name));
    }
    let last = &members[members.len() - 1].name;
    match &change.end {
        Some(end @ (End::Rejected { .. } | End::RolledBack)) => {
            // Work that came back is removed by reverting the commit that brought it back.
            let again = members.iter().find(|member| member.root.is_some()).map(|member| &member.name);
            let back = again.unwrap_or(last);
            // If a change was never validated, its rollback reverts the commits that carry its id.
            let by_id = again.is_none() && change.newest_delta().is_none();
            let known = by_id || change.commits_to_revert().contains(&back.id);
            // A revert of the change itself takes out what was brought back, too, and leaves nothing of it to revert.
            let gone = again.map(|again| history.remake(&[Remake::Gone { head: &audit.head, of: &again.id }]));
            let is_gone = gone.is_some_and(|made| made.iter().flatten().any(Remade::is_same));
            let not_reverted = Finding::fail(FindingKind::NotReverted { end: end.name(), known }).of_commit(back);
            found.extend((!is_gone).then_some(not_reverted));
        }
        Some(End::Held { .. } | End::Verified { .. }) | None => {
            found.extend(gate(change, audit).map(|finding| finding.of_commit(last)));
        }
    }
    for member in members {
        let what = match audit.replaced(change.id(), member.work()) {
            Some(old) => {
                let proven = is_the_validated_one(change, (&member.name.id, &member.paths), audit.policy, history);
                [written_first(change, member), (!proven).then(|| FindingKind::RelinkUnproven { old: old.clone() })]
            }
            None => [baseline_order(change, member, history), not_validated(change, member, history)],
        };
        found.extend(what.into_iter().flatten().map(|what| Finding::fail(what).of_commit(&member.name)));
    }
    found
}

/// Why a commit is not the validated one. Without a validated commit, the validated code and the change's end decide.
fn not_validated(change: &Change, member: &Member, history: &dyn History) -> Option<FindingKind> {
    let validated = change.commits();
    let is_other = if !validated.is_empty() {
        !change.every_commit().iter().any(|commit| *commit == member.name.id || commit == member.work())
    } else if let Some(code) = change.validation.as_ref().and_then(|validation| validation.revision.code.as_ref()) {
        !history.code_is(&member.name.id, code.as_str())
    } else {
        false
    };
    if is_other {
        return Some(FindingKind::CommitNotValidated { validated, ended: None });
    }
    // A rejected or rolled back change has a finding of its own.
    let ended = matches!(change.end, Some(End::Held { .. } | End::Verified { .. })) && validated.is_empty();
    let end = if ended { history.ended_before(&member.name.id, change.id()) } else { None };
    end.map(|end| FindingKind::CommitNotValidated { validated, ended: Some(end) })
}

/// The first gate, up to the required one, that the change owes and has not passed, or that its class never passes.
fn gate(change: &Change, audit: &RangeAudit<'_>) -> Option<Finding> {
    let (class, require) = (change.opened.class, audit.policy.require);
    let mut owed = class.gates().iter().copied().take_while(|gate| *gate <= require);
    if let Some(missing) = owed.find(|gate| !change.passed(*gate)) {
        let end = change.end.as_ref().map(End::name);
        return Some(Finding::fail(FindingKind::GateNotReached { missing, end }));
    }
    match class {
        Class::Experiment if require >= Gate::Decide => {
            Some(Finding::fail(FindingKind::ClassNeverPasses { class, gate: require }))
        }
        Class::Emergency if require >= Gate::Decide => {
            let by = change.follow_up.as_ref().and_then(|id| audit.records.get(id)?.change());
            // An expired override is reported with its record.
            let is_decided = change.is_open() || matches!(change.end, Some(End::Verified { .. }));
            expired(change, by, audit.policy.max_emergency_days, audit.now).filter(|_| !is_decided)
        }
        Class::Tuneable | Class::Code | Class::Emergency | Class::Experiment => None,
    }
}

/// A finding if an emergency's override has expired, by its own or the longest expiry, and `by` does not take it over.
pub(crate) fn expired(change: &Change, by: Option<&Change>, days: u32, now: DateTime<Utc>) -> Option<Finding> {
    let latest = contract::longest(change.opened_at, days);
    let expired = change.opened.expires.map_or(latest, |at| at.min(latest));
    let stands = change.opened.class == Class::Emergency && !by.is_some_and(|by| takes_over(change, by, days, now));
    (stands && expired <= now).then(|| Finding::fail(FindingKind::EnvOverrideExpired { expired }))
}

/// Whether a change takes an emergency over. A change does not if it was opened before the emergency, has no baseline, or has
/// been undecided for longer than an override may hold; one that was opened later than that has to be promoted.
fn takes_over(change: &Change, by: &Change, days: u32, now: DateTime<Utc>) -> bool {
    let soon = by.opened_at <= contract::longest(change.opened_at, days);
    let in_time = by.promotion.is_some() || soon && contract::longest(by.opened_at, days) > now;
    let active = by.is_open() && by.baseline.is_some() && in_time;
    let stands = active || matches!(by.end, Some(End::Verified { .. }));
    by.opened_at >= change.opened_at && by.opened.class.owes(Gate::Decide) && stands
}

/// Whether a relinked commit is the validated one: a cherry-pick of that gives the same, apart from exempt files. If the old
/// one is unknown here, it has to make the validated code and touch nothing else; the record's statement proves nothing.
pub(crate) fn is_the_validated_one(
    change: &Change,
    (new, paths): (&str, &[String]),
    policy: &CheckPolicy,
    history: &dyn History,
) -> bool {
    let Some(validation) = &change.validation else { return false };
    let own: Vec<&str> = validation.delta.own_commits().map(|own| own.sha.as_str()).collect();
    if own.contains(&new) {
        return true;
    }
    let picks: Vec<Remake<'_>> = own.iter().map(|own| Remake::Pick { commit: new, of: own }).collect();
    let picked = history.remake(&picks);
    if picked.iter().flatten().next().is_some() {
        return is_of_validated_files(change, paths, policy) && picked.iter().flatten().any(|it| is_picked(it, policy));
    }
    brings_the_code(change, new, paths, policy, history)
}

/// Whether a commit touches only validated files: a cherry-pick can apply a change to another, similar file.
pub(crate) fn is_of_validated_files(change: &Change, paths: &[String], policy: &CheckPolicy) -> bool {
    let files = change.validation.as_ref().map(|validation| &validation.delta.files);
    paths.iter().all(|path| files.is_some_and(|files| files.contains(path)) || policy.exempts_path(path))
}

pub(crate) fn is_picked(remade: &Remade, policy: &CheckPolicy) -> bool {
    remade.differs.iter().chain(&remade.decided).all(|file| policy.exempts_path(file.name()))
}

/// Whether a commit turns the baseline's code into the validated code or, on other code, makes the validated change to the
/// validated files, and touches nothing else. A commit that merely ends in the validated code may be only a part of it.
pub(crate) fn brings_the_code(
    change: &Change,
    commit: &str,
    paths: &[String],
    policy: &CheckPolicy,
    history: &dyn History,
) -> bool {
    let Some(validation) = &change.validation else { return false };
    let same_change = || {
        let (Some(content), Some(commit)) = (&validation.delta.content, history.commit(commit)) else { return false };
        let files = commit.files.iter().filter(|file| !file.own).map(|file| (file.name().to_owned(), file));
        FileChange::content(files.filter(|(path, _)| validation.delta.files.contains(path))) == *content
    };
    let brings = match is_on_the_baseline(change, commit, history) {
        true => is_code(&validation.revision, commit, history),
        false => same_change() && is_made_again(change, commit, history),
    };
    brings && is_of_validated_files(change, paths, policy)
}

/// Whether the files of a commit give the validated code on the parent of the validated commit, on the baseline's or, where a
/// squash left none of them, on one that it builds on. What the record says of these files proves nothing.
fn is_made_again(change: &Change, commit: &str, history: &dyn History) -> bool {
    let Some(validation) = &change.validation else { return false };
    let (Some(code), Some(made)) = (&validation.revision.code, history.commit(commit)) else { return false };
    let validated = |file: &&FileChange| validation.delta.files.iter().any(|path| path == file.name());
    let all: Vec<&FileChange> = made.files.iter().filter(|file| !file.own).collect();
    let alone: Vec<&FileChange> = all.iter().copied().filter(validated).collect();
    let named = [validation.delta.base.as_deref(), change.baseline_commit()];
    let mut places = named.into_iter().flatten().map(str::to_owned).chain(history.before(commit));
    // Files that need no change may have come with either.
    places.any(|place| {
        [&alone, &all].iter().any(|files| history.code_with(&place, files).as_deref() == Some(code.as_str()))
    })
}

/// Whether the parent of a commit has exactly the code that the baseline measured.
pub(crate) fn is_on_the_baseline(change: &Change, commit: &str, history: &dyn History) -> bool {
    change.baseline.as_ref().is_some_and(|it| is_code(&it.taken.revision, &format!("{commit}^1"), history))
}

fn is_code(revision: &Revision, commit: &str, history: &dyn History) -> bool {
    revision.code.as_ref().is_some_and(|code| history.code_is(commit, code.as_str()))
}

/// Why the baseline did not come first: ancestry, or the same code after a rebase, proves the order; times must agree.
fn baseline_order(change: &Change, member: &Member, history: &dyn History) -> Option<FindingKind> {
    let taken = &change.baseline.as_ref()?.taken;
    let commit = member.name.id.as_str();
    // Without a commit at the baseline, git cannot prove anything.
    if let Some(baseline) = taken.revision.commit.as_deref()
        && history.comes_before(baseline, commit) != Some(true)
        && !is_on_the_baseline(change, commit, history)
    {
        return Some(FindingKind::BaselineNotFirst { baseline: taken.revision.short() });
    }
    written_first(change, member)
}

fn written_first(change: &Change, member: &Member) -> Option<FindingKind> {
    let measured = change.baseline.as_ref()?.taken.taken_at;
    // If the committer's time is also before the baseline, the clocks differ or one was set back; if only the author's time
    // is, the commit was written first.
    let other_clock = measured.timestamp() > member.made;
    let tolerance = if other_clock { CLOCK_TOLERANCE.num_seconds() } else { 0 };
    let written = range::moment(member.written);
    (measured.timestamp() > member.written.saturating_add(tolerance))
        .then_some(FindingKind::EvidenceAfterTheFact { measured, written })
}
