//! What state each hook is in. Must not change anything.

use std::path::Path;

use crate::git::Repo;
use crate::hooks::{Hook, HookError, Manager, Place, Target, install, place, shim};
use crate::os::files;

/// The state of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Installed {
        /// Whether a hook from before runs first.
        chained: bool,
    },
    /// In place, but made for another program or version.
    Outdated,
    /// In place, but git does not run it: it is not executable.
    NotExecutable,
    /// Another program's hook is there, which hands over to this program.
    HandsOver,
    Foreign,
    Missing,
}

/// The state of every hook, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub place: Place,
    /// Why nothing may be installed there; `None` when it may.
    pub refused: Option<String>,
    pub hooks: Vec<(Hook, State)>,
}

impl Status {
    /// Whether every hook is in place.
    pub fn complete(&self) -> bool {
        self.hooks.iter().all(|(_, state)| matches!(state, State::Installed { .. } | State::HandsOver))
    }
}

/// Looks at every hook.
pub fn look(repo: &Repo, target: &Target) -> Result<Status, HookError> {
    let place = place::find(repo)?;
    let refused = match place.may_be_written(repo) {
        Ok(()) => None,
        Err(HookError::Git(error)) => return Err(HookError::Git(error)),
        Err(error) => Some(error.to_string()),
    };
    let hooks = Hook::ALL.into_iter().map(|hook| Ok((hook, one(&place.dir, repo.root(), hook, target)?)));
    let hooks = hooks.collect::<Result<_, HookError>>()?;
    Ok(Status { place, refused, hooks })
}

fn one(dir: &Path, root: &Path, hook: Hook, target: &Target) -> Result<State, HookError> {
    let path = dir.join(hook.name());
    if dir.symlink_metadata().is_ok() && !dir.is_dir() {
        return Ok(State::Missing);
    }
    let Some(text) = install::read(&path)? else { return Ok(State::Missing) };
    let Some((_, ours, _)) = shim::parts(&text) else {
        let named = text.contains("vibeship-optimizer");
        let managed = || Manager::of_file(dir, &text).is_some_and(|manager| manager.names_us(root, hook).is_some());
        let hands_over = named || managed();
        let runs = files::is_executable(&path);
        return Ok(match hands_over {
            true if runs => State::HandsOver,
            true => State::NotExecutable,
            false => State::Foreign,
        });
    };
    if !files::is_executable(&path) {
        return Ok(State::NotExecutable);
    }
    if ours != shim::block(hook, target) {
        return Ok(State::Outdated);
    }
    Ok(State::Installed { chained: files::is_executable(&install::kept(dir, hook)) })
}
