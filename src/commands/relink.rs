//! `change relink`: finds a change's commit after a squash or rebase and records its replacement; and joins the events of
//! another clone to a record. Recorded events never change, so this cannot improve a result.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{CheckPolicy, History as _, members};
use crate::commands::commit_contents::RECORD_LIMIT;
use crate::commands::{Ctx, GitHistory, choose, commit, delta, demands};
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::git::{Commit, Operation, Repo};
use crate::model::{ChangeId, CommandLine, Event, Fix, How, Kind, Remade, Remake, fix, short};
use crate::store::{Exclusive, Integrity, Record, evidence, project};
use crate::workflow::{Change, World, demand_fixes, gates, view_v1};

#[derive(Debug, Args)]
pub(crate) struct RelinkArgs {
    /// Commit to try [default: every commit since the change's baseline]
    #[arg(value_name = "COMMIT")]
    commit: Option<String>,
    /// Relink only this change [default: every change whose commit is not in the history of HEAD]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// Exit 1 if a missing commit was not found, or the named commit belongs to no change.
pub(crate) fn run(ctx: &Ctx, args: RelinkArgs) -> Result<Exit> {
    let repo = ctx.needed_repo("relinking needs")?;
    if repo.is_shallow() {
        return Err(
            trouble("this clone is shallow, so that commits cannot be found again").fixed_by([fix::unshallow()])
        );
    }
    let named = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    let of_logbook = repo.own_in_conflict()?.1.iter().any(|path| path.ends_with(project::LOGBOOK));
    let joined = join(ctx, repo, named.as_ref())?;
    let only = args.commit.as_deref().map(|commit| repo.resolve(commit)).transpose()?;
    let changes = match &named {
        Some(id) => vec![commit::load(ctx, id)?],
        None => choose::changes(ctx)?.0,
    };
    let (lines, lost) = find_again(ctx, repo, &changes, only.as_deref())?;
    let answer = json!({ "relinked": lines, "joined": joined, "not_found": lost });
    let text = lines.iter().map(Moved::sentence);
    let others = joined.iter().map(|it| {
        let what = if it.events > 0 { "recorded what another clone recorded" } else { "one side's record is kept" };
        let left_out =
            if it.left_out > 0 { format!("; left out, as it has ended: {}", it.left_out) } else { String::new() };
        format!("{}: {what} ({}){left_out}", it.change_id, it.events)
    });
    let text = others.chain(text).collect::<Vec<_>>().join("\n");
    let nothing = if of_logbook { "the logbook was written again" } else { "nothing relinked" };
    ctx.say(false, &answer, if text.is_empty() { nothing } else { &text })?;
    if let (Some(only), true) = (&only, lines.is_empty() && joined.is_empty()) {
        if let Some(known) = changes.iter().find(|change| change.commits().contains(only)) {
            ctx.hint(format!("{} is recorded as the commit of {}", short(only), known.id()));
            let record = ctx.project.relative(&ctx.project.record_path(known.id()));
            if repo.is_any_uncommitted(&[repo.full_path(&record)])? {
                ctx.advise(&ctx.go_on(repo));
            }
            return Ok(Exit::Yes);
        }
        let commit = short(only);
        ctx.ui.warn(&format!("{commit} matches no change whose commit is missing from the history"));
        if GitHistory::new(repo, "").config(&commit)?.is_none() {
            ctx.advise(&[fix::since(How::Next, &commit), fix::exempt()]);
            return Ok(Exit::No);
        }
        let again = ctx.take_back(only).and(fix::start());
        ctx.advise(&[Fix::next("revert it, then redo it under a tracked change", again), fix::exempt()]);
        return Ok(Exit::No);
    }
    // The commits of a merge in progress are not in the history yet.
    let is_merging = repo.operation().is_some() || repo.is_squashing();
    let lost = if is_merging { 0 } else { lost };
    if lost > 0 {
        ctx.ui.warn(
            "no match found for a missing commit: no commit in HEAD's history makes the same change or results in the validated code",
        );
        ctx.advise(&not_found(ctx, repo, &changes)?);
    } else if !lines.is_empty() || !joined.is_empty() || is_merging {
        ctx.advise(&ctx.go_on(repo));
    }
    Ok(if lost > 0 { Exit::No } else { Exit::Yes })
}

/// The fixes for the first change whose commit is lost, whether another commit has its id or none.
fn not_found(ctx: &Ctx, repo: &Repo, changes: &[Change]) -> Result<Vec<Fix>> {
    for change in changes.iter().filter(|change| change.rollback.is_none()) {
        let (Some(old), true) = (change.commits().pop(), is_gone(ctx, change)?) else { continue };
        let head = repo.resolve("HEAD")?;
        let now = delta::commits_with_id(ctx, change, Some(&head))?.pop();
        let diff = now.map(|now| CommandLine::git("diff").words([short(&old), short(&now.sha)]));
        let see = diff.map(|diff| Fix::next("what differs from the validated commit", diff));
        let how = if see.is_some() { Fix::then } else { Fix::next };
        let record = fix::with_reason(change.id(), "rollback");
        let out = match (&see, ctx.squash_of(change)?) {
            (Some(_), _) => demand_fixes::revert(change),
            (None, Some(squash)) => ctx.take_back(&squash).and(record),
            (None, None) => record,
        };
        let again = Fix::then("measure it again, with the same contract", fix::start_from(change.id()));
        let steps = [how("nothing proves what is there now: take it out", out), again];
        return Ok(see.into_iter().chain(steps).collect());
    }
    Ok(Vec::new())
}

#[derive(Serialize)]
struct Moved {
    change_id: ChangeId,
    old: String,
    new: String,
    by: &'static str,
}

impl Moved {
    fn sentence(&self) -> String {
        format!("{}: {} is now {} (by {})", self.change_id, short(&self.old), short(&self.new), self.by)
    }
}

/// Records the replacement of each missing commit; also returns how many were not found.
fn find_again(ctx: &Ctx, repo: &Repo, changes: &[Change], only: Option<&str>) -> Result<(Vec<Moved>, usize)> {
    let history = GitHistory::new(repo, &ctx.config()?.enforcement.trailer);
    let policy = demands::here(ctx.config()?)?;
    let mut heads = vec![repo.resolve("HEAD")?];
    // The commits of a merge in progress were not replaced.
    if matches!(repo.operation(), Some(Operation::Merge)) {
        heads.push(repo.resolve("MERGE_HEAD")?);
    }
    let (mut lost, mut lines) = (0, Vec::new());
    for change in changes {
        let mut found = Vec::new();
        for old in change.commits() {
            if heads.iter().any(|head| history.reaches(head, &old)) {
                continue;
            }
            match find_rewritten(&history, &policy, change, &old, only)? {
                Some((new, by)) => found.push((old, new, by)),
                // What was rolled back needs no commit here.
                None if change.rollback.is_none() => lost += 1,
                None => {}
            }
        }
        for (old, new, by) in found {
            let commits = vec![(old.clone(), new.clone())];
            commit::record(ctx, change.id(), Kind::Relinked { commits, by: by.to_owned() })?;
            lines.push(Moved { change_id: change.id().clone(), old, new, by });
        }
    }
    history.failure()?;
    Ok((lines, lost))
}

/// The change with the replacements of its missing commits, as far as they are found.
pub(crate) fn again(ctx: &Ctx, change: Change) -> Result<Change> {
    let Some(repo) = ctx.repo()?.filter(|repo| !repo.is_shallow()) else { return Ok(change) };
    if delta::head_with(repo, &change.commits())?.is_some() {
        return Ok(change);
    }
    for moved in find_again(ctx, repo, std::slice::from_ref(&change), None)?.0 {
        ctx.ui.status(&moved.sentence());
    }
    commit::load(ctx, change.id())
}

/// Whether neither a commit of the change nor a replacement is in the history of HEAD, as after an amend of the code.
pub(crate) fn is_gone(ctx: &Ctx, change: &Change) -> Result<bool> {
    let commits = change.commits();
    let Some(repo) = ctx.repo()? else { return Ok(!commits.is_empty()) };
    if delta::head_with(repo, &commits)?.is_some() || repo.is_shallow() {
        return Ok(false);
    }
    let history = GitHistory::new(repo, &ctx.config()?.enforcement.trailer);
    let policy = demands::here(ctx.config()?)?;
    for old in &commits {
        if history.comes_before(old, "HEAD") != Some(true)
            && find_rewritten(&history, &policy, change, old, None)?.is_none()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The replacement of a commit in the history of HEAD, and how it was recognized.
fn find_rewritten(
    history: &GitHistory<'_>,
    policy: &CheckPolicy,
    change: &Change,
    old: &str,
    only: Option<&str>,
) -> Result<Option<(String, &'static str)>> {
    let mut candidates = candidates(history, change, only)?;
    let paths = |commit: &Commit| commit.paths().map(str::to_owned).collect::<Vec<_>>();
    candidates.retain(|commit| members::is_of_validated_files(change, &paths(commit), policy));
    let picks: Vec<Remake<'_>> = candidates.iter().map(|it| Remake::Pick { commit: &it.id, of: old }).collect();
    let picked = history.remake(&picks);
    let found = |is: &dyn Fn(&Remade) -> bool| {
        let mut both = candidates.iter().zip(&picked);
        both.find(|(_, remade)| remade.as_ref().is_some_and(is)).map(|(commit, _)| commit.id.clone())
    };
    if let Some(commit) = found(&Remade::is_same) {
        return Ok(Some((commit, "pick")));
    }
    let found_by_pick = found(&|remade| members::is_picked(remade, policy));
    // The oldest commit with the validated code is the one that introduced it.
    let ends_in_it = |it: &&Commit| members::brings_the_code(change, &it.id, &paths(it), policy, history);
    let is_known = picked.iter().flatten().next().is_some();
    let squashed = || candidates.iter().rev().find(ends_in_it).filter(|_| !is_known).map(|it| it.id.clone());
    Ok(found_by_pick.or_else(squashed).map(|commit| (commit, "tree")))
}

/// The commits since the baseline that change code, newest first, or only the named one.
pub(crate) fn candidates(history: &GitHistory<'_>, change: &Change, only: Option<&str>) -> Result<Vec<Commit>> {
    let known = change.baseline_commit().and_then(|commit| history.known(commit));
    let base = known.map(|commit| history.repo.merge_base(&commit, "HEAD")).transpose()?.flatten();
    let mut found = Vec::new();
    history.walk(base.as_deref(), "HEAD", &mut |commit| {
        if only.is_none_or(|only| commit.id == only) && !commit.is_evidence_only() && !commit.is_merge() {
            found.push(commit);
        }
    })?;
    Ok(found)
}

const LOOK_BACK: &str = "200";

/// A place in git that has another version of a record (a commit, or a stage of the index), and that version.
type RecordCopy = (String, Change);

/// The stages of the two sides of a conflict in git's index.
const SIDES: [&str; 2] = [":2", ":3"];

#[derive(Serialize)]
pub(crate) struct Joined {
    change_id: ChangeId,
    events: usize,
    /// The number of events of the other side that cannot be recorded because the change has ended.
    left_out: usize,
}

/// Adds the days and notes of other versions to the records here. In a conflict, the side that decided something stays.
pub(crate) fn join(ctx: &Ctx, repo: &Repo, only: Option<&ChangeId>) -> Result<Vec<Joined>> {
    let lock = ctx.lock()?;
    let (here, conflicted) = repo.own_in_conflict()?;
    let mut ids = Record::ids(&ctx.project)?;
    ids.retain(|id| only.is_none_or(|only| only == id));
    for path in ids.iter().map(|id| record_path(ctx, repo, id)).filter(|path| conflicted.contains(path)) {
        if let [(_, here), (_, there)] = read(repo, &path, SIDES)?.as_slice()
            && decides(here, there)
            && decides(there, here)
        {
            return Err(two_decisions(ctx, repo, (here, there))?);
        }
    }
    // Then this side's files are in the work tree without conflict markers.
    if !here.is_empty() {
        repo.git().args(["checkout", "--quiet", "--ours", "--"]).args(here).ok()?;
    }
    let has_logbook = conflicted.iter().any(|path| path.ends_with(project::LOGBOOK));
    let mut joined = Vec::new();
    for id in ids {
        let Some(mut change) = Record::read(&ctx.project, &id).ok().and_then(Record::into_change) else { continue };
        let path = record_path(ctx, repo, &id);
        let in_conflict = conflicted.contains(&path);
        if only.is_none() && !change.is_open() && !in_conflict && !has_logbook {
            continue;
        }
        let versions = versions(repo, &path, in_conflict)?;
        if let Some((at, other)) = versions.iter().find(|(at, other)| at == SIDES[1] && decides(other, &change)) {
            repo.git().args(["checkout", "--quiet", "--theirs", "--", &path]).ok()?;
            change = other.clone();
            for event in &change.events {
                bring_evidence(ctx, repo, &lock, event, at)?;
            }
        }
        let mut found = Joined { change_id: id, events: 0, left_out: 0 };
        for (at, other) in versions {
            for event in lost(&other, &change) {
                let world = World::granted(&change, &event.what);
                if gates::check(&change, &event.what, &world, event.at).is_ok()
                    && bring_evidence(ctx, repo, &lock, &event, &at)?
                {
                    change.record(event.what, event.actor, event.at);
                    found.events += 1;
                } else if SIDES.contains(&at.as_str()) {
                    found.left_out += 1;
                }
            }
        }
        if found.events > 0 {
            lock.extend_record(&change)?;
        }
        if found.events > 0 || has_logbook {
            commit::note_down(ctx, &lock, &change);
        }
        joined.extend((found.events > 0 || found.left_out > 0 || in_conflict).then_some(found));
    }
    Ok(joined)
}

/// Whether one version of a record has other events than days and notes that the other lacks.
fn decides(one: &Change, other: &Change) -> bool {
    let is_there = |event: &Event| other.events.iter().any(|it| it.digest == event.digest);
    one.events.iter().any(|event| event.standalone_content().is_none() && !is_there(event))
}

fn record_path(ctx: &Ctx, repo: &Repo, id: &ChangeId) -> String {
    let path = ctx.project.relative(&ctx.project.record_path(id));
    format!("{}{path}", String::from_utf8_lossy(repo.prefix()))
}

/// A record only grows, so HEAD's decision stays. A merge would bring both: one side has to be rebased onto the other.
fn two_decisions(ctx: &Ctx, repo: &Repo, (here, there): (&Change, &Change)) -> Result<CommandError> {
    let (ours, theirs) = (view_v1::status(here), view_v1::status(there));
    let mut fixes = Vec::new();
    if let Some(Operation::Merge) = repo.operation() {
        let merged = repo.resolve("MERGE_HEAD")?;
        let rebase = |words: &[&str]| Operation::Merge.abort().and(CommandLine::git("rebase").words(words));
        let relink = Fix::then("in its conflict", CommandLine::tool("change relink"));
        let purpose = format!("keep the one that is {theirs}, and rebase onto it, since a merge would bring both");
        fixes.extend([Fix::next(purpose, rebase(&[&short(&merged)])), relink.clone()]);
        let branches = ["for-each-ref", "--count=1", "--format=%(refname:short)", "--points-at", &merged, "refs/heads"];
        let branch = repo.git().args(branches).line()?;
        if !branch.is_empty() {
            let purpose = format!("keep the one that is {ours}, and rebase the other branch");
            fixes.extend([Fix::or(purpose, rebase(&[&short(&repo.resolve("HEAD")?), &branch])), relink]);
        }
    } else {
        let own = ctx.fix_context().own;
        let take = CommandLine::git("checkout --ours --").words(&own).and(CommandLine::git("add").words(&own));
        let take = repo.operation().map_or(take.clone(), |operation| take.and(operation.go_on()));
        fixes.push(Fix::next(format!("keep the one that is {ours}, as it is committed already"), take));
    }
    let id = here.id();
    let problem = format!("both sides of the conflict decided on {id}: one has it {ours}, the other {theirs}");
    Ok(failed(problem).fixed_by(fixes))
}

/// The versions of a record in git, by its full path: those of the last commits, oldest first, and of a conflict.
fn versions(repo: &Repo, path: &str, in_conflict: bool) -> Result<Vec<RecordCopy>> {
    let call = repo.git().args(["log", "--format=%H", "--full-history", "-n", LOOK_BACK, "HEAD", "--", path]);
    let listed = call.long().text()?;
    let mut places: Vec<String> = listed.lines().rev().map(str::to_owned).collect();
    places.extend(SIDES.iter().filter(|_| in_conflict).map(ToString::to_string));
    read(repo, path, places)
}

fn read(repo: &Repo, path: &str, places: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<RecordCopy>> {
    let mut batch = repo.batch()?;
    let mut found = Vec::new();
    for at in places.into_iter().map(Into::into) {
        let Some(bytes) = batch.read_path(&at, path.as_bytes(), RECORD_LIMIT)? else { continue };
        let change = Record::parse(&bytes, Path::new(path)).ok().and_then(Record::into_change);
        found.extend(change.map(|change| (at, change)));
    }
    Ok(found)
}

fn lost(other: &Change, change: &Change) -> Vec<Event> {
    let known: Vec<Value> = change.events.iter().filter_map(Event::standalone_content).collect();
    let is_lost = |event: &&Event| event.standalone_content().is_some_and(|it| !known.contains(&it));
    other.events.iter().filter(is_lost).cloned().collect()
}

/// Restores the event's missing evidence files; false if git does not have them either.
fn bring_evidence(ctx: &Ctx, repo: &Repo, lock: &Exclusive, event: &Event, at: &str) -> Result<bool> {
    let mut batch = repo.batch()?;
    for artifact in event.what.artifacts() {
        if matches!(evidence::verify(&ctx.project, artifact)?, Integrity::Intact(_)) {
            continue;
        }
        let bytes = batch.read_path(at, &repo.full(&artifact.path), evidence::LIMIT)?;
        if !bytes.is_some_and(|bytes| lock.put_back(artifact, &bytes).unwrap_or(false)) {
            return Ok(false);
        }
    }
    Ok(true)
}
