//! Installing hooks and removing them, where git looks for them. A hook that was there before is kept, run first and put
//! back at the end; what somebody wrote around our part of a file stays.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::hooks::{Hook, HookError, Target, shim};
use crate::os::files;

/// The hooks' directory of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub dir: PathBuf,
    /// Whether `core.hooksPath` names it by a relative path: then each checkout has its own, and one that lacks the
    /// directory silently runs no hook.
    pub relative: bool,
}

/// Finds the directory, by git's own rules.
pub(crate) fn place(repo: &Repo) -> Result<Place, HookError> {
    let relative = repo.config("core.hooksPath")?.is_some_and(|path| {
        !path.is_empty() && !path.starts_with('~') && !path.starts_with("%(prefix)") && Path::new(&path).is_relative()
    });
    Ok(Place { dir: repo.hooks_dir()?, relative })
}

impl Place {
    /// Whether the directory is this repository's own and nobody else's to write.
    pub(crate) fn may_be_written(&self, repo: &Repo) -> Result<(), HookError> {
        let dir = self.dir.clone();
        if dir.symlink_metadata().is_ok() && !dir.is_dir() {
            return Err(HookError::SwitchedOff { path: dir });
        }
        let mut homes = vec![repo.root().to_owned(), repo.git_dir().to_owned(), repo.common_dir().to_owned()];
        homes.extend(repo.worktrees()?.into_iter().map(|listed| listed.path));
        let resolved = without_links(&dir);
        if !homes.iter().any(|home| resolved.starts_with(without_links(home))) {
            return Err(HookError::Global { dir });
        }
        if dir.ends_with(".husky/_") {
            let file = dir.with_file_name("commit-msg");
            return Err(HookError::Husky { dir, file });
        }
        Ok(())
    }
}

/// The path without links, as far as it exists.
fn without_links(path: &Path) -> PathBuf {
    let resolved = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
        Some(files::canonical(ancestor).ok()?.join(rest))
    });
    resolved.unwrap_or_else(|| path.to_owned())
}

/// What was done to one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Installed,
    /// Installed; the hook that was there runs first.
    Chained,
    /// Our part was brought up to date.
    Updated,
    Unchanged,
    Removed,
    /// Removed; the hook from before is back.
    Restored,
    /// Our part is out; text that somebody added stays.
    RemovedOurPart,
}

/// Installs every hook; a second time changes nothing.
pub(crate) fn install(repo: &Repo, target: &Target) -> Result<Vec<(Hook, Done)>, HookError> {
    let place = place(repo)?;
    place.may_be_written(repo)?;
    fs::create_dir_all(&place.dir).map_err(HookError::io("create", &place.dir))?;
    for hook in Hook::ALL {
        let text = read(&place.dir.join(hook.name()))?.unwrap_or_default();
        let found = shim::parts(&text).map(|(_, ours, _)| shim::project_of(ours));
        if let Some(found) = found.filter(|found| found != target.project.trim_end_matches('/')) {
            return Err(HookError::OtherProject { dir: place.dir, found });
        }
    }
    Hook::ALL.into_iter().map(|hook| Ok((hook, install_one(&place.dir, hook, target)?))).collect()
}

fn install_one(dir: &Path, hook: Hook, target: &Target) -> Result<Done, HookError> {
    let path = dir.join(hook.name());
    let Some(text) = read(&path)? else {
        write(&path, &shim::file(hook, target))?;
        return Ok(Done::Installed);
    };
    if let Some((before, ours, after)) = shim::parts(&text) {
        let wanted = shim::block(hook, target);
        if ours == wanted && files::is_executable(&path) {
            return Ok(Done::Unchanged);
        }
        write(&path, &format!("{before}{wanted}{after}"))?;
        return Ok(Done::Updated);
    }
    let kept = kept(dir, hook);
    if kept.symlink_metadata().is_ok() {
        return Err(HookError::KeptInTheWay { kept });
    }
    fs::rename(&path, &kept).map_err(HookError::io("keep", &path))?;
    if let Err(error) = write(&path, &shim::file(hook, target)) {
        // Without ours, the old one goes back to its place.
        let _ = fs::rename(&kept, &path);
        return Err(error);
    }
    Ok(Done::Chained)
}

/// Removes every hook that is ours.
pub(crate) fn uninstall(repo: &Repo) -> Result<Vec<(Hook, Done)>, HookError> {
    let dir = place(repo)?.dir;
    Hook::ALL.into_iter().map(|hook| Ok((hook, uninstall_one(&dir, hook)?))).collect()
}

fn uninstall_one(dir: &Path, hook: Hook) -> Result<Done, HookError> {
    let path = dir.join(hook.name());
    let text = read(&path)?.unwrap_or_default();
    let Some((before, _, after)) = shim::parts(&text) else { return Ok(Done::Unchanged) };
    let rest = format!("{before}{after}");
    if !rest.lines().all(|line| line.trim().is_empty() || line.starts_with("#!")) {
        write(&path, &rest)?;
        return Ok(Done::RemovedOurPart);
    }
    fs::remove_file(&path).map_err(HookError::io("remove", &path))?;
    let kept = kept(dir, hook);
    if kept.symlink_metadata().is_err() {
        return Ok(Done::Removed);
    }
    fs::rename(&kept, &path).map_err(HookError::io("put back", &kept))?;
    Ok(Done::Restored)
}

/// Where a hook from before is kept.
pub(crate) fn kept(dir: &Path, hook: Hook) -> PathBuf {
    dir.join(format!("{}{}", hook.name(), shim::KEPT))
}

/// A hook's text; one that is not UTF-8 (a program) is not ours. `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, HookError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        // A link to nowhere is something, though nothing can be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.symlink_metadata().is_ok().then(String::new)),
        Err(error) => Err(HookError::io("read", path)(error)),
    }
}

/// Replaces a hook's file at once: a commit at the same moment runs the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), HookError> {
    let failed = |action| HookError::io(action, path);
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = files::temporary_in(dir, ".vibeship-optimizer-").map_err(failed("write"))?;
    temporary.write_all(text.as_bytes()).map_err(failed("write"))?;
    files::make_executable(temporary.path()).map_err(failed("make executable"))?;
    files::replace(temporary, path).map_err(failed("write"))
}
