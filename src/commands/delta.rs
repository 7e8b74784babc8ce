//! What git (or, without git, the files) says about the code here: the revision, and what changed since a baseline.

use globset::Glob;
use globset::GlobSet;
use globset::GlobSetBuilder;

use crate::change::facts::Delta;
use crate::change::facts::DeltaCommit;
use crate::change::facts::TuneableChange;
use crate::change::id::ChangeId;
use crate::change::state::Change;
use crate::commands::Ctx;
use crate::commands::evidence;
use crate::error::CommandError;
use crate::evidence::compare::tuneables;
use crate::evidence::revision::Revision;
use crate::evidence::revision::WorkTree;
use crate::evidence::snapshot::GitV1;
use crate::evidence::snapshot::Snapshot;
use crate::probe;
use crate::store::layout::OwnPaths;
use crate::sys::git::Commit;
use crate::sys::git::Repo;
use crate::sys::git::Scope;
use crate::sys::git::Side;
use crate::sys::git::Walk;

/// What happened since a baseline.
pub struct Since {
    /// The code here.
    pub revision: Revision,
    /// Whether the baseline's commit is an ancestor of it; `None` where there are no commits.
    pub descends: Option<bool>,
    /// What changed.
    pub delta: Delta,
}

/// The code here.
///
/// # Errors
/// When git is missing or refuses the repository.
pub fn revision(ctx: &Ctx) -> Result<Revision, CommandError> {
    Ok(probe::revision::revision(ctx.project.root(), ctx.repo()?, &own(ctx.repo()?))?)
}

/// Version 1's description of the same.
///
/// # Errors
/// When git fails.
pub fn git_v1(ctx: &Ctx, revision: &Revision) -> Result<GitV1, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(GitV1::default()) };
    let describe = revision.commit.as_deref().map(|commit| repo.describe(commit)).transpose()?;
    let dirty_count = match &revision.work_tree {
        WorkTree::Clean => Some(0),
        WorkTree::Dirty { paths, .. } => Some(u64::from(*paths)),
        WorkTree::Unversioned | WorkTree::Unknown { .. } => None,
    };
    Ok(GitV1 {
        is_git: true,
        git_root: Some(repo.root().display().to_string()),
        branch: revision.branch.clone(),
        commit: revision.commit.clone(),
        describe,
        dirty: dirty_count.map(|count| count > 0),
        dirty_count,
        diff_stat: None,
    })
}

/// Commits in the present history that carry the id already.
///
/// # Errors
/// When git fails.
pub fn commits_with_id(ctx: &Ctx, id: &ChangeId) -> Result<Vec<DeltaCommit>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let Some(head) = repo.head()?.at else { return Ok(Vec::new()) };
    let key = &ctx.config()?.enforcement.trailer;
    let commits = repo.commits_naming(&head.commit, key, id.as_str())?;
    let own = own(Some(repo));
    let described = commits.iter().map(|commit| describe(repo, &own, commit));
    Ok(described.filter(|commit| !commit.evidence_only).collect())
}

/// What changed since the change's baseline.
///
/// # Errors
/// When git fails, the baseline's snapshot is missing or altered, or a tuneables file cannot be read.
pub fn since_baseline(ctx: &Ctx, change: &Change) -> Result<Since, CommandError> {
    let revision = revision(ctx)?;
    let Some(baseline) = &change.baseline else {
        return Ok(Since { revision, descends: None, delta: Delta::default() });
    };
    let before = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let mut delta = Delta { tuneables: changed_tuneables(ctx, &before)?, ..Delta::default() };
    let mut descends = None;
    let commits = (ctx.repo()?, &baseline.taken.revision.commit, &revision.commit);
    if let (Some(repo), Some(base), Some(head)) = commits {
        let known = repo.resolve(base).is_ok();
        descends = Some(known && repo.is_ancestor(base, head)?);
        if descends == Some(true) {
            let own = own(Some(repo));
            let walk = Walk::all(&ctx.config()?.enforcement.trailer);
            let commits = repo.commits(Some(base), head, &walk)?;
            delta.commits = commits.iter().map(|commit| describe(repo, &own, commit)).collect();
            let is_own = |path: &[u8]| own.is_own(path);
            let scope = Scope { prefix: repo.prefix(), is_own: &is_own };
            let files = repo.changed_files(base, Side::Commit(head), &scope)?;
            delta.files = files.iter().map(|file| below(repo, &file.path)).collect();
        }
    }
    surfaces(ctx, &mut delta)?;
    Ok(Since { revision, descends, delta })
}

/// Tells the tool's own files, by paths from the repository's root.
pub fn own(repo: Option<&Repo>) -> OwnPaths {
    OwnPaths::below(repo.map(Repo::prefix).unwrap_or_default())
}

fn describe(repo: &Repo, own: &OwnPaths, commit: &Commit) -> DeltaCommit {
    let is_own = |path: &[u8]| own.is_own(path);
    let scope = Scope { prefix: repo.prefix(), is_own: &is_own };
    DeltaCommit {
        sha: commit.id.clone(),
        subject: commit.subject.clone(),
        change_ids: commit.trailers.clone(),
        // A merge is judged by what it brings to the history, which its parents' commits show already.
        evidence_only: !commit.touches(&scope),
        merge: commit.is_merge(),
    }
}

/// A path of the repository as one of the project.
fn below(repo: &Repo, path: &[u8]) -> String {
    let path = path.strip_prefix(repo.prefix()).unwrap_or(path);
    String::from_utf8_lossy(path).into_owned()
}

fn changed_tuneables(ctx: &Ctx, before: &Snapshot) -> Result<Vec<TuneableChange>, CommandError> {
    let config = ctx.config()?;
    if config.tuneables.files.is_empty() && config.tuneables.env.is_empty() {
        return Ok(Vec::new());
    }
    let now = probe::tuneables::read(ctx.project.root(), &config.tuneables)?;
    let mut after = before.clone();
    after.tuneables = now.values;
    let changes = tuneables::changes(before, &after).into_iter();
    Ok(changes.filter_map(as_delta).collect())
}

/// A change of the effective value; one of the layer alone is none.
fn as_delta(change: tuneables::TuneableChange) -> Option<TuneableChange> {
    let before = change.before.map(|side| side.value);
    let layer = change.after.as_ref().map(|side| side.layer.clone());
    let after = change.after.map(|side| side.value);
    (before != after).then_some(TuneableChange { key: change.key, before, after, layer })
}

/// Which changed files belong to the contracts surface, and whether its docs or tests changed with them.
fn surfaces(ctx: &Ctx, delta: &mut Delta) -> Result<(), CommandError> {
    let config = ctx.config()?;
    let contracts = globs(&config.surfaces.contracts)?;
    delta.contract_surface = delta.files.iter().filter(|file| contracts.is_match(file)).cloned().collect();
    let docs = globs(&config.contract_docs.docs)?;
    let tests = globs(&config.contract_docs.tests)?;
    let touched = |set: &GlobSet| delta.files.iter().any(|file| set.is_match(file));
    delta.contract_docs = touched(&docs) || touched(&tests);
    Ok(())
}

fn globs(patterns: &[String]) -> Result<GlobSet, CommandError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    Ok(set.build()?)
}
