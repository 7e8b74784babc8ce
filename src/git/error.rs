//! How git can fail, told apart as far as the caller must act differently. Must not retry.

use std::path::PathBuf;

use crate::git::Version;
use crate::git::version::NEEDED;

/// A failure of git.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("{} is not in a git repository", dir.display())]
    NotARepository { dir: PathBuf },
    /// There is a repository, but no checkout to work in.
    #[error("{} is in a bare repository or inside .git; run in a checkout", dir.display())]
    NoWorkTree { dir: PathBuf },
    #[error("git is not installed or not on PATH; install git {NEEDED} or newer")]
    Missing,
    /// Git does not know what was asked of it.
    #[error("git {found} does not know `git {args}`; install git {NEEDED} or newer")]
    TooOld { found: Version, args: String },
    /// Git refuses a repository that belongs to another user.
    #[error("git does not trust {} because it belongs to another user; if you do, run: {fix}", dir.display())]
    DubiousOwnership {
        dir: PathBuf,
        /// The command that makes git trust it.
        fix: String,
    },
    #[error("{spec:?} names no commit in this repository")]
    UnknownRevision { spec: String },
    #[error("git {args} failed ({status}): {stderr}")]
    Failed { args: String, status: String, stderr: String },
    /// Git took too long and was ended.
    #[error("git {args} did not end within {limit_s} s and was stopped")]
    TimedOut { args: String, limit_s: u64 },
    /// Git gave more than anyone should hold in memory.
    #[error("git {args} gave more than {limit} bytes")]
    TooMuch { args: String, limit: u64 },
    /// Git's output was not what its documentation promises.
    #[error("git {args} gave output that cannot be read: {what}")]
    Unreadable { args: String, what: String },
    /// Something around git failed: starting it, or reading a file that it named.
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
}

impl GitError {
    /// Whether this says that there is no repository, rather than that git could not say.
    pub fn is_no_repository(&self) -> bool {
        matches!(self, Self::NotARepository { .. })
    }
}
