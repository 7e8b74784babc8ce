//! The decision of the commit hooks, from the message, the operation in progress and the records, with the fixes for each
//! refusal. It is fast feedback, not the authority: the range check examines every commit again, more strictly.

use crate::audit::{CheckPolicy, RecordFacts, RecordState};
use crate::model::fix::WHAT_CHANGED;
use crate::model::text::slug;
use crate::model::{ChangeId, CommandLine, Commit, Fix, FixContext, Gate, Operation, fix, joined, nearest, short};
use crate::workflow::Change;

/// The input of the hook: the commit to be made (message without comments, ids as git reads them, author, files) and git's
/// operation in progress.
#[derive(Debug, Clone)]
pub(crate) struct MessageFacts {
    pub commit: Commit,
    /// The operation in progress, unless it is a bisection.
    pub operation: Option<Operation>,
    /// The id in the commit that this one replaces.
    pub amended: Option<String>,
}

/// Lookups of a hook, each made only when a decision needs it: a hook must not read every record of a project.
pub(crate) trait Records {
    fn record(&self, id: &ChangeId) -> Option<RecordFacts>;
    fn ids(&self) -> Vec<ChangeId>;
    fn open(&self) -> Vec<Change>;
    fn active(&self) -> Option<ChangeId>;
    /// The commit, other than evidence, that already carries the change's id.
    fn first_commit(&self, change: &Change) -> Option<String>;
    fn are_tracked(&self, commits: &[String]) -> bool;
}

pub(crate) fn check(facts: &MessageFacts, policy: &CheckPolicy, records: &dyn Records) -> Result<(), Objection> {
    let commit = &facts.commit;
    let replayed_by_git = matches!(facts.operation, Some(Operation::Merge | Operation::Rebase | Operation::Apply));
    // Git itself refuses an empty message; a fixup is for the range check to find.
    if commit.message.trim().is_empty() || replayed_by_git || commit.fixup().is_some() {
        return Ok(());
    }
    let mut ids = commit.ids.clone();
    ids.sort();
    ids.dedup();
    if !ids.is_empty() && is_all_trailers(&commit.message) {
        return Err(Objection::NoText);
    }
    if let (true, Some(id)) = (ids.is_empty(), &facts.amended) {
        return Err(Objection::Dropped { id: id.clone() });
    }
    let [id] = ids.as_slice() else { return without_one_id(commit, policy, records, ids) };
    let id: ChangeId = id.parse().map_err(|_| malformed(records, id))?;
    let change = change(records, &id)?;
    // Reverting a change is always possible.
    if facts.operation == Some(Operation::Revert) || !commit.reverted().is_empty() {
        return Ok(());
    }
    ready(&change, records)
}

fn without_one_id(
    commit: &Commit,
    policy: &CheckPolicy,
    records: &dyn Records,
    mut ids: Vec<String>,
) -> Result<(), Objection> {
    if ids.len() > 1 {
        // The open one first: it is the one to keep.
        let is_open = |id: &String| {
            let record = id.parse::<ChangeId>().ok().and_then(|id| records.record(&id));
            record.is_some_and(|record| record.change().is_some_and(Change::is_open))
        };
        ids.sort_by_cached_key(|id| !is_open(id));
        return Err(Objection::Several { ids });
    }
    if needs_no_id(commit, policy, records) {
        return Ok(());
    }
    let Some(id) = records.active() else {
        let open = records.open();
        let waiting: Vec<ChangeId> =
            open.iter().filter(|change| awaits_commit(change, records)).map(|change| change.id().clone()).collect();
        let waits = !waiting.is_empty();
        let open = if waits { waiting } else { open.iter().map(|change| change.id().clone()).collect() };
        return Err(Objection::NoId { active: None, open, waiting: waits });
    };
    // The active change's id is what is missing, unless that change has its commit.
    let record = records.record(&id);
    match record.as_ref().and_then(RecordFacts::change).map(|change| ready(change, records)) {
        Some(Err(objection @ Objection::SecondCommit { .. })) => Err(objection),
        Some(_) | None => Err(Objection::NoId { active: Some(id), open: Vec::new(), waiting: false }),
    }
}

/// Whether a commit passes without an id: evidence, an exemption, or the revert of a tracked commit.
fn needs_no_id(commit: &Commit, policy: &CheckPolicy, records: &dyn Records) -> bool {
    let reverted = commit.reverted();
    commit.is_evidence_only()
        || policy.exempts(commit).is_some()
        || (!reverted.is_empty() && records.are_tracked(&reverted))
}

/// The refusal of a trailer without a whole id, with the only id that contains it. Other tools read trailers too, so a
/// part is not accepted.
fn malformed(records: &dyn Records, value: &str) -> Objection {
    let part = slug(value);
    let mut holding = records.ids().into_iter().filter(|id| !part.is_empty() && id.as_str().contains(&part));
    let meant = holding.next().filter(|_| holding.next().is_none());
    Objection::Malformed { value: value.to_owned(), meant }
}

fn change(records: &dyn Records, id: &ChangeId) -> Result<Change, Objection> {
    let Some(record) = records.record(id) else {
        let ids = records.ids();
        let nearest = nearest(id.as_str(), ids.iter().map(ChangeId::as_str), 1);
        return Err(Objection::Unknown { id: id.clone(), nearest: nearest.first().and_then(|name| name.parse().ok()) });
    };
    match record.state {
        RecordState::Tracked(change) => Ok(*change),
        RecordState::Legacy => Err(Objection::TooEarly { id: id.clone(), missing: Gate::Contract }),
        RecordState::Unreadable { problem, .. } => Err(Objection::Unreadable { id: id.clone(), problem }),
    }
}

/// A change is ready for its commit once its class's gates up to the baseline are passed.
fn ready(change: &Change, records: &dyn Records) -> Result<(), Objection> {
    is_ready(change)?;
    match records.first_commit(change) {
        Some(first) => Err(Objection::SecondCommit { id: change.id().clone(), first, decided: change.is_decided() }),
        None => Ok(()),
    }
}

/// Like [`ready`], by the record alone, without looking for the change's commits.
pub(crate) fn is_ready(change: &Change) -> Result<(), Objection> {
    let id = change.id().clone();
    if let Some(end) = &change.end {
        return Err(Objection::Ended { id, end: end.name() });
    }
    let mut before = change.opened.class.gates().iter().copied().take_while(|gate| *gate <= Gate::Baseline);
    before.find(|gate| !change.passed(*gate)).map_or(Ok(()), |missing| Err(Objection::TooEarly { id, missing }))
}

/// Whether a message has no text before its trailers, as after leaving the editor without writing anything.
fn is_all_trailers(message: &str) -> bool {
    let is_trailer = |line: &str| {
        line.split_once(':').is_some_and(|(key, _)| {
            !key.is_empty() && key.trim_end().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    // A first line that looks like a trailer is a subject (`fix: x`), unless the message begins with a blank line.
    lines.peek().is_some() && message.starts_with(['\n', '\r']) && lines.all(is_trailer)
}

/// The change whose trailer to add to a message being prepared, if any. A message that `is_taken_over` comes from a merge
/// or another commit (`--amend`, `-c`, `-C`).
pub(crate) fn to_add(
    facts: &MessageFacts,
    is_taken_over: bool,
    policy: &CheckPolicy,
    records: &dyn Records,
) -> Option<ChangeId> {
    let commit = &facts.commit;
    let dropped = facts.amended.as_ref().filter(|_| commit.ids.is_empty() && facts.operation.is_none());
    if let Some(id) = dropped {
        return id.parse().ok();
    }
    let replayed_by_git = facts.operation.is_some() || is_taken_over;
    if replayed_by_git || !commit.ids.is_empty() || commit.fixup().is_some() || needs_no_id(commit, policy, records) {
        return None;
    }
    let id = records.active()?;
    awaits_commit(records.record(&id)?.change()?, records).then_some(id)
}

/// Whether an open change still waits for its one commit. After its validation, later commits belong to other changes.
fn awaits_commit(change: &Change, records: &dyn Records) -> bool {
    let is_emergency = change.follow_up.is_none() && change.opened.expires.is_some();
    let expects = !change.is_decided() && change.validation.is_none() || is_emergency;
    change.is_open() && expects && records.first_commit(change).is_none()
}

pub(crate) fn only_waiting(records: &dyn Records) -> Option<ChangeId> {
    let open = records.open();
    let mut waiting = open.iter().filter(|change| awaits_commit(change, records));
    waiting.next().filter(|_| waiting.next().is_none()).map(|change| change.id().clone())
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Objection {
    #[error("the message has only a trailer")]
    NoText,
    #[error("the commit names no change{}", open_changes(.active.as_ref(), .open, *.waiting))]
    NoId {
        active: Option<ChangeId>,
        /// If there is none: the open changes that wait for their commit, or else all open changes.
        open: Vec<ChangeId>,
        waiting: bool,
    },
    #[error("the commit that is amended carries {id}, and its new message does not")]
    Dropped { id: String },
    #[error("the commit names {} changes: {}; one change, one commit", .ids.len(), joined(.ids))]
    Several { ids: Vec<String> },
    #[error("invalid change id {value:?}{}", .meant.as_ref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Malformed { value: String, meant: Option<ChangeId> },
    #[error("unknown change `{id}`{}", .nearest.as_ref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown { id: ChangeId, nearest: Option<ChangeId> },
    #[error("the record of {id} cannot be trusted: {problem}")]
    Unreadable { id: ChangeId, problem: String },
    #[error("the change {id} has ended ({})", .end.replace('_', " "))]
    Ended { id: ChangeId, end: &'static str },
    #[error("the change {id} has not passed {missing} yet")]
    TooEarly { id: ChangeId, missing: Gate },
    #[error("the change {id} has its one commit already: {}", short(.first))]
    SecondCommit { id: ChangeId, first: String, decided: bool },
}

fn open_changes(active: Option<&ChangeId>, open: &[ChangeId], waiting: bool) -> String {
    match (active, open, waiting) {
        (Some(_), ..) => String::new(),
        (None, [], _) => ", and none is open".to_owned(),
        (None, several, true) => format!(", and several are open: {}", joined(several)),
        (None, all, false) => format!(", and every open change already has its commit: {}", joined(all)),
    }
}

impl Objection {
    /// The fixes. `hidden` stages the records, for programs that hide unstaged files from the hook.
    pub(crate) fn fixes(&self, ctx: &FixContext, hidden: Option<CommandLine>) -> Vec<Fix> {
        let fixes = self.base_fixes(ctx);
        let Some(stage) = hidden.filter(|_| self.depends_on_record()) else { return fixes };
        let stage =
            Fix::next("stage the record first, since the hook sees staged files only, then commit again", stage);
        // Advice to stash would take away files that are already hidden.
        if let Self::TooEarly { id, missing } = self {
            return vec![stage, Fix::or("if that changes nothing", ctx.gate(id, *missing))];
        }
        let instead = |fix: Fix| Fix { how: fix::How::Or, ..fix };
        std::iter::once(stage).chain(fixes.into_iter().map(instead)).collect()
    }

    fn depends_on_record(&self) -> bool {
        matches!(self, Self::TooEarly { .. } | Self::Unknown { .. } | Self::NoId { active: None, .. })
    }

    fn base_fixes(&self, ctx: &FixContext) -> Vec<Fix> {
        let list = |purpose: &str| vec![Fix::next(purpose, CommandLine::tool("change list"))];
        match self {
            Self::NoText => Vec::new(),
            Self::NoId { active: Some(id), .. } => vec![
                Fix::next("it belongs to the open change", commit(ctx, id.as_str())),
                Fix::or("it is another change", fix::start()),
                fix::exempt(),
            ],
            Self::NoId { active: None, open, waiting } if !open.is_empty() => several_open(ctx, open, *waiting),
            Self::NoId { active: None, .. } => vec![
                Fix::next("", fix::start()),
                Fix::or("see which class of change it is, and what evidence that needs", CommandLine::tool("route")),
                fix::exempt(),
            ],
            Self::Dropped { id } => {
                let amend = CommandLine::git("commit --amend").ask("-m", WHAT_CHANGED);
                vec![Fix::next("keep its id", ctx.with_trailer(amend, id))]
            }
            Self::Several { ids } => {
                let first = ids.first().map(|id| Fix::next("with the one that it belongs to", commit(ctx, id)));
                first.into_iter().collect()
            }
            Self::Malformed { .. } => list("see the ids"),
            Self::Unknown { .. } => list(""),
            Self::Unreadable { .. } => vec![Fix::next("", CommandLine::tool("check"))],
            Self::Ended { .. } => vec![Fix::next("", fix::start())],
            Self::TooEarly { id, missing: Gate::Baseline } => vec![
                // Separate commands: a chain that stops would silently leave the work in the stash.
                Fix::next("stash the work: the baseline must be measured without it", ctx.uncommitted.stash()),
                Fix::then("", fix::baseline(id)),
                Fix::then(
                    "",
                    ctx.uncommitted.bring_back().and(ctx.uncommitted.add_all()).and(commit(ctx, id.as_str())),
                ),
            ],
            Self::TooEarly { id, missing } => vec![Fix::next("", ctx.gate(id, *missing))],
            Self::SecondCommit { first, decided, .. } => {
                let another = match decided {
                    true => Fix::next("the next change", fix::start()),
                    false => {
                        Fix::next("another change beside it; their effects may mix", fix::start().word("--parallel"))
                    }
                };
                let fixup = CommandLine::git("commit --fixup").word(short(first));
                vec![another, Fix::or("if it belongs into that commit", fixup), fix::exempt()]
            }
        }
    }
}

fn several_open(ctx: &FixContext, open: &[ChangeId], waiting: bool) -> Vec<Fix> {
    if !waiting {
        return vec![Fix::next("the next change", fix::start()), fix::exempt()];
    }
    let choose = |id: &ChangeId| CommandLine::tool("change use").word(id.as_str());
    let choose = open.first().map(|id| Fix::next("select a change, then commit again", choose(id)));
    let rest = [
        Fix::or("name the change in this commit", commit(ctx, "CHANGE-ID")),
        Fix::or("it is another change", fix::start().word("--parallel")),
        fix::exempt(),
    ];
    choose.into_iter().chain(rest).collect()
}

/// The same commit with an id; everything is still staged.
fn commit(ctx: &FixContext, id: &str) -> CommandLine {
    ctx.with_trailer(CommandLine::git("commit").ask("-m", WHAT_CHANGED), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_objection_but_an_empty_message_has_a_command_with_the_project_s_own_trailer() {
        let id = || "chg-1".parse::<ChangeId>().unwrap();
        let ctx = FixContext { trailer: "Tuning".to_owned(), ..FixContext::default() };
        let objections = [
            Objection::NoId { active: Some(id()), open: Vec::new(), waiting: false },
            Objection::NoId { active: None, open: Vec::new(), waiting: false },
            Objection::Several { ids: vec!["chg-1".to_owned(), "chg-2".to_owned()] },
            Objection::TooEarly { id: id(), missing: Gate::Baseline },
            Objection::TooEarly { id: id(), missing: Gate::Contract },
            Objection::SecondCommit { id: id(), first: "a".repeat(40), decided: false },
            Objection::NoId { active: None, open: vec![id(), id()], waiting: true },
            Objection::NoId { active: None, open: vec![id()], waiting: false },
        ];
        let shown = |objection: &Objection| -> Vec<String> {
            let fixes = objection.fixes(&ctx, None);
            fixes.iter().filter_map(Fix::command).map(ToString::to_string).collect()
        };
        let all: Vec<Vec<String>> = objections.iter().map(shown).collect();
        assert!(all.iter().all(|commands| !commands.is_empty()), "{all:?}");
        assert_eq!(all[0][0], "git commit -m \"WHAT CHANGED\" --trailer \"Tuning: chg-1\"");
        assert!(
            all[3][0].starts_with("git stash push -u -- ") && all[3][2].starts_with("git stash pop && "),
            "{all:?}"
        );
        let hidden = objections[3].fixes(&ctx, Some(CommandLine::git("add x")));
        assert_eq!(hidden.len(), 2, "no stash where the work is hidden already");
    }
}
