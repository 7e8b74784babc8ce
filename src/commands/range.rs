//! The range that `check` is given: `BASE..HEAD` in all its forms, resolved to commits.

use crate::commands::{Ctx, Range, audit_range, preflight};
use crate::error::{CommandError, Result, trouble};
use crate::git::{Begun, GitError, Repo};
use crate::measure::revision;
use crate::model::{CommandLine, Fix};

pub(super) const REVERSED: &str = "the range is reversed, so it holds no commit";
pub(super) const UNPUBLISHED: &str = "@{upstream}...HEAD";
/// From this many steps on, it takes long to count them.
const FAR: u32 = 100;

/// Base and head of `BASE..HEAD`, `BASE...HEAD`, `BASE..` or `BASE`, and whether three dots stand between them.
fn ends(text: &str) -> (&str, &str, bool) {
    let (base, head, symmetric) = match (text.split_once("..."), text.split_once("..")) {
        (Some((base, head)), _) => (base, head, true),
        (None, Some((base, head))) => (base, head, false),
        (None, None) => (text, "", false),
    };
    (base, if head.is_empty() { "HEAD" } else { head }, symmetric)
}

/// Resolves the names of a range with the call that opens the repository, if that is clear. Returns each end as an id
/// with the steps from it, or nothing.
pub(super) fn known_ends(ctx: &Ctx, text: &str) -> Result<Vec<String>> {
    let (base, head, _) = ends(text);
    let both = [base, head].map(|end| end.split_at(end.find(['~', '^']).unwrap_or(end.len())));
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let is_plain = |name: &str| !name.starts_with('-') && !name.is_empty() && name.bytes().all(is_letter);
    if !both.iter().all(|(name, _)| is_plain(name)) {
        return Ok(Vec::new());
    }
    let (repo, ids) = revision::open_naming(ctx.project.root(), &both.map(|(name, _)| name))?.unzip();
    let _ = ctx.repo.set(repo);
    Ok(ids.into_iter().flatten().zip(both).map(|(id, (_, steps))| format!("{id}{steps}")).collect())
}

/// The range that was typed, by default what the upstream lacks; and its commits, if git has begun to list them.
pub(super) fn typed(repo: &Repo, text: &str, known: &[String]) -> Result<(Range, Option<Begun>)> {
    if text.trim().is_empty() {
        return Err(trouble("--range names no commits; is a variable empty?"));
    }
    if text == UNPUBLISHED {
        return Ok((unpublished(repo)?, None));
    }
    let (base, head, symmetric) = ends(text);
    // An empty base means the whole history.
    if base.is_empty() {
        return Ok((Range { base: None, head: named_commit(repo, head, repo.resolve_only(head))? }, None));
    }
    // Forges give zeros as the commit before a new branch.
    if base.bytes().all(|digit| digit == b'0') {
        let head = named_commit(repo, head, repo.resolve_only(head))?;
        return Ok((Range { base: fork_point(repo, &head)?, head }, None));
    }
    let (mut begun, mut found) = (None, None);
    if let [base, head] = known
        && let Ok(head) = repo.resolve(head)
    {
        // To count the steps takes long, so git counts them while it lists the commits.
        let steps = base.split_once('~').and_then(|(_, steps)| steps.parse().ok());
        if let (Some(FAR..), false) = (steps, symmetric) {
            begun = Some(repo.begin_log(Some(base), &head)?);
        }
        found = repo.resolve(base).ok().map(|base| [Ok(base), Ok(head)]);
    }
    let [of_base, of_head] = found.unwrap_or_else(|| [base, head].map(|end| repo.resolve_only(end)));
    let (head, base) = (named_commit(repo, head, of_head)?, named_commit(repo, base, of_base)?);
    if base == head && !text.contains("..") {
        return Err(wrong(text, "a single commit that is HEAD leaves nothing to check"));
    }
    let shared = if symmetric { repo.merge_base(&base, &head)? } else { Some(base.clone()) };
    if base != head && shared.as_ref() == Some(&head) {
        return Err(wrong(text, REVERSED));
    }
    Ok((Range { base: shared, head }, begun))
}

fn named_commit(repo: &Repo, name: &str, found: Result<String, GitError>) -> Result<String> {
    if matches!(found, Err(GitError::UnknownRevision { .. })) && repo.head()?.at.is_none() {
        return Err(
            trouble("there is no commit yet, so there is no range to check").fixed_by([preflight::commit_once()])
        );
    }
    let of_remote = format!("refs/remotes/origin/{name}");
    Ok(match found {
        // A clone made by a CI service has other branches only as remote-tracking ones.
        Err(GitError::UnknownRevision { .. }) if repo.resolve(&of_remote).is_ok() => repo.resolve(&of_remote)?,
        found => found?,
    })
}

/// The commit where a branch leaves the remote's default branch; without one, the commit that introduced this tool.
fn fork_point(repo: &Repo, head: &str) -> Result<Option<String>> {
    let names = repo.default_branches()?;
    let known = names.iter().find_map(|name| repo.resolve(&format!("refs/remotes/origin/{name}")).ok());
    let shared = known.map(|known| repo.merge_base(&known, head)).transpose()?.flatten();
    // The new branch may be the default branch itself.
    match shared.filter(|shared| shared != head) {
        Some(shared) => Ok(Some(shared)),
        None => audit_range::adopted(repo, head),
    }
}

/// A range that cannot hold any commit because it was mistyped must not pass.
pub(super) fn wrong(text: &str, what: &str) -> CommandError {
    trouble(format!("--range {text}: {what}"))
        .fixed_by([Fix::next("put the older commit first", CommandLine::tool("check --range BASE..HEAD"))])
}

/// The commits that HEAD has and its upstream, or else the remote's default branch, lacks.
fn unpublished(repo: &Repo) -> Result<Range> {
    let head = repo.resolve("HEAD")?;
    let remote = ["refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master"];
    let known = |name: &&str| repo.resolve(name).is_ok();
    let upstream = repo.upstream()?.or_else(|| remote.into_iter().find(known).map(str::to_owned));
    let Some(upstream) = upstream else {
        return Err(trouble("the branch has no upstream, so there is no default range")
            .fixed_by([Fix::next("name one", CommandLine::tool("check --range BASE..HEAD"))]));
    };
    Ok(Range { base: repo.merge_base(&upstream, &head)?, head })
}
