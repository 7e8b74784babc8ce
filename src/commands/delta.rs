//! What git (or, without git, the files) says about the code here: the revision, and what changed since a baseline.

use std::collections::BTreeSet;

use crate::commands::{Ctx, GitHistory, collect, demands, evidence};
use crate::config::fingerprint::{MIN_EFFECT, TUNEABLES};
use crate::config::{Config, globs};
use crate::error::{Result, trouble};
use crate::git::{Commit, GitError, LogWalk, Remake, Repo, Reverted};
use crate::judge::compare::{self, tuneable_changes};
use crate::measure::{self, ObservedCode};
use crate::model::{
    Class, Delta, DeltaCommit, FileChange, InEffect, Kind, Outcome, Revision, Snapshot, TuneableChange, WorkTree, fix,
    short,
};
use crate::workflow::{Change, World};

pub(crate) fn revision(ctx: &Ctx) -> Result<Revision> {
    // A git that is missing or refuses is reported as the error that it is.
    unless_hidden(ctx, measure::revision::revision(ctx.project.root(), ctx.repo()?))
}

/// The same revision, with an unknown work tree if a filter hides that it differs from the commit.
pub(crate) fn unless_hidden(ctx: &Ctx, mut revision: Revision) -> Result<Revision> {
    if let (Some(repo), WorkTree::Clean) = (ctx.repo()?, &revision.work_tree)
        && let Some(reason) = collect::hidden_by_filter(ctx, repo)?
    {
        revision.work_tree = WorkTree::Unknown { reason };
    }
    Ok(revision)
}

pub(crate) fn observe(ctx: &Ctx) -> ObservedCode {
    measure::revision::observe(ctx.project.root(), ctx.repo().ok().flatten())
}

pub(crate) fn tracked(ctx: &Ctx) -> Result<Option<BTreeSet<Vec<u8>>>> {
    let Some(repo) = ctx.repo()? else { return Ok(None) };
    let files = repo.tracked_with_submodules(repo.prefix())?;
    Ok(Some(files.into_iter().map(|mut path| path.split_off(repo.prefix().len())).collect()))
}

/// Commits up to `head` that carry the id already, since an earlier baseline, without reverts of each other.
pub(crate) fn commits_with_id(ctx: &Ctx, change: &Change, head: Option<&str>) -> Result<Vec<DeltaCommit>> {
    let id = change.id();
    let (Some(repo), Some(head)) = (ctx.repo()?, head) else { return Ok(Vec::new()) };
    let key = &ctx.config()?.enforcement.trailer;
    let base = change.baseline_commit().filter(|base| repo.resolve(base).is_ok());
    let mut commits = repo.commits(base, head, &LogWalk::naming(key, &[id.as_str()]))?;
    commits.retain(|commit| commit.ids.iter().any(|value| value == id.as_str()));
    let own: BTreeSet<String> = commits.iter().map(|commit| commit.id.clone()).collect();
    commits.retain(|commit| !commit.reverted().iter().any(|sha| own.contains(sha)));
    Ok(commits.iter().map(|commit| describe(repo, commit)).filter(|commit| !commit.evidence_only).collect())
}

/// The commits to take back, oldest first: those that were validated or, where these are not here, that carry the id.
pub(crate) fn commits_to_revert(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let known = change.commits_to_revert();
    let Some(repo) = ctx.repo()? else { return Ok(known) };
    let is_known = if known.is_empty() { change.newest_delta().is_some() } else { head_with(repo, &known)?.is_some() };
    let Some(head) = repo.head()?.at.filter(|_| !is_known) else { return Ok(known) };
    let found = commits_with_id(ctx, change, Some(&head.commit))?;
    Ok(if found.is_empty() { known } else { found.into_iter().map(|commit| commit.sha).collect() })
}

pub(crate) fn since_baseline(ctx: &Ctx, change: &Change, world: &mut World) -> Result<()> {
    world.revision = revision(ctx)?;
    let Some(baseline) = &change.baseline else { return Ok(()) };
    let before = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    world.delta = Delta { tuneables: changed_tuneables(ctx, &before)?, ..Delta::default() };
    let commits = (ctx.repo()?, &baseline.taken.revision.commit, &world.revision.commit);
    if let (Some(repo), Some(base), Some(head)) = commits {
        let known = repo.resolve(base).is_ok();
        world.descends = Some(known && repo.is_ancestor(base, head)?);
        // Where the baseline's commit was rewritten, the histories part before it.
        let parted = || if known { repo.merge_base(base, head) } else { Ok(None) };
        let from = if world.descends == Some(true) { Some(base.clone()) } else { parted()? };
        if let Some(from) = from {
            let needs_rewritable = !world.revision.nothing_uncommitted() || world.descends != Some(true);
            world.at_tip = commits_since(ctx, change, (&from, &head.clone()), world, needs_rewritable)?;
        }
    }
    world.owed = surfaces(ctx, &mut world.delta)?;
    if change.opened.class == Class::Tuneable {
        world.delta.code = demands::code(ctx.config()?, &world.delta.files)?;
    }
    world.not_of_class = demands::not_of(ctx.config()?, change.opened.class, &world.delta.files)?;
    Ok(())
}

/// Fills the world's delta with the change's own commits in the range and what they change: those that carry its id, and
/// unclaimed ones. Returns whether they are the last commits and on no remote, so that they may still be rewritten;
/// this is only determined if `needs_rewritable` or there are several.
fn commits_since(
    ctx: &Ctx,
    change: &Change,
    (base, head): (&str, &str),
    world: &mut World,
    needs_rewritable: bool,
) -> Result<bool> {
    let Some(repo) = ctx.repo()? else { return Ok(false) };
    let scope = repo.project();
    let commits = repo.commits(Some(base), head, &LogWalk::all(&ctx.config()?.enforcement.trailer))?;
    let is_code = |commit: &Commit| commit.touches(&scope);
    let (unclaimed, elsewhere) = unclaimed(ctx, repo, change, &commits, (base, head))?;
    let carries = |commit: &Commit| commit.ids.iter().any(|id| id == change.id().as_str());
    let foreign = |commit: &Commit| !commit.ids.is_empty() && !carries(commit);
    let undone = undone(&commits);
    let is_own = |commit: &Commit| {
        let claimed = carries(commit) || unclaimed.contains(&commit.id);
        claimed && !commit.is_merge() && !undone.contains(&commit.id)
    };
    let own: Vec<&Commit> = commits.iter().filter(|commit| is_code(commit) && is_own(commit)).collect();
    let others: Vec<&Commit> = commits.iter().filter(|commit| is_code(commit) && !is_own(commit)).collect();
    let kept = commits.iter().filter(|commit| {
        // Without a commit of its own, one that names another change may have been meant.
        !is_code(commit) || is_own(commit) || (own.is_empty() && foreign(commit))
    });
    let unnamed = others.iter().filter(|it| own.is_empty() && elsewhere.contains(&it.id) && !undone.contains(&it.id));
    world.unnamed = unnamed.map(|commit| describe(repo, commit)).collect();
    let delta = &mut world.delta;
    delta.commits = kept.map(|commit| describe(repo, commit)).collect();
    delta.outside = outside(repo, change, &commits);
    let moved = !others.is_empty();
    let (from, to) = match own.as_slice() {
        [only] => {
            delta.base = only.parents.first().filter(|_| moved).cloned();
            (delta.base.as_deref().unwrap_or(base), if moved { only.id.as_str() } else { head })
        }
        _ => (base, head),
    };
    let files = if own.is_empty() && moved { Vec::new() } else { repo.project_changes(from, to)? };
    delta.files = files.iter().map(|file| below(repo, &file.path)).collect();
    let named = files.iter().map(|file| (below(repo, &file.path), file));
    delta.content = (!files.is_empty()).then(|| FileChange::content(named));
    let Some(first) = commits.iter().position(|commit| own.iter().any(|own| own.id == commit.id)) else {
        return Ok(false);
    };
    if !needs_rewritable && own.len() == 1 && own[0].ids.len() <= 1 {
        return Ok(false);
    }
    let (after, local) = (&commits[first..], repo.commits_here_alone((base, head), None)?);
    Ok(after.iter().all(|it| local.contains(&it.id) && !it.is_merge() && (is_own(it) || !is_code(it))))
}

/// The commits that others among them revert, and these reverts, oldest first: together they change nothing. If a revert is
/// itself reverted, the reverted work counts again.
fn undone(commits: &[Commit]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for commit in commits.iter().rev().filter(|commit| !commit.message.is_empty()) {
        let named = commit.reverted();
        let taken_back = commits.iter().filter(|it| named.iter().any(|hash| it.id.starts_with(hash.as_str())));
        let taken_back: Vec<String> = taken_back.map(|it| it.id.clone()).collect();
        if !taken_back.is_empty() && found.insert(commit.id.clone()) {
            found.extend(taken_back);
        }
    }
    found
}

/// The commits without an id that may belong to the change: by git's user, no older than the change and not exempt. The second
/// ones are on another branch or a remote, too. If no commit carries the id, the same branch on a remote may have them.
fn unclaimed(
    ctx: &Ctx,
    repo: &Repo,
    change: &Change,
    commits: &[Commit],
    range: (&str, &str),
) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    if commits.is_empty() {
        return Ok(Default::default());
    }
    let policy = demands::here(ctx.config()?)?;
    let history = GitHistory::new(repo, &ctx.config()?.enforcement.trailer);
    let narrowed = |commit: &Commit| Commit { files: history.of_project(commit.files.clone()), ..commit.clone() };
    let exempt = |commit: &Commit| policy.exempts(&narrowed(commit)).is_some();
    // Commits of other people belong to other people.
    let me = ctx.actor().unwrap_or_default();
    let me = me.split_once('<').map(|(_, address)| address.trim_end_matches('>'));
    let mine = |commit: &Commit| me.is_none_or(|me| me.eq_ignore_ascii_case(&commit.author_email));
    let since = |commit: &Commit| commit.commit_time >= change.opened_at.timestamp();
    let nameless = |it: &&Commit| it.ids.is_empty() && !it.is_merge() && since(it) && mine(it) && !exempt(it);
    let found: BTreeSet<String> = commits.iter().filter(nameless).map(|commit| commit.id.clone()).collect();
    if found.is_empty() {
        return Ok(Default::default());
    }
    let named = commits.iter().any(|commit| commit.ids.iter().any(|id| id == change.id().as_str()));
    let branch = repo.head()?.branch.unwrap_or_default();
    // Commits on a remote's main branch were merged; a pushed branch of one's own is still one's own.
    let is_main = repo.default_branches()?.contains(&branch);
    let here = repo.commits_here_alone(range, Some((&branch, !named || !is_main)))?;
    Ok(found.into_iter().partition(|id| here.contains(id)))
}

/// Whether a change's commits, of which this is the first, are the last ones and on no remote, and may be rewritten.
pub(crate) fn is_rewritable(ctx: &Ctx, change: &Change, first: &str) -> Result<bool> {
    let Some(repo) = ctx.repo()? else { return Ok(false) };
    let (Some(at), Ok(base)) = (repo.head()?.at, repo.resolve(&format!("{first}^"))) else { return Ok(false) };
    commits_since(ctx, change, (&base, &at.commit), &mut World::default(), true)
}

/// The baseline's snapshot, if it is as recorded; otherwise the gate's own demand reports it.
pub(crate) fn unaltered_baseline(ctx: &Ctx, change: &Change) -> Result<Option<Snapshot>> {
    let Some(baseline) = &change.baseline else { return Ok(None) };
    let artifact = &baseline.taken.snapshot;
    let intact = evidence::faults_in(ctx, &[artifact])?.is_empty();
    if intact { evidence::snapshot(ctx, artifact).map(Some) } else { Ok(None) }
}

/// Tuneables whose effective value differs from the baseline's; none for a change without one.
pub(crate) fn tuneables(ctx: &Ctx, change: &Change) -> Result<Vec<TuneableChange>> {
    let Some(before) = unaltered_baseline(ctx, change)? else { return Ok(Vec::new()) };
    changed_tuneables(ctx, &before)
}

/// The definitions that differ from the baseline's: metrics, places of tuneables, how to build, pair and check.
pub(crate) fn redefined(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let Some(before) = unaltered_baseline(ctx, change)? else { return Ok(Vec::new()) };
    let mut found = compare::redefined(&before.definitions, &ctx.config()?.definitions());
    found.retain(|stem| concerns(change, stem));
    // The needs of the pairs' checkouts may be added as long as no pair was measured.
    let unset = Config::default().definitions();
    let was_unset = |stem: &String| before.definitions.get(stem) == unset.get(stem);
    let learns = |stem: &String| matches!(stem.as_str(), "pair.share" | "pair.prepare") && was_unset(stem);
    found.retain(|stem| !learns(stem) || was_paired(change));
    Ok(found)
}

pub(crate) fn concerns(change: &Change, stem: &str) -> bool {
    let named = || change.contract.criteria().any(|it| compare::governs(stem, &it.metric));
    // If the contract names the least effect, the config's does not count.
    let is_asked = stem != MIN_EFFECT || change.contract.min_effect.is_none();
    is_asked && (stem == TUNEABLES || compare::is_general(stem) || named())
}

fn was_paired(change: &Change) -> bool {
    let compared = change.events.iter().rev().map(|event| &event.what);
    let compared = compared.take_while(|what| !matches!(what, Kind::BaselineTaken(_)));
    compared.into_iter().any(|what| {
        let Kind::Compared(compared) = what else { return false };
        compared.pair.is_some() && compared.verdicts.kpi.verdict.outcome() != Outcome::Invalid
    })
}

/// Whether its commits are in the history of the checkout, and reverting them would change something.
pub(crate) fn in_effect(ctx: &Ctx, change: &Change) -> Result<InEffect> {
    commits_in_effect(ctx, change.commits())
}

pub(crate) fn commits_in_effect(ctx: &Ctx, commits: Vec<String>) -> Result<InEffect> {
    let newest_first: Vec<String> = commits.into_iter().rev().collect();
    if newest_first.is_empty() {
        return Ok(InEffect::NoCommit);
    }
    // If the repository has disappeared, the change cannot be found.
    let Some(repo) = ctx.repo()? else { return Ok(InEffect::Absent) };
    let Some(head) = head_with(repo, &newest_first)? else {
        if repo.is_shallow() {
            let what = "this clone is shallow, so that it cannot be told whether the change's commit is in the history";
            return Err(trouble(what).fixed_by([fix::unshallow()]));
        }
        return Ok(InEffect::Absent);
    };
    let gone: Vec<Remake<'_>> = newest_first.iter().map(|of| Remake::Gone { head: &head, of }).collect();
    for file in repo.remake(&gone, None)?.into_iter().flatten().flat_map(|it| it.decided.into_iter().chain(it.differs))
    {
        if !(file.is_regular() && repo.is_own_of_any(&file.path, &head)?) {
            return Ok(InEffect::Yes);
        }
    }
    Ok(InEffect::Reverted)
}

pub(crate) fn head_with(repo: &Repo, commits: &[String]) -> Result<Option<String>> {
    let Some(head) = repo.head()?.at else { return Ok(None) };
    for commit in commits {
        let is_here = match repo.resolve(commit).map(|commit| repo.is_ancestor(&commit, &head.commit)) {
            Err(_) | Ok(Err(GitError::CutOff { .. })) => false,
            Ok(is_here) => is_here?,
        };
        if !is_here {
            return Ok(None);
        }
    }
    Ok(Some(head.commit))
}

/// The parts of a rolled back change that are still fully in effect: its commits (abbreviated), if reverting them would change
/// every file that they changed; without commits, the tuneables with the validated values, as `KEY = VALUE`. Partly reverted
/// or rewritten work is left for a person to judge.
pub(crate) fn still_in_effect(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let Some(seen) = change.newest_delta() else { return Ok(Vec::new()) };
    if !change.rollback_takes_it_out() {
        return Ok(Vec::new());
    }
    let mut commits = change.commits_to_revert();
    if commits.is_empty() {
        let now = tuneables(ctx, change)?;
        let same =
            |it: &&TuneableChange| seen.tuneables.iter().any(|seen| seen.key == it.key && seen.after == it.after);
        let shown = |it: &TuneableChange| {
            it.after.as_ref().map_or_else(|| format!("{} not set", it.key), |value| format!("{} = {value}", it.key))
        };
        return Ok(now.iter().filter(same).map(shown).collect());
    }
    commits.reverse();
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let Some(head) = head_with(repo, &commits)? else { return Ok(Vec::new()) };
    let whole = match repo.rehearse_revert(&head, &commits, &mut |_| {})? {
        Reverted::Applies { files, .. } => files.len() >= seen.files.len(),
        Reverted::Conflicts { .. } | Reverted::Nothing => false,
    };
    let short = commits.iter().map(|sha| short(sha));
    Ok(if whole { short.collect() } else { Vec::new() })
}

/// Whether the change's commits are reverted, or in no history that is checked out; false if that is not known.
pub(crate) fn is_out(ctx: &Ctx, change: &Change) -> bool {
    matches!(in_effect(ctx, change), Ok(InEffect::Reverted | InEffect::Absent))
}

fn describe(repo: &Repo, commit: &Commit) -> DeltaCommit {
    DeltaCommit {
        sha: commit.id.clone(),
        subject: commit.subject.clone(),
        change_ids: commit.ids.clone(),
        // The commits of a merge's parents show its content already.
        evidence_only: !commit.touches(&repo.project()),
        merge: commit.is_merge(),
        own_files: commit.files.iter().any(|file| repo.is_own(&file.path)),
    }
}

/// Commits of the change that touch only files outside the project, apart from own files.
fn outside(repo: &Repo, change: &Change, commits: &[Commit]) -> Vec<String> {
    let scope = repo.project();
    let of_change = |it: &&Commit| it.ids.iter().any(|id| id == change.id().as_str());
    let leaves = |it: &&Commit| it.files.iter().any(|file| !file.path.starts_with(repo.prefix()));
    let found = commits.iter().filter(of_change).filter(|it| !it.is_merge() && !it.touches(&scope)).filter(leaves);
    found.map(|commit| commit.id.clone()).collect()
}

pub(crate) fn below(repo: &Repo, path: &[u8]) -> String {
    let path = path.strip_prefix(repo.prefix()).unwrap_or(path);
    String::from_utf8_lossy(path).into_owned()
}

fn changed_tuneables(ctx: &Ctx, before: &Snapshot) -> Result<Vec<TuneableChange>> {
    let config = ctx.config()?;
    if config.tuneables.files.is_empty() && config.tuneables.env.is_empty() {
        return Ok(Vec::new());
    }
    let now = measure::tuneables::read(ctx.project.root(), &config.tuneables)?;
    // A change of the layer alone does not count.
    let changes = tuneable_changes(&before.tuneables, &now.values).into_iter().filter(|it| it.old != it.new);
    let as_delta = |it: compare::EffectiveChange| TuneableChange {
        key: it.key,
        before: it.old,
        after: it.new,
        layer: it.new_layer,
    };
    Ok(changes.map(as_delta).collect())
}

/// The changed files on the contracts surface, and the docs and tests that did not change with them.
fn surfaces(ctx: &Ctx, delta: &mut Delta) -> Result<Vec<String>> {
    let config = ctx.config()?;
    let contracts = globs(&config.surfaces.contracts)?;
    delta.contract_surface = delta.files.iter().filter(|file| contracts.is_match(file)).cloned().collect();
    // A changed contract owes both its documents and its tests, as far as the config names them.
    let mut owed = Vec::new();
    for (what, patterns) in [("docs", &config.contract_docs.docs), ("tests", &config.contract_docs.tests)] {
        let set = globs(patterns)?;
        if !set.is_empty() && !delta.files.iter().any(|file| set.is_match(file)) {
            owed.push(format!("{what} ({})", patterns.join(", ")));
        }
    }
    delta.contract_docs = owed.is_empty();
    Ok(owed)
}
