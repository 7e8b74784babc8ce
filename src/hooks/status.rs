//! Whether the hooks of a checkout work: what is installed, whether git runs it, and hooks of ours where git does not
//! look. To prove it, git is asked to run each hook, which must leave a mark.

use std::fs;
use std::path::{Path, PathBuf};

use crate::git::{HOOK_RUN, Repo};
use crate::hooks::{self, Hook, HookError, HookTarget, HooksDir};
use crate::os::files;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum State {
    #[error("installed{}", if *.chained { ", after the hook that was there" } else { "" })]
    Installed { chained: bool },
    #[error("installed for another path or version of vibeship-optimizer")]
    Outdated,
    /// A repository's hooks serve one project.
    #[error("installed for another project of this repository")]
    OtherProject,
    #[error("not executable, so that git ignores it")]
    NotExecutable,
    #[error("another program's hook that calls ours")]
    HandsOver,
    #[error("another program's hook, without ours")]
    Foreign,
    #[error("missing")]
    Missing,
}

/// Whether git runs a hook, to its end, and heeds our check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fired {
    #[error("git runs it")]
    Yes,
    #[error("git runs it and goes on when it refuses: the hook drops its exit code")]
    Ignored,
    /// `passed` tells whether the hook let git continue.
    #[error("git does not run it{}{said}", if .said.is_empty() { "" } else { ": " })]
    No { said: String, passed: bool },
    #[error("not proven: git is older than {HOOK_RUN}")]
    CannotAsk,
    #[error("not tested, since it would run other checks too")]
    NotAsked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookRow {
    pub hook: Hook,
    pub state: State,
    /// `None` if there is nothing of ours to run.
    pub fired: Option<Fired>,
}

impl HookRow {
    /// Whether commits here are checked: the hook is installed, and nothing shows that git does not run it.
    pub(crate) fn works(&self) -> bool {
        if self.fired == Some(Fired::Ignored) {
            return false;
        }
        match self.state {
            State::Installed { .. } | State::Outdated => !matches!(self.fired, Some(Fired::No { .. })),
            // Other checks in the same hook may well refuse the probe's message.
            State::HandsOver => true,
            State::NotExecutable | State::OtherProject | State::Foreign | State::Missing => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HooksStatus {
    pub root: PathBuf,
    pub place: HooksDir,
    /// Why nothing may be installed there; `None` if it may.
    pub refused: Option<String>,
    pub rows: Vec<HookRow>,
    pub stray: Vec<PathBuf>,
}

impl HooksStatus {
    pub(crate) fn works(&self) -> bool {
        self.rows.iter().all(HookRow::works)
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.stray.is_empty() && self.rows.iter().all(|row| matches!(row.state, State::Missing | State::Foreign))
    }
}

pub(crate) fn examine(repo: &Repo, target: &HookTarget) -> Result<HooksStatus, HookError> {
    let place = hooks::place(repo)?;
    let refused = match place.may_be_written(repo) {
        Ok(()) => None,
        Err(HookError::Git(error)) => return Err(HookError::Git(error)),
        Err(error) => Some(error.to_string()),
    };
    let rows = Hook::ALL.into_iter().map(|hook| row(repo, &place.dir, hook, target));
    let mut rows = rows.collect::<Result<Vec<HookRow>, _>>()?;
    // Another program's pre-push checks may take long, so they are not run: assume they work like its other hooks.
    let hands_over = rows.iter().any(|row| row.state == State::HandsOver);
    let is_husky = place.dir.ends_with(".husky/_");
    let says = |hook: Hook| {
        let file = place.dir.with_file_name(hook.name());
        !is_husky || hooks::read(&file).ok().flatten().is_some_and(|text| text.contains("vibeship-optimizer"))
    };
    let assumed = |row: &&mut HookRow| row.hook == Hook::PrePush && row.state == State::Foreign && says(row.hook);
    for row in rows.iter_mut().filter(|_| hands_over).filter(assumed) {
        (row.state, row.fired) = (State::HandsOver, Some(Fired::NotAsked));
    }
    let stray = stray(repo, &place)?;
    Ok(HooksStatus { root: repo.root().to_owned(), place, refused, rows, stray })
}

/// The other checkouts of the repository with hooks of their own: with a relative `core.hooksPath` or a setting per
/// checkout, each one uses another directory.
pub(crate) fn elsewhere(repo: &Repo, target: &HookTarget) -> Result<Vec<HooksStatus>, HookError> {
    let mut found = Vec::new();
    for path in repo.worktrees()?.into_iter().filter(|path| path.is_dir()) {
        // The entry of a bare repository has no checkout.
        let Ok(other) = Repo::open(&path) else { continue };
        let is_here = files::canonical(&path).ok() == files::canonical(repo.root()).ok();
        if !is_here && other.hooks_dir()? != repo.hooks_dir()? {
            found.push(examine(&other, target)?);
        }
    }
    Ok(found)
}

fn row(repo: &Repo, dir: &Path, hook: Hook, target: &HookTarget) -> Result<HookRow, HookError> {
    let state = state(dir, hook, target)?;
    let is_others = matches!(state, State::HandsOver | State::Foreign);
    let fired = match state {
        State::HandsOver if hook == Hook::PrePush => Some(Fired::NotAsked),
        State::Foreign if hook == Hook::PrePush || !files::is_executable(&dir.join(hook.name())) => None,
        State::Installed { .. } | State::Outdated | State::HandsOver | State::Foreign => Some(proof(repo, hook)?),
        State::NotExecutable | State::OtherProject | State::Missing => None,
    };
    // A hook manager keeps its commands elsewhere: only the mark shows that it calls this program.
    Ok(match fired {
        Some(Fired::Yes | Fired::Ignored) if is_others => HookRow { hook, state: State::HandsOver, fired },
        // A hook that mentions us, exits with success and leaves no mark never calls us.
        Some(Fired::No { passed: true, .. }) if is_others => HookRow { hook, state: State::Foreign, fired: None },
        Some(_) if state == State::Foreign => HookRow { hook, state, fired: None },
        fired => HookRow { hook, state, fired },
    })
}

fn state(dir: &Path, hook: Hook, target: &HookTarget) -> Result<State, HookError> {
    let path = dir.join(hook.name());
    if dir.symlink_metadata().is_ok() && !dir.is_dir() {
        return Ok(State::Missing);
    }
    let Some(text) = hooks::read(&path)? else { return Ok(State::Missing) };
    let ours = hooks::parts(&text).map(|(_, ours, _)| ours);
    if ours.is_none() && !text.contains("vibeship-optimizer") {
        return Ok(State::Foreign);
    }
    if !files::is_executable(&path) {
        return Ok(State::NotExecutable);
    }
    Ok(match ours {
        None => State::HandsOver,
        Some(ours) if hooks::project_of(ours) != target.project.trim_end_matches('/') => State::OtherProject,
        Some(ours) if ours != hooks::block(hook, target) => State::Outdated,
        Some(_) => State::Installed { chained: files::is_executable(&hooks::kept(dir, hook)) },
    })
}

/// Asks git to run a hook. Earlier hooks that ours would run first are skipped.
fn proof(repo: &Repo, hook: Hook) -> Result<Fired, HookError> {
    let temporary = std::env::temp_dir();
    let dir = tempfile::tempdir().map_err(HookError::io("create a directory in", &temporary))?;
    let (mark, message) = (dir.path().join("mark"), dir.path().join("message"));
    fs::write(&message, "probe\n").map_err(HookError::io("write", &message))?;
    let call = repo.git().without_literal_paths().args(["hook", "run", hook.name(), "--"]).arg(&message);
    let output = call.env(hooks::PROBE, &mark).output()?;
    if fs::read_to_string(&mark).is_ok_and(|left| left.trim() == hook.name()) {
        // The probe makes our hook fail.
        let stops = hook == Hook::PrepareCommitMsg || output.code != Some(0);
        return Ok(if stops { Fired::Yes } else { Fired::Ignored });
    }
    if output.stderr.contains("'hook' is not a git command") {
        return Ok(Fired::CannotAsk);
    }
    Ok(Fired::No { said: output.stderr.trim().chars().take(400).collect(), passed: output.code == Some(0) })
}

/// Our hooks where git does not look: in its default directory while another is configured, in the same directory of
/// other checkouts, and under the names that other programs give to replaced hooks.
fn stray(repo: &Repo, place: &HooksDir) -> Result<Vec<PathBuf>, HookError> {
    let mut dirs = vec![repo.common_dir().join("hooks")];
    if let (true, Ok(below)) = (place.relative, place.dir.strip_prefix(repo.root())) {
        dirs.extend(repo.worktrees()?.into_iter().map(|path| path.join(below)));
    }
    let used = files::canonical(&place.dir).ok();
    dirs.retain(|dir| files::canonical(dir).ok().is_some_and(|dir| used.as_ref() != Some(&dir)));
    let is_ours = |path: &PathBuf| hooks::read(path).ok().flatten().is_some_and(|text| hooks::parts(&text).is_some());
    let mut found = Vec::new();
    for hook in Hook::ALL {
        found.extend(dirs.iter().map(|dir| dir.join(hook.name())).filter(is_ours));
        if is_ours(&place.dir.join(hook.name())) {
            continue;
        }
        // Somebody replaced ours: find the hook from before it, and ours under a new name.
        found.extend(Some(hooks::kept(&place.dir, hook)).filter(|kept| kept.symlink_metadata().is_ok()));
        let entries = fs::read_dir(&place.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let renamed = names.filter(|name| name.strip_prefix(hook.name()).is_some_and(|rest| rest.starts_with('.')));
        found.extend(renamed.map(|name| place.dir.join(name)).filter(is_ours));
    }
    found.sort();
    found.dedup();
    Ok(found)
}
