//! `change relink`: find a change's commit again after a squash or rebase, by what it changes or by the code that it
//! ends in, and record its new place; and record the days that another clone measured. History stays as it is.

use clap::Args;
use serde_json::json;

use crate::audit::{History as _, Policy, members};
use crate::commands::{Ctx, GitHistory, choose, commit, delta, demands, join};
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::git::{Commit, Repo};
use crate::model::text::short;
use crate::model::{ChangeId, CommandLine, Fix, Kind, Remade, Remake, fix};
use crate::os::files;
use crate::workflow::Change;

#[derive(Debug, Args)]
pub(crate) struct RelinkArgs {
    /// Commit to try [default: every commit since the change's baseline]
    #[arg(value_name = "COMMIT")]
    commit: Option<String>,
    /// Relink only this change [default: every change whose commit is not in the history of HEAD]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// Exit 1 when a commit that is gone was not found again, or the commit that was named is no change's.
pub(crate) fn run(ctx: &Ctx, args: RelinkArgs) -> Result<Exit> {
    let repo = ctx.needed_repo("relinking needs")?;
    if repo.is_shallow() {
        return Err(
            trouble("this clone is shallow, so that commits cannot be found again").fixed_by([fix::unshallow()])
        );
    }
    let named = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    let joined = join::join(ctx, repo, named.as_ref())?;
    let key = ctx.config()?.enforcement.trailer.clone();
    let history = GitHistory::new(repo, &key);
    let policy = demands::here(ctx.config()?)?;
    let only = args.commit.as_deref().map(|commit| repo.resolve(commit)).transpose()?;
    let (mut lost, mut lines) = (0, Vec::new());
    let changes = match &named {
        Some(id) => vec![commit::load(ctx, id)?],
        None => choose::changes(ctx)?.0,
    };
    for change in &changes {
        let mut found = Vec::new();
        for old in change.commits() {
            if history.comes_before(&old, "HEAD") == Some(true) || repo.resolve("HEAD")? == old {
                continue;
            }
            match find_rewritten(repo, &history, &policy, change, &old, only.as_deref())? {
                Some((new, by)) => found.push((old, new, by)),
                None => lost += 1,
            }
        }
        for (old, new, by) in found {
            let commits = vec![(old.clone(), new.clone())];
            commit::record(ctx, change.id(), Kind::Relinked { commits, by: by.to_owned() })?;
            lines.push((change.id().clone(), old, new, by));
        }
    }
    history.failure()?;
    let moved = lines.iter().map(|(id, old, new, by)| json!({"change_id": id, "old": old, "new": new, "by": by}));
    let from_others: Vec<_> = joined.iter().map(|(id, events)| json!({"change_id": id, "events": events})).collect();
    let answer = json!({ "relinked": moved.collect::<Vec<_>>(), "joined": from_others, "not_found": lost });
    let text = lines.iter().map(|(id, old, new, by)| format!("{id}: {} is now {} (by {by})", short(old), short(new)));
    let others = joined.iter().map(|(id, events)| format!("{id}: recorded what another clone recorded ({events})"));
    let text = others.chain(text).collect::<Vec<_>>().join("\n");
    ctx.say(false, &answer, if text.is_empty() { "nothing relinked" } else { &text })?;
    if let (Some(commit), true) = (&only, lines.is_empty() && joined.is_empty()) {
        if let Some(known) = changes.iter().find(|change| change.commits().contains(commit)) {
            ctx.hint(format!("{} is recorded as the commit of {}", short(commit), known.id()));
            let record = ctx.project.relative(&ctx.project.record_path(known.id().as_str())?);
            if repo.is_any_uncommitted(&[files::path_from_bytes(repo.prefix()).join(record)])? {
                ctx.advise(&join::go_on(ctx, repo));
            }
            return Ok(Exit::Yes);
        }
        let commit = short(commit);
        ctx.ui.warn(&format!("{commit} matches no change whose commit is missing from the history"));
        let again = CommandLine::git("revert").word(&commit).and(fix::start());
        ctx.advise(&[Fix::next("revert it, then redo it under a tracked change", again), fix::exempt()]);
        return Ok(Exit::No);
    }
    if lost > 0 {
        ctx.ui.warn(
            "no match found for a missing commit: no commit in HEAD's history makes the same change or results in the validated code",
        );
    } else if !lines.is_empty() || !joined.is_empty() || repo.operation().is_some() {
        ctx.advise(&join::go_on(ctx, repo));
    }
    Ok(if lost > 0 { Exit::No } else { Exit::Yes })
}

/// Whether a commit of the change is neither in HEAD's history nor found there in another place: it was amended, say,
/// and what was measured is not what is there.
pub(crate) fn is_gone(ctx: &Ctx, change: &Change) -> Result<bool> {
    let commits = change.commits();
    let Some(repo) = ctx.repo()? else { return Ok(!commits.is_empty()) };
    if delta::head_with(repo, &commits)?.is_some() || repo.is_shallow() {
        return Ok(false);
    }
    let key = ctx.fix_context().trailer;
    let history = GitHistory::new(repo, &key);
    let policy = demands::here(ctx.config()?)?;
    for old in &commits {
        if history.comes_before(old, "HEAD") != Some(true)
            && find_rewritten(repo, &history, &policy, change, old, None)?.is_none()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The commit of HEAD's history that is the old one in another place, and how that shows.
fn find_rewritten(
    repo: &Repo,
    history: &GitHistory<'_>,
    policy: &Policy,
    change: &Change,
    old: &str,
    only: Option<&str>,
) -> Result<Option<(String, &'static str)>> {
    let candidates = candidates(repo, history, change, only)?;
    let picks: Vec<Remake<'_>> = candidates.iter().map(|it| Remake::Pick { commit: &it.id, of: old }).collect();
    let picked = history.remake(&picks);
    let found = |is: &dyn Fn(&Remade) -> bool| {
        let mut both = candidates.iter().zip(&picked);
        both.find(|(_, remade)| remade.as_ref().is_some_and(is)).map(|(commit, _)| commit.id.clone())
    };
    if let Some(commit) = found(&Remade::is_same) {
        return Ok(Some((commit, "pick")));
    }
    let beside = found(&|remade| members::is_picked(remade, policy));
    // The oldest commit that ends in the validated code is the one that brought it.
    let ends_in_it = |it: &&Commit| {
        let paths: Vec<String> = it.paths().map(str::to_owned).collect();
        members::brings_the_code(change, &it.id, &paths, policy, history)
    };
    let is_known = picked.iter().flatten().next().is_some();
    let squashed = || candidates.iter().rev().find(ends_in_it).filter(|_| !is_known).map(|it| it.id.clone());
    Ok(beside.or_else(squashed).map(|commit| (commit, "tree")))
}

/// The commits since the baseline that change code, newest first, or the only one that is asked for.
fn candidates(repo: &Repo, history: &GitHistory<'_>, change: &Change, only: Option<&str>) -> Result<Vec<Commit>> {
    let baseline = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.clone());
    let known = baseline.and_then(|commit| repo.resolve(&commit).ok());
    let base = known.map(|commit| repo.merge_base(&commit, "HEAD")).transpose()?.flatten();
    let mut found = Vec::new();
    history.walk(base.as_deref(), "HEAD", &mut |commit| {
        if only.is_none_or(|only| commit.id == only) && !commit.is_evidence_only() && !commit.is_merge() {
            found.push(commit);
        }
    })?;
    Ok(found)
}
