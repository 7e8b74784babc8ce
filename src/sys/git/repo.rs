//! Finding the repository that a directory lies in. Owns the difference between "none", "not trusted" and
//! "git could not say"; must not read what is in it.

use std::path::Path;
use std::path::PathBuf;

use crate::sys::files;
use crate::sys::git::error::GitError;
use crate::sys::git::run::Call;

/// A repository with a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    root: PathBuf,
    prefix: Vec<u8>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    shallow: bool,
}

impl Repo {
    /// Finds the checkout that `dir` lies in.
    ///
    /// # Errors
    /// [`GitError::NotARepository`] only when git says so and nothing looks like a damaged repository;
    /// [`GitError::DubiousOwnership`] with the fix; else what git failed with.
    pub fn open(dir: &Path) -> Result<Self, GitError> {
        let call = Call::new(dir).args(["rev-parse", "--is-inside-work-tree", "--is-shallow-repository"]);
        let shown = call.shown();
        let output = call.output()?;
        if output.code != Some(0) {
            return Err(explain(dir, &output.stderr).unwrap_or_else(|| output.failed(shown)));
        }
        let flags = String::from_utf8_lossy(&output.stdout);
        let mut flags = flags.lines();
        if flags.next() != Some("true") {
            return Err(GitError::NoWorkTree { dir: dir.to_owned() });
        }
        let shallow = flags.next() == Some("true");
        // One call each: a path may hold line ends.
        let ask = |what: &str| Call::new(dir).args(["rev-parse", what]).ok().map(without_line_end);
        let git_dir = files::path_from_bytes(&ask("--absolute-git-dir")?);
        let common = files::path_from_bytes(&ask("--git-common-dir")?);
        Ok(Self {
            root: native(&ask("--show-toplevel")?),
            prefix: ask("--show-prefix")?,
            common_dir: files::canonical(&dir.join(common)).unwrap_or_else(|_| git_dir.clone()),
            git_dir: files::canonical(&git_dir).unwrap_or(git_dir),
            shallow,
        })
    }

    /// The checkout's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory it was opened at, below the root, with `/` between and at the end; empty at the root.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// This checkout's git directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory shared by all checkouts of the repository.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Whether history was cut off when cloning, so that questions about it have no true answer.
    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// Whether this is a linked worktree.
    pub fn is_linked_worktree(&self) -> bool {
        self.git_dir != self.common_dir
    }

    /// Starts a call in the checkout's root.
    pub fn git(&self) -> Call {
        Call::new(&self.root)
    }
}

fn explain(dir: &Path, stderr: &str) -> Option<GitError> {
    if stderr.contains("dubious ownership") {
        let fix = stderr.lines().map(str::trim).find(|line| line.starts_with("git config "));
        let generic = format!("git config --global --add safe.directory {}", dir.display());
        return Some(GitError::DubiousOwnership { dir: dir.to_owned(), fix: fix.map_or(generic, str::to_owned) });
    }
    if stderr.contains("must be run in a work tree") {
        return Some(GitError::NoWorkTree { dir: dir.to_owned() });
    }
    // Git passes over a damaged `.git` in silence and says the same.
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let looks_damaged = full.ancestors().any(|d| d.join(".git").symlink_metadata().is_ok());
    let none = stderr.contains("not a git repository (or any");
    (none && !looks_damaged).then(|| GitError::NotARepository { dir: dir.to_owned() })
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// Git prints `C:/x` on Windows; the system's own separators there make paths comparable.
fn native(bytes: &[u8]) -> PathBuf {
    let path = files::path_from_bytes(bytes);
    if cfg!(windows) { path.components().collect() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::git::sandbox::Sandbox;

    #[test]
    fn no_repository_is_told_from_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Repo::open(dir.path()).unwrap_err().is_no_repository());
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let error = Repo::open(dir.path()).unwrap_err();
        assert!(matches!(error, GitError::Failed { .. }), "{error}");
    }

    #[test]
    fn a_bare_repository_has_no_work_tree() {
        let dir = tempfile::tempdir().unwrap();
        Call::new(dir.path()).args(["init", "-q", "--bare", "."]).ok().unwrap();
        assert!(matches!(Repo::open(dir.path()), Err(GitError::NoWorkTree { .. })));
    }

    #[test]
    fn a_subdirectory_knows_its_place_in_the_checkout() {
        let sandbox = Sandbox::new();
        sandbox.write("a b/c/x", "1");
        let repo = Repo::open(&sandbox.path().join("a b/c")).unwrap();
        assert_eq!(repo.prefix(), b"a b/c/");
        assert_eq!(repo.root(), files::canonical(sandbox.path()).unwrap());
        assert!(!repo.is_linked_worktree() && !repo.is_shallow());
    }

    #[test]
    fn dubious_ownership_is_an_error_with_the_fix() {
        let said = "fatal: detected dubious ownership in repository at '/x'\nTo add an exception for this directory, \
                    call:\n\n\tgit config --global --add safe.directory /x";
        match explain(Path::new("/x"), said) {
            Some(GitError::DubiousOwnership { fix, .. }) => {
                assert_eq!(fix, "git config --global --add safe.directory /x");
            }
            other => panic!("{other:?}"),
        }
    }
}
