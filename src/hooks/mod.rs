//! Git hooks: small scripts that hand over to this program. Owns where they may be put, what they say and how they are
//! taken out again; edits only between its own markers.

pub(crate) mod install;
pub(crate) mod status;

pub(crate) use install::{Done, Place, Target};
pub(crate) use status::{Fired, Row, State, Status};

use std::path::{Path, PathBuf};

use crate::git::GitError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    PrepareCommitMsg,
    CommitMsg,
    PrePush,
}

impl Hook {
    /// Every hook, in the order in which git runs them.
    pub(crate) const ALL: [Self; 3] = [Self::PrepareCommitMsg, Self::CommitMsg, Self::PrePush];

    /// Its name, which is its file's too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::CommitMsg => "commit-msg",
            Self::PrePush => "pre-push",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error(
        "git looks for the hooks of this repository in {}, which is outside of it (core.hooksPath): installing there \
         would change every repository of this account; set a directory of its own with \
         `git config core.hooksPath .githooks`, or add the lines of examples/ to your hook manager", dir.display()
    )]
    Global { dir: PathBuf },
    #[error(
        "{} is written by husky, which would undo the installation; add this line to {}: \
         vibeship-optimizer hook-run commit-msg \"$1\"", dir.display(), file.display()
    )]
    Husky { dir: PathBuf, file: PathBuf },
    #[error("hooks are switched off: core.hooksPath is {}; take the setting out first", path.display())]
    SwitchedOff { path: PathBuf },
    #[error(
        "{} exists beside a hook that is not ours: another program replaced it after the installation; merge the two \
         by hand, then install again", kept.display()
    )]
    KeptInTheWay { kept: PathBuf },
    #[error("the hooks in {} serve the project at {found:?} already; a repository's hooks serve one project", dir.display())]
    OtherProject { dir: PathBuf, found: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Git(#[from] GitError),
}

impl HookError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
