//! What the message hooks know: the message as git reads it, what is staged, the records here. Must not decide.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::audit::{CommitFacts, History as _, MessageFacts, Policy, RecordFacts, UnderWay, commit, message};
use crate::commands::{Ctx, Witness, audit_here, choose, demands};
use crate::error::CommandError;
use crate::git::{Operation, Repo, Scope};
use crate::model::ChangeId;

/// How far back other commits of a change without a baseline are looked for.
const LOOK_BACK: usize = 200;

/// Everything that a message is judged by.
pub(crate) struct Prepared {
    pub(crate) policy: Policy,
    pub(crate) key: String,
    commit: CommitFacts,
    under_way: UnderWay,
    active: Option<ChangeId>,
    records: BTreeMap<ChangeId, RecordFacts>,
    earlier: BTreeMap<ChangeId, String>,
    reverts_tracked: bool,
}

impl Prepared {
    /// Gathers it for a message's bytes.
    pub(crate) fn of(ctx: &Ctx, repo: &Repo, bytes: &[u8]) -> Result<Self, CommandError> {
        let config = ctx.config()?;
        let key = config.enforcement.trailer.clone();
        let witness = Witness::new(repo, &key);
        let text = cleaned(repo, bytes)?;
        let subject = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        let index = std::env::var_os("GIT_INDEX_FILE");
        let staged = repo.staged_files(index.as_deref(), &Scope { prefix: repo.prefix(), is_own: &|_| false })?;
        let (author_name, author_email) = author(repo)?;
        let reverts = commit::reverted(&text);
        let commit = CommitFacts {
            author_name,
            author_email,
            subject,
            ids: repo.trailers_of(bytes, &key)?,
            message: text,
            files: witness.files(&staged),
            ..CommitFacts::default()
        };
        let records: BTreeMap<ChangeId, RecordFacts> =
            audit_here::records(ctx)?.into_iter().map(|record| (record.id.clone(), record)).collect();
        let known = |id: &String| id.parse::<ChangeId>().is_ok_and(|id| records.contains_key(&id));
        let inherits = |hash: &String| witness.look_up(hash).is_some_and(|(_, ids)| ids.iter().any(known));
        let reverts_tracked = !reverts.is_empty() && reverts.iter().all(inherits);
        let before = if may_amend(repo, &commit.message, ctx.now())? { "HEAD^1" } else { "HEAD" };
        let earlier = earlier(repo, &witness, &records, before)?;
        // Where several are open, what is committed can only be the one that waits for its commit.
        let active = choose::change(ctx, None).ok().or_else(|| message::only_waiting(&records, &earlier));
        let policy = demands::policy(config, None, None)?;
        let under_way = under_way(repo);
        Ok(Self { policy, key, commit, under_way, active, records, earlier, reverts_tracked })
    }

    /// The facts.
    pub(crate) fn facts(&self) -> MessageFacts<'_> {
        MessageFacts {
            commit: &self.commit,
            under_way: self.under_way,
            active: self.active.as_ref(),
            records: &self.records,
            earlier: &self.earlier,
            reverts_tracked: self.reverts_tracked,
        }
    }
}

/// The message without comments and what follows a scissors line, as git will keep it.
fn cleaned(repo: &Repo, bytes: &[u8]) -> Result<String, CommandError> {
    let kept = repo.git().args(["stripspace", "--strip-comments"]).input(without_scissors(bytes)).ok()?;
    // A message that begins with its trailers has an empty subject, which stripping hides.
    let blank = bytes.split(|byte| *byte == b'\n').next().is_some_and(<[u8]>::is_empty);
    let text = String::from_utf8_lossy(&kept).into_owned();
    Ok(if blank && !text.is_empty() { format!("\n{text}") } else { text })
}

fn without_scissors(bytes: &[u8]) -> Vec<u8> {
    const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";
    let cut = |line: &[u8]| line.get(1..).is_some_and(|rest| rest.starts_with(SCISSORS));
    let kept = bytes.split_inclusive(|byte| *byte == b'\n').take_while(|line| !cut(line));
    kept.flatten().copied().collect()
}

fn author(repo: &Repo) -> Result<(String, String), CommandError> {
    let user = repo.user()?.unwrap_or_default();
    let (name, email) = user.split_once('<').unwrap_or((user.as_str(), ""));
    Ok((name.trim().to_owned(), email.trim_end_matches('>').to_owned()))
}

fn under_way(repo: &Repo) -> UnderWay {
    match repo.operation() {
        Some(Operation::Merge) => UnderWay::Merge,
        Some(Operation::CherryPick) => UnderWay::CherryPick,
        Some(Operation::Revert) => UnderWay::Revert,
        Some(Operation::Rebase | Operation::Apply) => UnderWay::Rewriting,
        Some(Operation::Bisect) | None => UnderWay::Nothing,
    }
}

/// Whether HEAD may be about to be replaced: git tells its hooks nothing of `--amend`, but the author's moment that it
/// hands them is then HEAD's own, which a commit made anew has only within the same second. The same message stands
/// for it too, where the author is renewed. Where git says no moment, it may be.
fn may_amend(repo: &Repo, message: &str, now: DateTime<Utc>) -> Result<bool, CommandError> {
    /// A commit takes a moment to be made; its author's moment is not read anew.
    const TAKES_S: i64 = 1;
    let Ok(given) = std::env::var("GIT_AUTHOR_DATE") else { return Ok(true) };
    let head = repo.git().args(["log", "-1", "--format=%at%n%B", "HEAD"]).output()?;
    let head = String::from_utf8_lossy(&head.stdout).into_owned();
    let Some((written, old)) = head.split_once('\n') else { return Ok(true) };
    let given = given.trim_start_matches('@').split(' ').next().unwrap_or_default();
    let Some((given, written)) = given.parse::<i64>().ok().zip(written.parse::<i64>().ok()) else { return Ok(true) };
    let is_old = now.timestamp() > written.saturating_add(TAKES_S);
    Ok((given == written && is_old) || message.trim() == old.trim())
}

/// The commits up to `before` that carry the id of an open change: since its baseline, before which there are none.
fn earlier(
    repo: &Repo,
    witness: &Witness<'_>,
    records: &BTreeMap<ChangeId, RecordFacts>,
    before: &str,
) -> Result<BTreeMap<ChangeId, String>, CommandError> {
    let mut found = BTreeMap::new();
    let Ok(before) = repo.resolve(before) else { return Ok(found) };
    for change in records.values().filter_map(RecordFacts::change).filter(|change| change.is_open()) {
        let baseline = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.clone());
        let base = baseline.and_then(|commit| repo.resolve(&commit).ok());
        let base = base.or_else(|| repo.resolve(&format!("HEAD~{LOOK_BACK}")).ok());
        witness.walk(base.as_deref(), &before, &mut |commit| {
            let takes_back = !commit::reverted(&commit.message).is_empty();
            let carries = commit.ids.iter().any(|id| id == change.id().as_str());
            if carries && !takes_back && !commit.is_evidence_only() && !commit.is_merge() {
                found.entry(change.id().clone()).or_insert(commit.id);
            }
        })?;
    }
    Ok(found)
}
