//! Runs git as a program, never through a shell. A missing or failing git is an error, so no caller can mistake it for
//! "clean" or "no repository". [`Repo`] is the entry point. Here: the errors, as far as callers must tell them apart, and the
//! version of git that is needed.

pub(crate) mod call;
mod diff;
mod filters;
mod head;
mod index;
mod log;
mod objects;
mod place;
mod remake;
mod repo;
mod revert;
mod status;
mod worktree;

pub(crate) use crate::model::{Commit, FileChange, Operation, Remade, Remake};
pub(crate) use call::Call;
pub(crate) use diff::{DiffTarget, LineCount, Scope};
pub(crate) use filters::{TrackedSizes, is_below, missing_filter};
pub(crate) use log::{Begun, LogWalk};
pub(crate) use objects::TreeEntry;
pub(crate) use repo::{Repo, is_full_id};
pub(crate) use revert::Reverted;
pub(crate) use worktree::{Scratch, ScratchDir, remove_leftovers};

#[cfg(test)]
pub(crate) use sandbox::Sandbox;

use std::path::PathBuf;
use std::{fmt, io};

pub(crate) type Result<T, E = GitError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("{} is not in a git repository", dir.display())]
    NotARepository { dir: PathBuf },
    #[error("{} is in a bare repository or inside .git; run in a checkout", dir.display())]
    NoWorkTree { dir: PathBuf },
    #[error("git is not installed or not on PATH; install git {NEEDED} or newer")]
    Missing,
    #[error("git {found} does not know `git {args}`; install git {NEEDED} or newer")]
    TooOld { found: GitVersion, args: String },
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

    pub(crate) fn no_directory(source: io::Error) -> Self {
        Self::Io { action: "create a temporary directory".to_owned(), source }
    }

    /// An error with a file or directory that git named or needs.
    pub(crate) fn file(action: &str, path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { action: format!("{action} {}", path.display()), source }
    }
}

/// The major and minor version of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GitVersion(u32, u32);

/// The oldest supported git: the first with `git commit --trailer`, which printed steps use.
pub(crate) const NEEDED: GitVersion = GitVersion(2, 32);
/// The first git with `git hook run`; an older one cannot be asked whether the hooks run.
pub(crate) const HOOK_RUN: GitVersion = GitVersion(2, 36);

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl GitVersion {
    pub(crate) fn installed() -> Result<Self> {
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
        assert_eq!(GitVersion::parse("git version 2.39.3 (Apple Git-146)"), Some(GitVersion(2, 39)));
        assert_eq!(GitVersion::parse("git version 2.47.1.windows.1"), Some(GitVersion(2, 47)));
        assert_eq!(GitVersion::parse("git version 2.31.0-rc2"), Some(GitVersion(2, 31)));
        assert_eq!(GitVersion::parse("hub version 2"), None);
        assert!(GitVersion(2, 9) < NEEDED && NEEDED < HOOK_RUN && GitVersion::installed().unwrap() >= NEEDED);
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

#[cfg(test)]
mod sandbox {
    //! Throwaway repositories for tests, isolated from user and system configuration.

    use std::path::Path;
    use std::process::Command;

    use crate::git::Repo;

    pub(crate) struct Sandbox {
        dir: tempfile::TempDir,
    }

    impl Sandbox {
        pub(crate) fn new() -> Self {
            Self::with_format("sha1")
        }

        pub(crate) fn with_format(format: &str) -> Self {
            let sandbox = Self { dir: tempfile::tempdir().unwrap() };
            sandbox.git(&["init", "-q", "-b", "main", "--template=", &format!("--object-format={format}"), "."]);
            // The code under test reads the repository's own configuration, which takes precedence.
            let settings = "[user]\n\tname = Tester\n\temail = tester@example.org\n[commit]\n\tgpgSign = false\n\
                            [core]\n\tautocrlf = false\n\tfsync = none\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
            let path = sandbox.path().join(".git/config");
            let config = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{config}{settings}")).unwrap();
            sandbox
        }

        /// Settings that break tools which parse git's human-readable output.
        pub(crate) fn hostile(self) -> Self {
            for (key, value) in [
                ("color.ui", "always"),
                ("color.diff", "always"),
                ("core.pager", "false"),
                ("core.quotepath", "true"),
                ("core.fsmonitor", "/nonexistent/fsmonitor"),
                ("diff.external", "/nonexistent/diff"),
                ("diff.noprefix", "true"),
                ("diff.mnemonicPrefix", "true"),
                ("diff.renames", "copies"),
                ("diff.orderFile", "/nonexistent/order"),
                ("diff.submodule", "log"),
                ("diff.wordRegex", "."),
                ("diff.ignoreSubmodules", "all"),
                ("diff.relative", "true"),
                ("log.showSignature", "true"),
                ("log.showRoot", "false"),
                ("log.decorate", "full"),
                ("log.diffMerges", "on"),
                ("log.follow", "true"),
                ("log.mailmap", "true"),
                ("log.date", "relative"),
                ("status.showUntrackedFiles", "no"),
                ("status.short", "true"),
                ("status.branch", "true"),
                ("status.relativePaths", "true"),
                ("status.renames", "copies"),
                ("format.pretty", "oneline"),
                ("i18n.logOutputEncoding", "ISO-8859-1"),
                ("trailer.separators", "=#"),
                ("alias.log", "!false"),
                ("core.commentChar", "O"),
            ] {
                self.git(&["config", key, value]);
            }
            self
        }

        pub(crate) fn path(&self) -> &Path {
            self.dir.path()
        }

        pub(crate) fn repo(&self) -> Repo {
            Repo::open(self.path()).unwrap()
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Writes one file and commits everything. Returns the commit.
        pub(crate) fn commit(&self, path: &str, text: &str, message: &str) -> String {
            self.write(path, text);
            self.commit_all(message)
        }

        pub(crate) fn commit_all(&self, message: &str) -> String {
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
            self.git(&["rev-parse", "HEAD"])
        }

        pub(crate) fn git(&self, args: &[&str]) -> String {
            let mut command = Command::new("git");
            for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("GIT_")) {
                command.env_remove(key);
            }
            let output = command
                .current_dir(self.path())
                .args([
                    "-c",
                    "color.ui=false",
                    "-c",
                    "core.fsmonitor=false",
                    "-c",
                    "diff.orderFile=/dev/null",
                    "-c",
                    "protocol.file.allow=always",
                ])
                .args(args)
                .env("HOME", self.path().join(".no-home"))
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", self.path().join(".no-config"))
                .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
                .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
        }
    }
}
