//! Putting hooks in and taking them out. A hook that was there before is kept, run first and put back at the end; what
//! somebody wrote around our part of a file stays. Must not decide where: that is `place`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::hooks::{Hook, HookError, Target, place, shim};
use crate::os::files;

/// What became of one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Installed,
    /// Put in; the hook that was there runs first.
    Chained,
    /// Our part was brought up to date.
    Updated,
    Unchanged,
    Removed,
    /// Taken out; the hook from before is back.
    Restored,
    /// Our part is out; text that somebody added stays.
    RemovedOurPart,
}

/// Puts every hook in, and again at will: a second time changes nothing.
pub fn install(repo: &Repo, target: &Target) -> Result<Vec<(Hook, Done)>, HookError> {
    let place = place::find(repo)?;
    place.may_be_written(repo)?;
    fs::create_dir_all(&place.dir).map_err(HookError::io("create", &place.dir))?;
    for hook in Hook::ALL {
        let text = read(&place.dir.join(hook.name()))?.unwrap_or_default();
        if let Some((_, ours, _)) = shim::parts(&text) {
            let found = shim::project_of(ours);
            if found != target.project.trim_end_matches('/') {
                return Err(HookError::OtherProject { dir: place.dir, found });
            }
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

/// Takes every hook out that is ours.
pub fn uninstall(repo: &Repo) -> Result<Vec<(Hook, Done)>, HookError> {
    let dir = place::find(repo)?.dir;
    Hook::ALL.into_iter().map(|hook| Ok((hook, uninstall_one(&dir, hook)?))).collect()
}

fn uninstall_one(dir: &Path, hook: Hook) -> Result<Done, HookError> {
    let path = dir.join(hook.name());
    let Some(text) = read(&path)? else { return Ok(Done::Unchanged) };
    let Some((before, _, after)) = shim::parts(&text) else { return Ok(Done::Unchanged) };
    let rest = format!("{before}{after}");
    let is_bare = rest.lines().all(|line| line.trim().is_empty() || line.starts_with("#!"));
    if !is_bare {
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

/// A hook's text; one that is no UTF-8 (a program) is not ours. `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, HookError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        // A link to nowhere is something, though nothing can be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_ok() => {
            Ok(Some(String::new()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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
