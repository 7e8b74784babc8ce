//! What the commit hooks decide from a message, the operation under way and the records. Fast feedback, not the
//! authority: what passes here is checked again, and more strictly, over the range.

use crate::audit::{Objection, Policy, RecordFacts, RecordState};
use crate::model::text::nearest;
use crate::model::{ChangeId, Commit, Gate, Operation};
use crate::workflow::Change;

/// What the hook knows: the commit as it will be (message without comments, ids as git reads them, author, files), and
/// what git is doing.
#[derive(Debug, Clone)]
pub(crate) struct MessageFacts {
    pub commit: Commit,
    /// What git is in the middle of, apart from a bisection.
    pub operation: Option<Operation>,
    /// The id that the commit carries which this one replaces.
    pub amended: Option<String>,
}

/// What a hook has to look up, each only when a decision needs it: a hook must not read every record of a project.
pub(crate) trait LookUp {
    /// The record of a change; `None` where there is none.
    fn record(&self, id: &ChangeId) -> Option<RecordFacts>;
    fn ids(&self) -> Vec<ChangeId>;
    fn open(&self) -> Vec<Change>;
    /// The change that a command would mean here.
    fn active(&self) -> Option<ChangeId>;
    /// The commit that carries the id of a change already, outside evidence.
    fn first_commit(&self, change: &Change) -> Option<String>;
    fn are_tracked(&self, commits: &[String]) -> bool;
}

pub(crate) fn check(facts: &MessageFacts, policy: &Policy, look_up: &dyn LookUp) -> Result<(), Objection> {
    let commit = &facts.commit;
    let remade = matches!(facts.operation, Some(Operation::Merge | Operation::Rebase | Operation::Apply));
    // Git itself refuses an empty message; a fixup is for the range check to find.
    if commit.message.trim().is_empty() || remade || commit.fixup().is_some() {
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
    let [id] = ids.as_slice() else { return without_one_id(commit, policy, look_up, ids) };
    let id: ChangeId = id.parse().map_err(|_| Objection::Malformed { value: id.clone() })?;
    let change = change(look_up, &id)?;
    // Reverting a change is always possible.
    if facts.operation == Some(Operation::Revert) || !commit.reverted().is_empty() {
        return Ok(());
    }
    ready(&change, look_up)
}

fn without_one_id(
    commit: &Commit,
    policy: &Policy,
    look_up: &dyn LookUp,
    mut ids: Vec<String>,
) -> Result<(), Objection> {
    if ids.len() > 1 {
        // The open one first: it is the one to keep.
        let is_open = |id: &String| {
            let record = id.parse::<ChangeId>().ok().and_then(|id| look_up.record(&id));
            record.is_some_and(|record| record.change().is_some_and(Change::is_open))
        };
        ids.sort_by_cached_key(|id| !is_open(id));
        return Err(Objection::Several { ids });
    }
    if needs_no_id(commit, policy, look_up) {
        return Ok(());
    }
    let Some(id) = look_up.active() else {
        let open = look_up.open();
        let waiting: Vec<ChangeId> =
            open.iter().filter(|change| waits(change, look_up)).map(|change| change.id().clone()).collect();
        let waits = !waiting.is_empty();
        let open = if waits { waiting } else { open.iter().map(|change| change.id().clone()).collect() };
        return Err(Objection::NoId { active: None, open, waiting: waits });
    };
    // The active change's id is what is missing, unless that change has its commit.
    let record = look_up.record(&id);
    match record.as_ref().and_then(RecordFacts::change).map(|change| ready(change, look_up)) {
        Some(Err(objection @ Objection::SecondCommit { .. })) => Err(objection),
        Some(_) | None => Err(Objection::NoId { active: Some(id), open: Vec::new(), waiting: false }),
    }
}

/// Whether a commit passes without an id: evidence, an exemption, or the revert of a tracked commit.
fn needs_no_id(commit: &Commit, policy: &Policy, look_up: &dyn LookUp) -> bool {
    let reverted = commit.reverted();
    commit.is_evidence_only()
        || policy.exempts(commit).is_some()
        || (!reverted.is_empty() && look_up.are_tracked(&reverted))
}

fn change(look_up: &dyn LookUp, id: &ChangeId) -> Result<Change, Objection> {
    let Some(record) = look_up.record(id) else {
        let ids = look_up.ids();
        let nearest = nearest(id.as_str(), ids.iter().map(ChangeId::as_str), 1);
        return Err(Objection::Unknown { id: id.clone(), nearest: nearest.first().and_then(|name| name.parse().ok()) });
    };
    match record.state {
        RecordState::Tracked(change) => Ok(*change),
        RecordState::Legacy => Err(Objection::TooEarly { id: id.clone(), missing: Gate::Contract }),
        RecordState::Unreadable(problem) | RecordState::Conflicted(problem) => {
            Err(Objection::Unreadable { id: id.clone(), problem })
        }
    }
}

/// A change is ready for its commit once its class's gates up to the baseline are passed.
fn ready(change: &Change, look_up: &dyn LookUp) -> Result<(), Objection> {
    is_ready(change)?;
    match look_up.first_commit(change) {
        Some(first) => Err(Objection::SecondCommit { id: change.id().clone(), first, decided: change.is_decided() }),
        None => Ok(()),
    }
}

/// The same by its record alone: what was committed already is not looked up.
pub(crate) fn is_ready(change: &Change) -> Result<(), Objection> {
    let id = change.id().clone();
    if let Some(end) = &change.end {
        return Err(Objection::Ended { id, end: end.name() });
    }
    let mut before = change.opened.class.gates().iter().copied().take_while(|gate| *gate <= Gate::Baseline);
    before.find(|gate| !change.passed(*gate)).map_or(Ok(()), |missing| Err(Objection::TooEarly { id, missing }))
}

/// Whether a message has no text before its trailers: an editor that was left without writing anything.
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

/// The change whose trailer is to be added to a message that is being prepared, if any. One that `is_taken_over` is of a
/// merge, or of another commit: amended, or with `-c` or `-C`.
pub(crate) fn to_add(
    facts: &MessageFacts,
    is_taken_over: bool,
    policy: &Policy,
    look_up: &dyn LookUp,
) -> Option<ChangeId> {
    let commit = &facts.commit;
    let dropped = facts.amended.as_ref().filter(|_| commit.ids.is_empty() && facts.operation.is_none());
    if let Some(id) = dropped {
        return id.parse().ok();
    }
    let remade = facts.operation.is_some() || is_taken_over;
    if remade || !commit.ids.is_empty() || commit.fixup().is_some() || needs_no_id(commit, policy, look_up) {
        return None;
    }
    let id = look_up.active()?;
    waits(look_up.record(&id)?.change()?, look_up).then_some(id)
}

/// Whether an open change still waits for its one commit: once that is validated, what follows belongs elsewhere.
fn waits(change: &Change, look_up: &dyn LookUp) -> bool {
    let is_emergency = change.follow_up.is_none() && change.opened.expires.is_some();
    let expects = !change.is_decided() && change.validation.is_none() || is_emergency;
    change.is_open() && expects && look_up.first_commit(change).is_none()
}

pub(crate) fn only_waiting(look_up: &dyn LookUp) -> Option<ChangeId> {
    let open = look_up.open();
    let mut waiting = open.iter().filter(|change| waits(change, look_up));
    waiting.next().filter(|_| waiting.next().is_none()).map(|change| change.id().clone())
}
