//! The facts for the message hooks: the message as git reads it and, only if a decision needs them, the staged files,
//! the records here and the commits of a change.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::audit::commit_msg::{self, Records};
use crate::audit::{History as _, MessageFacts, RecordFacts};
use crate::commands::{Ctx, GitHistory, audit_here, choose};
use crate::error::Result;
use crate::git::{FileChange, Operation, Repo, Scope};
use crate::model::{ChangeId, Commit};
use crate::store::Record;
use crate::workflow::Change;

const LOOK_BACK: usize = 200;

/// Whether a message can be accepted from files alone, without a process of git: it names one change unambiguously,
/// that change is ready for its commit, and nothing was committed since its baseline. In any doubt, git is asked.
pub(crate) fn is_plainly_ready(ctx: &Ctx, bytes: &[u8], key: &str) -> bool {
    let record = plain_id(bytes, key).and_then(|id| Record::read(&ctx.project, &id).ok());
    record.and_then(Record::into_change).is_some_and(|change| {
        let here = |commit: &str| head_by_file(ctx.project.root()).as_deref() == Some(commit);
        commit_msg::is_ready(&change).is_ok() && change.baseline_commit().is_some_and(here)
    })
}

/// The id in a message that git can read in only one way: no line is a comment or a divider under any setting, and the
/// last paragraph consists of trailers, one of which has the key.
fn plain_id(bytes: &[u8], key: &str) -> Option<ChangeId> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end();
    let is_plain = |line: &str| line.is_empty() || line.starts_with(|c: char| c.is_ascii_alphanumeric());
    let (head, trailers) = text.rsplit_once("\n\n")?;
    let all: Option<Vec<(&str, &str)>> = trailers.lines().map(|line| line.split_once(": ")).collect();
    let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let all = all.filter(|all| !head.starts_with('\n') && all.iter().all(|(name, _)| is_word(name)))?;
    let mut ids = all.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
    let (_, id) = ids.next().filter(|_| text.lines().all(is_plain) && ids.next().is_none())?;
    id.trim().parse().ok()
}

/// The hash of HEAD, if the repository's root is `root` and its references are plain files.
fn head_by_file(root: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(root.join(".git").join(name)).ok();
    let head = read("HEAD")?;
    let hash = match head.strip_prefix("ref: ") {
        Some(branch) => read(branch.trim())?,
        None => head,
    };
    Some(hash.trim().to_owned())
}

pub(crate) fn message(ctx: &Ctx, history: &GitHistory<'_>, bytes: &[u8]) -> Result<MessageFacts> {
    let repo = history.repo;
    let (at, comment) = scissors(bytes);
    let (bytes, comments) = (&bytes[..at], comments(comment.as_deref()));
    let message = cleaned(repo, bytes, &comments)?;
    let ids = repo.trailers_of(bytes, &history.key, &comments)?;
    // Author and files can only make an id unnecessary, so a message with one id does not need them.
    let (mut staged, mut user, mut amended) = (Vec::new(), String::new(), None);
    if ids.len() != 1 {
        staged = staged_since(repo, None, repo.prefix())?;
        if let (Some(true), Ok(parent)) = (amends(repo, &message, ctx.now())?, repo.resolve("HEAD^1")) {
            staged = staged_since(repo, Some(&parent), repo.prefix())?;
            let head = repo.resolve("HEAD")?;
            amended = history.commit(&head).and_then(|mut commit| commit.ids.pop());
        }
        user = ctx.actor().unwrap_or_default();
    }
    let (name, email) = user.split_once('<').unwrap_or((user.as_str(), ""));
    let commit = Commit {
        author_name: name.trim().to_owned(),
        author_email: email.trim_end_matches('>').to_owned(),
        subject: message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned(),
        ids,
        message,
        files: history.of_project(staged),
        ..Commit::default()
    };
    let operation = repo.operation().filter(|operation| *operation != Operation::Bisect);
    Ok(MessageFacts { commit, operation, amended })
}

/// The files staged below a directory, compared with a commit or else with HEAD.
fn staged_since(repo: &Repo, base: Option<&str>, prefix: &[u8]) -> Result<Vec<FileChange>> {
    let index = std::env::var_os("GIT_INDEX_FILE");
    Ok(repo.staged_files(base, index.as_deref(), &Scope { prefix, ..Scope::ALL })?)
}

pub(crate) fn is_beside(ctx: &Ctx, repo: &Repo, message: &str) -> Result<bool> {
    if repo.prefix().is_empty() {
        return Ok(false);
    }
    let base = if amends(repo, message, ctx.now())? == Some(true) { repo.resolve("HEAD^1").ok() } else { None };
    let staged = staged_since(repo, base.as_deref(), b"")?;
    Ok(!staged.is_empty() && !staged.iter().any(|file| file.path.starts_with(repo.prefix())))
}

/// Where the line begins below which git reads nothing of a message, and git's setting of the comment character that this
/// line shows: with `core.commentChar=auto`, git chooses one for each message.
pub(crate) fn scissors(bytes: &[u8]) -> (usize, Option<String>) {
    const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.get(1..).is_some_and(|rest| rest.starts_with(SCISSORS)) {
            return (at, Some(format!("core.commentChar={}", char::from(line[0]))));
        }
        at += line.len();
    }
    (at, None)
}

pub(crate) fn comments(setting: Option<&str>) -> Vec<&str> {
    setting.into_iter().flat_map(|setting| ["-c", setting]).collect()
}

fn cleaned(repo: &Repo, bytes: &[u8], comments: &[&str]) -> Result<String> {
    let call = repo.git().args(comments).args(["stripspace", "--strip-comments"]);
    let text = call.input(bytes.to_vec()).text()?;
    // A message that begins with its trailers has an empty subject, which stripping hides.
    let blank = bytes.starts_with(b"\n");
    Ok(if blank && !text.is_empty() { format!("\n{text}") } else { text })
}

pub(crate) struct Here<'a> {
    ctx: &'a Ctx,
    history: &'a GitHistory<'a>,
    message: &'a str,
    /// The commit up to which other commits of a change are searched for, once determined.
    before: OnceCell<Option<String>>,
    /// By the base of a search: the first commit of each change after it.
    first_commits: RefCell<BTreeMap<Option<String>, BTreeMap<String, String>>>,
    unfinished: OnceCell<(Vec<Record>, usize)>,
}

impl<'a> Here<'a> {
    pub(crate) fn new(ctx: &'a Ctx, history: &'a GitHistory<'a>, message: &'a str) -> Self {
        Self {
            ctx,
            history,
            message,
            before: OnceCell::new(),
            first_commits: RefCell::default(),
            unfinished: OnceCell::new(),
        }
    }

    /// Whether no change waits for a commit here, so that no message needs an id.
    pub(crate) fn is_nothing_open(ctx: &Ctx) -> Result<bool> {
        Ok(choose::named(ctx, None)?.is_none() && choose::unfinished(ctx)? == (Vec::new(), 0))
    }

    fn look_for_commit(&self, change: &Change) -> Result<Option<String>> {
        let repo = self.history.repo;
        let before = self.before.get_or_init(|| {
            let may_amend = self.history.ask(amends(repo, self.message, self.ctx.now()), None).unwrap_or(true);
            repo.resolve(if may_amend { "HEAD^1" } else { "HEAD" }).ok()
        });
        let Some(before) = before else { return Ok(None) };
        let base = change.baseline_commit().and_then(|commit| repo.resolve(commit).ok());
        let base = base.or_else(|| repo.resolve(&format!("HEAD~{LOOK_BACK}")).ok());
        let of = |found: &BTreeMap<String, String>| found.get(change.id().as_str()).cloned();
        if let Some(found) = self.first_commits.borrow().get(&base) {
            return Ok(of(found));
        }
        let mut found = BTreeMap::new();
        self.history.walk(base.as_deref(), before, &mut |commit| {
            let takes_back = !commit.reverted().is_empty();
            if !takes_back && !commit.is_evidence_only() && !commit.is_merge() {
                for id in commit.ids {
                    found.entry(id).or_insert_with(|| commit.id.clone());
                }
            }
        })?;
        let first = of(&found);
        self.first_commits.borrow_mut().insert(base, found);
        Ok(first)
    }

    fn unfinished(&self) -> &(Vec<Record>, usize) {
        self.unfinished.get_or_init(|| self.history.ask(choose::unfinished(self.ctx), (Vec::new(), 0)))
    }
}

impl Records for Here<'_> {
    fn record(&self, id: &ChangeId) -> Option<RecordFacts> {
        audit_here::record(self.ctx, id)
    }

    fn ids(&self) -> Vec<ChangeId> {
        self.history.ask(Record::ids(&self.ctx.project), Vec::new())
    }

    fn open(&self) -> Vec<Change> {
        let changes = self.unfinished().0.iter().cloned().filter_map(Record::into_change);
        changes.filter(Change::is_open).collect()
    }

    fn active(&self) -> Option<ChangeId> {
        let chosen = choose::active(self.ctx).ok().flatten();
        let is_open =
            |id: &ChangeId| self.record(id).is_some_and(|record| record.change().is_some_and(Change::is_open));
        let named = std::env::var_os(choose::VARIABLE).is_some_and(|name| !name.is_empty());
        // If several changes are open, the commit can only belong to the one that waits for its commit.
        let meant = || match choose::named(self.ctx, None).ok()? {
            Some(id) => Some(id),
            None => choose::among(self.ctx, &self.unfinished().0, self.unfinished().1, false).ok(),
        };
        chosen.filter(|id| !named && is_open(id)).or_else(meant).or_else(|| commit_msg::only_waiting(self))
    }

    fn first_commit(&self, change: &Change) -> Option<String> {
        self.history.ask(self.look_for_commit(change), None)
    }

    fn are_tracked(&self, commits: &[String]) -> bool {
        let known = |id: &String| id.parse::<ChangeId>().is_ok_and(|id| self.record(&id).is_some());
        commits.iter().all(|hash| self.history.ids_behind(hash).iter().any(known))
    }
}

/// Whether HEAD is being amended. Git does not tell its hooks, but the author date that it passes to them is then that
/// of HEAD; a new commit has the same only within the same second, and with staged files. An equal message also means
/// an amend, with a new author date. `None` if git passes no date.
fn amends(repo: &Repo, message: &str, now: DateTime<Utc>) -> Result<Option<bool>> {
    /// A commit takes at most this many seconds between its author date and the hook.
    const TAKES_S: i64 = 1;
    let Ok(date) = std::env::var("GIT_AUTHOR_DATE") else { return Ok(None) };
    let head = repo.git().args(["log", "-1", "--format=%at%n%B", "HEAD"]).output()?;
    let head = String::from_utf8_lossy(&head.stdout).into_owned();
    let Some((written, old)) = head.split_once('\n') else { return Ok(None) };
    let date = date.trim_start_matches('@').split(' ').next().unwrap_or_default();
    let Some((date, written)) = date.parse::<i64>().ok().zip(written.parse::<i64>().ok()) else { return Ok(None) };
    let is_old = || now.timestamp() > written.saturating_add(TAKES_S);
    let at_once = date == written && (is_old() || staged_since(repo, None, repo.prefix())?.is_empty());
    Ok(Some(at_once || message.trim() == old.trim()))
}
