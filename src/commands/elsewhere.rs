//! Finds a change's record that is missing here: in another worktree, on another branch, in a stash.

use crate::commands::Ctx;
use crate::git::{GitError, Repo};
use crate::model::{ChangeId, CommandLine, Fix};
use crate::os::files;

/// If there are more branches, the oldest are not searched.
const MOST: &str = "--count=200";

/// The place in words and the commands that lead there; `None` if it is unknown or git fails.
pub(crate) fn record(ctx: &Ctx, id: &ChangeId) -> Option<(String, Vec<Fix>)> {
    let repo = ctx.repo().ok()??;
    let path = ctx.project.relative(&ctx.project.record_path(id));
    in_worktree(repo, &path).or_else(|| in_git(repo, &path).ok()?)
}

fn in_worktree(repo: &Repo, path: &str) -> Option<(String, Vec<Fix>)> {
    let below = files::path_from_bytes(&repo.full(path));
    let others = repo.worktrees().ok()?.into_iter().filter(|root| root != repo.root());
    let root = others.into_iter().find(|root| root.join(&below).is_file())?.display().to_string();
    let go = CommandLine::new("cd").word(&root);
    Some((format!("in the worktree {root}"), vec![Fix::next("", go)]))
}

fn in_git(repo: &Repo, path: &str) -> Result<Option<(String, Vec<Fix>)>, GitError> {
    let path = repo.full(path);
    // All reads of objects below share one reader.
    let _reader = repo.batch()?;
    let read = |at: &str| repo.batch()?.read_path(at, &path, u64::MAX);
    let holds = |at: &str| read(at).ok().flatten().is_some();
    let listed = ["for-each-ref", "--sort=-committerdate", MOST, "--format=%(refname)"];
    let branches = |below: &str| repo.git().args(listed).arg(below).text();
    let locals = branches("refs/heads")?;
    if let Some(at) = locals.lines().find(|at| holds(at)) {
        let name = at.trim_start_matches("refs/heads/");
        return Ok(Some((format!("on the branch {name}"), vec![Fix::next("", CommandLine::git("switch").word(name))])));
    }
    let stashes = repo.git().args(["stash", "list", "--format=%gd"]).text()?;
    // Untracked files are in the stash's third parent.
    if let Some(at) = stashes.lines().find(|at| holds(at) || holds(&format!("{at}^3"))) {
        return Ok(Some((format!("in {at}"), vec![Fix::next("", CommandLine::git("stash pop").word(at))])));
    }
    let remotes = branches("refs/remotes")?;
    let Some(at) = remotes.lines().find(|at| holds(at)) else { return Ok(None) };
    let name = at.trim_start_matches("refs/remotes/");
    let local = name.split_once('/').map_or(name, |(_, local)| local);
    let is_here = locals.lines().any(|it| it.trim_start_matches("refs/heads/") == local);
    let go = match is_here {
        true => CommandLine::git("switch").word(local).and(CommandLine::git("merge").word(name)),
        false => CommandLine::git("switch --track").word(name),
    };
    Ok(Some((format!("on {name}"), vec![Fix::next("", go)])))
}
