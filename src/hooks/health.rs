//! Whether the hooks of a checkout do their work: where git looks for them, what is there, whether it really runs,
//! and what of ours lies where nobody looks. Must not change anything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::hooks::{Fired, Hook, HookError, Manager, Place, State, Target, install, proof, shim, status};
use crate::os::files;

/// One hook of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub hook: Hook,
    pub state: State,
    /// What asking git to run it showed; `None` where there is nothing of ours to run.
    pub fired: Option<Fired>,
}

impl Row {
    /// Whether commits here pass it: it is there, and nothing says that git does not run it.
    pub fn works(&self) -> bool {
        let there = matches!(self.state, State::Installed { .. } | State::HandsOver | State::Outdated);
        // What runs beside ours in another program's hook may well refuse a message that is none.
        let silent = matches!(self.fired, Some(Fired::No { .. })) && self.state != State::HandsOver;
        there && !silent
    }
}

/// The hooks of one checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub root: PathBuf,
    pub place: Place,
    /// Why nothing may be installed there; `None` when it may.
    pub refused: Option<String>,
    pub rows: Vec<Row>,
    /// Hooks of ours, and managers' files that name this program, which git does not come to.
    pub stray: Vec<PathBuf>,
    /// The manager whose files name this program while git does not run it.
    pub idle: Option<Manager>,
}

impl Health {
    /// Whether every hook works.
    pub fn works(&self) -> bool {
        self.rows.iter().all(Row::works)
    }

    /// Whether nobody ever asked for our hooks here: nothing of ours is anywhere.
    pub fn is_absent(&self) -> bool {
        let nothing = |row: &Row| matches!(row.state, State::Missing | State::Foreign);
        self.stray.is_empty() && self.rows.iter().all(nothing)
    }
}

/// Looks at the hooks of a checkout and has git run those that are ours.
pub fn examine(repo: &Repo, target: &Target) -> Result<Health, HookError> {
    let status = status::look(repo, target)?;
    let mut rows = Vec::new();
    for (hook, state) in status.hooks {
        let fired = match state {
            State::Installed { .. } | State::Outdated => Some(proof::fires(repo, hook)?),
            // What others check before a push may take long, and is not ours to start.
            State::HandsOver if hook == Hook::PrePush => Some(Fired::NotAsked),
            State::HandsOver => Some(proof::fires(repo, hook)?),
            State::NotExecutable | State::Foreign | State::Missing => None,
        };
        rows.push(Row { hook, state, fired });
    }
    let mut stray = stray_hooks(repo, &status.place)?;
    let mut idle = None;
    for row in rows.iter().filter(|row| matches!(row.state, State::Missing | State::Foreign)) {
        for manager in Manager::ALL {
            if let Some(file) = manager.names_us(repo.root(), row.hook) {
                idle = Some(manager);
                stray.push(file);
            }
        }
    }
    stray.sort();
    stray.dedup();
    Ok(Health { root: repo.root().to_owned(), place: status.place, refused: status.refused, rows, stray, idle })
}

/// The other checkouts of the repository in which a hook of ours does not work: a relative `core.hooksPath`, or one
/// of a checkout's own, means another directory in each.
pub fn elsewhere(repo: &Repo, target: &Target) -> Result<Vec<Health>, HookError> {
    let mut found = Vec::new();
    for listed in repo.worktrees()?.into_iter().filter(|listed| !listed.prunable) {
        let same = |one: &Path, other: &Path| files::canonical(one).ok() == files::canonical(other).ok();
        if same(&listed.path, repo.root()) || !listed.path.is_dir() {
            continue;
        }
        // A bare repository's own entry has no checkout.
        let Ok(other) = Repo::open(&listed.path) else { continue };
        let status = status::look(&other, target)?;
        if status.complete() || other.hooks_dir()? == repo.hooks_dir()? {
            continue;
        }
        found.push(examine(&other, target)?);
    }
    Ok(found)
}

/// Our hooks in places that git does not look at: its own directory while another is configured, the directories of
/// that name in other checkouts, and where other programs put what they replaced.
fn stray_hooks(repo: &Repo, place: &Place) -> Result<Vec<PathBuf>, HookError> {
    let mut dirs = vec![repo.common_dir().join("hooks")];
    let below_root = place.dir.strip_prefix(repo.root()).ok().filter(|_| place.relative);
    if let Some(below) = below_root {
        dirs.extend(repo.worktrees()?.into_iter().map(|listed| listed.path.join(below)));
    }
    let used = files::canonical(&place.dir).ok();
    dirs.retain(|dir| files::canonical(dir).ok().is_some_and(|dir| used.as_ref() != Some(&dir)));
    let mut found = Vec::new();
    for hook in Hook::ALL {
        let ours = |path: &PathBuf| install::read(path).ok().flatten().is_some_and(|text| shim::parts(&text).is_some());
        found.extend(dirs.iter().map(|dir| dir.join(hook.name())).filter(ours));
        // What was there before ours, without ours in its place: somebody replaced it.
        let kept = install::kept(&place.dir, hook);
        let replaced = !ours(&place.dir.join(hook.name()));
        found.extend((replaced && kept.symlink_metadata().is_ok()).then_some(kept));
        found.extend(moved_aside(&place.dir, hook).into_iter().filter(|path| replaced && ours(path)));
    }
    Ok(found)
}

/// Files beside a hook that are named after it: other programs put what they replace there.
fn moved_aside(dir: &Path, hook: Hook) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let beside = |name: &str| name.strip_prefix(hook.name()).is_some_and(|rest| rest.starts_with('.'));
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| beside(name)).map(|name| dir.join(name)).collect()
}
