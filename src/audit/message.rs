//! What the commit hooks decide from a message, the operation under way and the records. Fast feedback, not the
//! authority: what passes here is checked again, and more strictly, over the range. Must not read files or git.

use std::collections::BTreeMap;

use crate::audit::{CommitFacts, Policy, RecordFacts, RecordState, commit};
use crate::model::nearest::nearest;
use crate::model::text::{joined, short};
use crate::model::{ChangeId, Gate};
use crate::workflow::{Change, gates};

/// What git is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderWay {
    /// Nothing: an ordinary commit (or an amended one).
    Nothing,
    Merge,
    CherryPick,
    Revert,
    /// A rebase, or patches being applied: old commits are made anew.
    Rewriting,
}

/// What the hook knows.
#[derive(Debug, Clone)]
pub struct MessageFacts<'a> {
    /// The commit as it will be: subject, message without comments, ids as git reads them, author, files.
    pub commit: &'a CommitFacts,
    /// What git is in the middle of.
    pub under_way: UnderWay,
    /// The change that commands would mean here.
    pub active: Option<&'a ChangeId>,
    pub records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// Commits before HEAD that carry each id already, outside evidence.
    pub earlier: &'a BTreeMap<ChangeId, String>,
    /// Whether what the message says that it reverts belongs to a change.
    pub reverts_tracked: bool,
}

/// Why a message passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// Git itself will refuse it: there is nothing in it.
    Empty,
    Merge,
    /// Old commits made anew pass; the range check sees them all.
    Rewriting,
    /// To be squashed; the range check refuses leftovers.
    Fixup,
    /// It holds the tool's own files alone.
    EvidenceOnly,
    Exempt(String),
    /// It reverts a tracked commit and inherits its id.
    Revert,
    /// It belongs to a change that is ready for it.
    Tracked(ChangeId),
}

/// Why a message is refused. What to do about each is in `objection.rs`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Objection {
    #[error("the message is empty but for its trailer")]
    NoText,
    #[error("the commit names no change{}", open_changes(.active.as_ref(), .open, *.waiting))]
    NoId {
        /// The active change, whose id it could carry.
        active: Option<ChangeId>,
        /// Without one: the open changes that wait for their commit, or else all that are open.
        open: Vec<ChangeId>,
        waiting: bool,
    },
    #[error("the commit names {} changes: {}; one change, one commit", .ids.len(), joined(.ids))]
    Several { ids: Vec<String> },
    #[error("invalid change id {value:?}")]
    Malformed { value: String },
    #[error("there is no change {id} here{}", .nearest.as_ref().map(|it| format!("; did you mean {it}?")).unwrap_or_default())]
    Unknown { id: ChangeId, nearest: Option<ChangeId> },
    #[error("the record of {id} cannot be trusted: {problem}")]
    Unreadable { id: ChangeId, problem: String },
    #[error("the change {id} has ended ({})", .end.replace('_', " "))]
    Ended { id: ChangeId, end: &'static str },
    #[error("the change {id} has not passed {missing} yet")]
    TooEarly { id: ChangeId, missing: Gate },
    #[error("the change {id} has its one commit already: {}", short(.first))]
    SecondCommit { id: ChangeId, first: String },
}

fn open_changes(active: Option<&ChangeId>, open: &[ChangeId], waiting: bool) -> String {
    match (active, open, waiting) {
        (Some(_), ..) => String::new(),
        (None, [], _) => ", and none is open".to_owned(),
        (None, several, true) => format!(", and several are open: {}", joined(several)),
        (None, all, false) => format!(", and what is open has its one commit already: {}", joined(all)),
    }
}

/// Whether a commit with this message may be made.
pub fn check(facts: &MessageFacts<'_>, policy: &Policy) -> Result<Pass, Objection> {
    let commit = facts.commit;
    if commit.message.trim().is_empty() {
        return Ok(Pass::Empty);
    }
    match facts.under_way {
        UnderWay::Merge => return Ok(Pass::Merge),
        UnderWay::Rewriting => return Ok(Pass::Rewriting),
        UnderWay::Nothing | UnderWay::CherryPick | UnderWay::Revert => {}
    }
    if commit.fixup().is_some() {
        return Ok(Pass::Fixup);
    }
    let mut ids = commit.ids.clone();
    ids.sort();
    ids.dedup();
    if !ids.is_empty() && is_all_trailers(&commit.message) {
        return Err(Objection::NoText);
    }
    let [id] = ids.as_slice() else { return without_one_id(facts, policy, ids) };
    let id: ChangeId = id.parse().map_err(|_| Objection::Malformed { value: id.clone() })?;
    let change = known(facts, &id)?;
    // Taking a change out again is always possible.
    let takes_back = facts.under_way == UnderWay::Revert || !commit::reverted(&commit.message).is_empty();
    if takes_back {
        return Ok(Pass::Revert);
    }
    ready(facts, change, &id).map(|()| Pass::Tracked(id))
}

fn without_one_id(facts: &MessageFacts<'_>, policy: &Policy, mut ids: Vec<String>) -> Result<Pass, Objection> {
    if ids.len() > 1 {
        // The open one first: it is the one to keep.
        let is_open = |id: &String| {
            let record = id.parse::<ChangeId>().ok().and_then(|id| facts.records.get(&id));
            record.and_then(RecordFacts::change).is_some_and(Change::is_open)
        };
        ids.sort_by_key(|id| !is_open(id));
        return Err(Objection::Several { ids });
    }
    if facts.commit.is_evidence_only() {
        return Ok(Pass::EvidenceOnly);
    }
    if let Some(reason) = policy.exempts(facts.commit) {
        return Ok(Pass::Exempt(reason.to_owned()));
    }
    if facts.reverts_tracked {
        return Ok(Pass::Revert);
    }
    no_id(facts)
}

/// The active change's id is what is missing, unless that change is not to have this commit.
fn no_id(facts: &MessageFacts<'_>) -> Result<Pass, Objection> {
    let Some(id) = facts.active else {
        let waiting = waiting(facts.records, facts.earlier);
        let all = || facts.records.values().filter_map(RecordFacts::change).filter(|change| change.is_open());
        let waits = !waiting.is_empty();
        let open = if waits { waiting } else { all().map(|change| change.id().clone()).collect() };
        return Err(Objection::NoId { active: None, open, waiting: waits });
    };
    let change = facts.records.get(id).and_then(RecordFacts::change);
    match change.map(|change| ready(facts, change, id)) {
        Some(Err(objection @ Objection::SecondCommit { .. })) => Err(objection),
        _ => Err(Objection::NoId { active: Some(id.clone()), open: Vec::new(), waiting: false }),
    }
}

fn known<'a>(facts: &MessageFacts<'a>, id: &ChangeId) -> Result<&'a Change, Objection> {
    let Some(record) = facts.records.get(id) else {
        let names = facts.records.keys().map(ChangeId::as_str);
        let nearest = nearest(id.as_str(), names, 1).first().and_then(|name| name.parse().ok());
        return Err(Objection::Unknown { id: id.clone(), nearest });
    };
    match &record.state {
        RecordState::Tracked(change) => Ok(change),
        RecordState::Legacy => Err(Objection::TooEarly { id: id.clone(), missing: Gate::Contract }),
        RecordState::Unreadable(problem) => Err(Objection::Unreadable { id: id.clone(), problem: problem.clone() }),
    }
}

/// A change is ready for its commit once its class's gates up to the baseline are passed.
fn ready(facts: &MessageFacts<'_>, change: &Change, id: &ChangeId) -> Result<(), Objection> {
    if let Some(end) = &change.end {
        return Err(Objection::Ended { id: id.clone(), end: end.name() });
    }
    let before = change.opened.class.gates().iter().copied().take_while(|gate| *gate <= Gate::Baseline);
    if let Some(missing) = before.into_iter().find(|gate| !gates::passed(change, *gate)) {
        return Err(Objection::TooEarly { id: id.clone(), missing });
    }
    match facts.earlier.get(id) {
        Some(first) => Err(Objection::SecondCommit { id: id.clone(), first: first.clone() }),
        None => Ok(()),
    }
}

/// Whether a message has no text before its trailers: an editor that was left without writing anything.
fn is_all_trailers(message: &str) -> bool {
    let is_trailer = |line: &str| {
        line.split_once(':').is_some_and(|(key, _)| {
            !key.is_empty() && key.trim_end().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    // A first line that is no trailer is the subject; one that looks like a trailer is a subject too (`fix: x`),
    // unless it was left blank and the message begins with the trailers.
    let begins_blank = message.starts_with(['\n', '\r']);
    lines.peek().is_some() && begins_blank && lines.all(is_trailer)
}

/// Where a message that is being prepared comes from, in git's words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Editor,
    Message,
    Template,
    Merge,
    Squash,
    /// Another commit: amended, or taken over with `-c` or `-C`.
    Commit,
}

/// The change whose trailer is to be added to a message that is being prepared, if any.
pub fn to_add(facts: &MessageFacts<'_>, source: Source, policy: &Policy) -> Option<ChangeId> {
    let commit = facts.commit;
    let made_anew = facts.under_way != UnderWay::Nothing || matches!(source, Source::Merge | Source::Commit);
    if made_anew || !commit.ids.is_empty() || commit.fixup().is_some() || commit.is_evidence_only() {
        return None;
    }
    if policy.exempts(commit).is_some() || facts.reverts_tracked {
        return None;
    }
    let id = facts.active?;
    let change = facts.records.get(id)?.change()?;
    waits(change, facts.earlier).then(|| id.clone())
}

/// Whether an open change still waits for its one commit: once that is validated, what follows belongs elsewhere.
fn waits(change: &Change, earlier: &BTreeMap<ChangeId, String>) -> bool {
    let is_new = change.is_open() && !earlier.contains_key(change.id());
    let is_emergency = change.follow_up.is_none() && change.opened.expires.is_some();
    is_new && (!change.is_decided() && change.validation.is_none() || is_emergency)
}

fn waiting(records: &BTreeMap<ChangeId, RecordFacts>, earlier: &BTreeMap<ChangeId, String>) -> Vec<ChangeId> {
    let open = records.values().filter_map(RecordFacts::change).filter(|change| waits(change, earlier));
    open.map(|change| change.id().clone()).collect()
}

/// The change that waits for its commit, where there is no other.
pub fn only_waiting(
    records: &BTreeMap<ChangeId, RecordFacts>,
    earlier: &BTreeMap<ChangeId, String>,
) -> Option<ChangeId> {
    let mut waiting = waiting(records, earlier);
    waiting.pop().filter(|_| waiting.is_empty())
}
