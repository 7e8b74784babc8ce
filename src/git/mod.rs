//! Runs git as a program, never through a shell. A missing or failing git is an error, so no caller can mistake it for
//! "clean" or "no repository". [`Repo`] is the entry point.

pub(crate) mod call;
mod conflict;
mod diff;
mod error;
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
pub(crate) use diff::{LineCount, Scope, Side};
pub(crate) use error::{GitError, Version};
pub(crate) use error::{HOOK_RUN, NEEDED};
pub(crate) use filters::{Held, is_below};
pub(crate) use log::Walk;
pub(crate) use objects::TreeEntry;
pub(crate) use repo::Repo;
pub(crate) use revert::Reverted;
pub(crate) use worktree::{Scratch, ScratchDir, remove_leftovers};

#[cfg(test)]
pub(crate) use sandbox::Sandbox;

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
