//! Where this repository's hooks are, and whether they may be touched. Must not write.

use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::hooks::HookError;
use crate::os::files;

/// The hooks' directory of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub dir: PathBuf,
    /// Whether `core.hooksPath` names it by a relative path: then each checkout has its own, and one that lacks the
    /// directory runs no hook and says nothing.
    pub relative: bool,
}

/// Finds the directory, by git's own rules.
pub fn find(repo: &Repo) -> Result<Place, HookError> {
    let configured = repo.config("core.hooksPath")?;
    let relative = configured.is_some_and(|path| {
        !path.is_empty() && !path.starts_with('~') && !path.starts_with("%(prefix)") && Path::new(&path).is_relative()
    });
    Ok(Place { dir: repo.hooks_dir()?, relative })
}

impl Place {
    /// Whether the directory is this repository's own and nobody else's to write.
    pub fn may_be_written(&self, repo: &Repo) -> Result<(), HookError> {
        let dir = self.dir.clone();
        if dir.symlink_metadata().is_ok() && !dir.is_dir() {
            return Err(HookError::SwitchedOff { dir });
        }
        let real = real(&dir);
        let mut homes = vec![repo.root().to_owned(), repo.git_dir().to_owned(), repo.common_dir().to_owned()];
        homes.extend(repo.worktrees()?.into_iter().map(|listed| listed.path));
        if !homes.iter().any(|home| real.starts_with(self::real(home))) {
            return Err(HookError::Global { dir });
        }
        if dir.ends_with(".husky/_") {
            let file = dir.parent().unwrap_or(&dir).join("commit-msg");
            let line = "vibeship-optimizer hook-run commit-msg \"$1\"".to_owned();
            return Err(HookError::Managed { dir, file, line });
        }
        Ok(())
    }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = files::canonical(ancestor) {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return real.join(rest);
        }
    }
    path.to_owned()
}
