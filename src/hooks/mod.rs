//! Git hooks: small scripts that hand over to this program. Owns where they may be put, what they say and how they are
//! taken out again; edits only between its own markers. Must not know what the hooks decide.

pub mod foreign;
pub mod health;
pub mod install;
pub mod place;
pub mod proof;
pub mod shim;
pub mod status;

pub use foreign::Manager;
pub use health::{Health, Row};
pub use install::Done;
pub use place::Place;
pub use proof::Fired;
pub use shim::Target;
pub use status::State;

use std::path::PathBuf;

use crate::git::GitError;

/// A hook that is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    PrepareCommitMsg,
    CommitMsg,
    /// Checks what is about to be pushed.
    PrePush,
}

impl Hook {
    /// Every hook, in the order in which git runs them.
    pub const ALL: [Self; 3] = [Self::PrepareCommitMsg, Self::CommitMsg, Self::PrePush];

    /// Its name, which is its file's too.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::CommitMsg => "commit-msg",
            Self::PrePush => "pre-push",
        }
    }

    /// The hook of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }
}

/// Why hooks cannot be put in or taken out.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The directory belongs to more than this repository.
    #[error(
        "hooks of this repository are looked for in {}, which lies outside of it (core.hooksPath): installing there \
         would change every repository of this account; set a directory of its own with \
         `git config core.hooksPath .githooks`, or add the lines of examples/ to your hook manager", dir.display()
    )]
    Global { dir: PathBuf },
    /// A hook manager writes the directory anew at each of its installs.
    #[error(
        "{} is written by husky, which would undo the installation; add this line to {}: {line}",
        dir.display(), file.display()
    )]
    Managed { dir: PathBuf, file: PathBuf, line: String },
    #[error("hooks are switched off: core.hooksPath is {}; take the setting out first", dir.display())]
    SwitchedOff {
        /// What stands in the place of a directory.
        dir: PathBuf,
    },
    /// A hook and the one kept from before both exist, so that neither may be replaced.
    #[error(
        "{} exists beside a hook that is not ours: another program replaced it after the installation; merge the two \
         by hand, then install again", kept.display()
    )]
    KeptInTheWay { kept: PathBuf },
    /// The hooks here serve another project of the same repository.
    #[error("the hooks in {} serve the project at {found:?} already; a repository's hooks serve one project", dir.display())]
    OtherProject { dir: PathBuf, found: String },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Git(#[from] GitError),
}

impl HookError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
