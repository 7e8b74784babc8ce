//! The errors of git, as far as callers must tell them apart, and the version of git that is needed.

use std::path::PathBuf;
use std::{fmt, io};

use crate::git::Call;
use crate::model::fix::How;
use crate::model::{CommandLine, Fix};

#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("{} is not in a git repository", dir.display())]
    NotARepository { dir: PathBuf },
    #[error("{} is in a bare repository or inside .git; run in a checkout", dir.display())]
    NoWorkTree { dir: PathBuf },
    #[error("git is not installed or not on PATH; install git {NEEDED} or newer")]
    Missing,
    #[error("git {found} does not know `git {args}`; install git {NEEDED} or newer")]
    TooOld { found: Version, args: String },
    #[error("git does not trust {} because it belongs to another user; if you do, run: {fix}", dir.display())]
    DubiousOwnership { dir: PathBuf, fix: String },
    #[error("{spec:?} names no commit in this repository")]
    UnknownRevision { spec: String, shallow: bool },
    #[error("this clone is shallow and lacks commits before {at}, so that this cannot be told")]
    CutOff { at: String },
    #[error("`{spec}` is ambiguous: it may be {}; name one of them in full", meanings.join(" or "))]
    Ambiguous { spec: String, meanings: Vec<String> },
    #[error("git {args} failed ({status}): {stderr}{}", of_index(stderr))]
    Failed { args: String, status: String, stderr: String },
    #[error("git {args} did not end within {limit_s} s and was stopped")]
    TimedOut { args: String, limit_s: u64 },
    #[error("git {args} gave more than {limit} bytes")]
    TooMuch { args: String, limit: u64 },
    #[error("git {args} gave output that cannot be read: {what}")]
    Unreadable { args: String, what: String },
    /// Starting git failed, or reading a file that it named.
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
}

/// Git reports a damaged index but not the fix: rebuilding it from the last commit, which loses what was staged.
fn of_index(stderr: &str) -> &'static str {
    let damaged = ["index file", "bad signature", "bad index"].iter().any(|said| stderr.contains(said));
    if damaged { "; rebuild the damaged index: rm .git/index && git reset" } else { "" }
}

impl GitError {
    pub(crate) fn io(action: &str, args: &str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            return Self::Missing;
        }
        Self::Io { action: format!("{action} git {args}"), source }
    }

    /// An error with a file or directory that git named or needs.
    pub(crate) fn file(action: &str, path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { action: format!("{action} {}", path.display()), source }
    }
}

/// What helps where a filter that git needs for a checkout cannot run, by what git said.
pub(crate) fn missing_filter(said: &str) -> Vec<Fix> {
    let name = said.split_once(": smudge filter ").and_then(|(_, rest)| rest.split_whitespace().next());
    let Some(name) = name else { return Vec::new() };
    let what = format!("install the program that the filter {name} runs, since each side needs a clean checkout");
    let see = CommandLine::git("config --get-regexp").word(format!("^filter[.]{name}[.]"));
    vec![Fix::next("see which program", see), Fix::decide(How::Then, what)]
}

/// The major and minor version of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

/// The oldest supported git: the first with `git commit --trailer`, which printed steps use.
pub(crate) const NEEDED: Version = Version(2, 32);
/// The first git with `git hook run`; an older one cannot be asked whether the hooks run.
pub(crate) const HOOK_RUN: Version = Version(2, 36);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Version {
    pub(crate) fn installed() -> Result<Self, GitError> {
        let said = Call::new(&std::env::temp_dir()).without_literal_paths().arg("--version").line()?;
        let unreadable =
            || GitError::Unreadable { args: "--version".to_owned(), what: said.chars().take(80).collect() };
        Self::parse(&said).ok_or_else(unreadable)
    }

    /// Parses `git version 2.39.3 (Apple Git-146)` or `git version 2.47.1.windows.1`.
    fn parse(said: &str) -> Option<Self> {
        let mut parts = said.strip_prefix("git version ")?.split(['.', ' ', '-']);
        Some(Self(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_index_is_reported_with_the_fix() {
        let said = |stderr: &str| GitError::Failed {
            args: "diff".to_owned(),
            status: "exit status: 128".to_owned(),
            stderr: stderr.to_owned(),
        };
        assert!(said("fatal: index file corrupt").to_string().ends_with("rm .git/index && git reset"));
        assert!(said("fatal: bad revision").to_string().ends_with("bad revision"));
    }

    #[test]
    fn versions_are_read_as_every_build_of_git_says_them() {
        assert_eq!(Version::parse("git version 2.39.3 (Apple Git-146)"), Some(Version(2, 39)));
        assert_eq!(Version::parse("git version 2.47.1.windows.1"), Some(Version(2, 47)));
        assert_eq!(Version::parse("git version 2.31.0-rc2"), Some(Version(2, 31)));
        assert_eq!(Version::parse("hub version 2"), None);
        assert!(Version(2, 9) < NEEDED && NEEDED < HOOK_RUN && Version::installed().unwrap() >= NEEDED);
    }

    #[test]
    fn the_documents_name_the_same_versions() {
        let read = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            std::fs::read_to_string(path).unwrap()
        };
        assert!(read("README.md").contains(&format!("git {NEEDED} or newer")));
        assert!(read("docs/enforcement.md").contains(&format!("git {HOOK_RUN} or newer")));
    }
}
