//! What the message hooks know: the message as git reads it, what is staged, and, only when a decision needs it, the
//! records here and the commits of a change.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::audit::commit_msg::{self, LookUp};
use crate::audit::{History as _, MessageFacts, RecordFacts, UnderWay};
use crate::commands::{Ctx, GitHistory, audit_here, choose};
use crate::error::CommandError;
use crate::git::{Operation, Repo, Scope};
use crate::model::{ChangeId, Commit};
use crate::workflow::Change;

/// How far back other commits of a change without a baseline are looked for.
const LOOK_BACK: usize = 200;

/// The message and what is staged.
pub(crate) fn message(ctx: &Ctx, history: &GitHistory<'_>, bytes: &[u8]) -> Result<MessageFacts, CommandError> {
    let repo = history.repo;
    let message = cleaned(repo, bytes)?;
    let index = std::env::var_os("GIT_INDEX_FILE");
    let staged = repo.staged_files(index.as_deref(), &Scope { prefix: repo.prefix(), is_own: &|_| false })?;
    let user = ctx.actor().unwrap_or_default();
    let (name, email) = user.split_once('<').unwrap_or((user.as_str(), ""));
    let commit = Commit {
        author_name: name.trim().to_owned(),
        author_email: email.trim_end_matches('>').to_owned(),
        subject: message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned(),
        ids: repo.trailers_of(bytes, &history.key)?,
        message,
        files: history.of_project(staged),
        ..Commit::default()
    };
    let under_way = match repo.operation() {
        Some(Operation::Merge) => UnderWay::Merge,
        Some(Operation::CherryPick) => UnderWay::CherryPick,
        Some(Operation::Revert) => UnderWay::Revert,
        Some(Operation::Rebase | Operation::Apply) => UnderWay::Rewriting,
        Some(Operation::Bisect) | None => UnderWay::Nothing,
    };
    Ok(MessageFacts { commit, under_way })
}

/// The message without comments and what follows a scissors line, as git will keep it.
fn cleaned(repo: &Repo, bytes: &[u8]) -> Result<String, CommandError> {
    const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";
    let cut = |line: &[u8]| line.get(1..).is_some_and(|rest| rest.starts_with(SCISSORS));
    let kept: Vec<u8> =
        bytes.split_inclusive(|byte| *byte == b'\n').take_while(|line| !cut(line)).flatten().copied().collect();
    let kept = repo.git().args(["stripspace", "--strip-comments"]).input(kept).ok()?;
    let text = String::from_utf8_lossy(&kept).into_owned();
    // A message that begins with its trailers has an empty subject, which stripping hides.
    let blank = bytes.starts_with(b"\n");
    Ok(if blank && !text.is_empty() { format!("\n{text}") } else { text })
}

/// The records and the commits of their changes, looked up in the work tree and in git.
pub(crate) struct Here<'a> {
    ctx: &'a Ctx,
    history: &'a GitHistory<'a>,
    message: &'a str,
    /// Up to where other commits of a change are looked for, once it was asked.
    before: RefCell<Option<Option<String>>>,
    first_commits: RefCell<BTreeMap<ChangeId, Option<String>>>,
    failed: RefCell<Option<CommandError>>,
}

impl<'a> Here<'a> {
    pub(crate) fn new(ctx: &'a Ctx, history: &'a GitHistory<'a>, message: &'a str) -> Self {
        Self {
            ctx,
            history,
            message,
            before: RefCell::default(),
            first_commits: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// The first thing that could not be looked up: no decision counts then.
    pub(crate) fn failure(&self) -> Result<(), CommandError> {
        self.history.failure()?;
        self.failed.take().map_or(Ok(()), Err)
    }

    fn ask<T>(&self, answer: Result<T, CommandError>, otherwise: T) -> T {
        answer.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            otherwise
        })
    }

    fn look_for_commit(&self, change: &Change) -> Result<Option<String>, CommandError> {
        let repo = self.history.repo;
        if self.before.borrow().is_none() {
            let name = if may_amend(repo, self.message, self.ctx.now())? { "HEAD^1" } else { "HEAD" };
            self.before.replace(Some(repo.resolve(name).ok()));
        }
        let Some(before) = self.before.borrow().clone().flatten() else { return Ok(None) };
        let baseline = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.clone());
        let base = baseline.and_then(|commit| repo.resolve(&commit).ok());
        let base = base.or_else(|| repo.resolve(&format!("HEAD~{LOOK_BACK}")).ok());
        let mut found = None;
        self.history.walk(base.as_deref(), &before, &mut |commit| {
            let takes_back = !commit.reverted().is_empty();
            let carries = commit.ids.iter().any(|id| id == change.id().as_str());
            if carries && !takes_back && !commit.is_evidence_only() && !commit.is_merge() {
                found.get_or_insert(commit.id);
            }
        })?;
        Ok(found)
    }
}

impl LookUp for Here<'_> {
    fn record(&self, id: &ChangeId) -> Option<RecordFacts> {
        self.ask(audit_here::record(self.ctx, id), None)
    }

    fn ids(&self) -> Vec<ChangeId> {
        self.ask(audit_here::ids(self.ctx), Vec::new())
    }

    fn open(&self) -> Vec<Change> {
        let records = self.ask(audit_here::records(self.ctx), Vec::new());
        let changes = records.into_iter().filter_map(RecordFacts::into_change);
        changes.filter(Change::is_open).collect()
    }

    fn active(&self) -> Option<ChangeId> {
        let chosen = choose::active(self.ctx).ok().flatten();
        let is_open =
            |id: &ChangeId| self.record(id).is_some_and(|record| record.change().is_some_and(Change::is_open));
        let named = std::env::var_os(choose::VARIABLE).is_some_and(|name| !name.is_empty());
        // Where several are open, what is committed can only be the one that waits for its commit.
        chosen
            .filter(|id| !named && is_open(id))
            .or_else(|| choose::change(self.ctx, None).ok())
            .or_else(|| commit_msg::only_waiting(self))
    }

    fn first_commit(&self, change: &Change) -> Option<String> {
        if let Some(known) = self.first_commits.borrow().get(change.id()) {
            return known.clone();
        }
        let found = self.ask(self.look_for_commit(change), None);
        self.first_commits.borrow_mut().insert(change.id().clone(), found.clone());
        found
    }

    fn are_tracked(&self, commits: &[String]) -> bool {
        let known = |id: &String| id.parse::<ChangeId>().is_ok_and(|id| self.record(&id).is_some());
        commits.iter().all(|hash| self.history.look_up(hash).is_some_and(|(_, ids)| ids.iter().any(known)))
    }
}

/// Whether HEAD may be about to be replaced: git tells its hooks nothing of `--amend`, but the author's moment that it
/// hands them is then HEAD's own, which a new commit has only within the same second. The same message means it too,
/// where the author is renewed. Where git says no moment, it may be.
fn may_amend(repo: &Repo, message: &str, now: DateTime<Utc>) -> Result<bool, CommandError> {
    /// A commit takes a moment to be made; its author's moment is not read again.
    const TAKES_S: i64 = 1;
    let Ok(date) = std::env::var("GIT_AUTHOR_DATE") else { return Ok(true) };
    let head = repo.git().args(["log", "-1", "--format=%at%n%B", "HEAD"]).output()?;
    let head = String::from_utf8_lossy(&head.stdout).into_owned();
    let Some((written, old)) = head.split_once('\n') else { return Ok(true) };
    let date = date.trim_start_matches('@').split(' ').next().unwrap_or_default();
    let Some((date, written)) = date.parse::<i64>().ok().zip(written.parse::<i64>().ok()) else { return Ok(true) };
    let is_old = now.timestamp() > written.saturating_add(TAKES_S);
    Ok((date == written && is_old) || message.trim() == old.trim())
}
