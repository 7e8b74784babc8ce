//! Finding the repository that a directory lies in. Owns the difference between "none", "not trusted" and
//! "git could not say"; must not read what is in it.

use std::path::{Path, PathBuf};

use crate::git::{Call, GitError, Memo};
use crate::os::files;

/// A repository with a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    root: PathBuf,
    prefix: Vec<u8>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    shallow: bool,
    memo: Memo,
}

/// What is asked when a repository is opened, in this order.
const ASKED: [&str; 6] = [
    "--is-inside-work-tree",
    "--is-shallow-repository",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-toplevel",
    "--show-prefix",
];

impl Repo {
    /// Finds the checkout that `dir` lies in.
    pub fn open(dir: &Path) -> Result<Self, GitError> {
        let call = Call::new(dir).arg("rev-parse").args(ASKED);
        let shown = call.shown();
        let output = call.output()?;
        if output.code != Some(0) {
            return Err(explain(dir, &output.stderr).unwrap_or_else(|| output.failed(shown)));
        }
        let [inside, shallow, git_dir, common, root, prefix] = match lines(&output.stdout) {
            Some(answers) => answers,
            None => one_by_one(dir)?,
        };
        if inside != b"true" {
            return Err(GitError::NoWorkTree { dir: dir.to_owned() });
        }
        let (git_dir, common) = (files::path_from_bytes(&git_dir), files::path_from_bytes(&common));
        Ok(Self {
            root: native(&root),
            prefix,
            common_dir: files::canonical(&dir.join(common)).unwrap_or_else(|_| git_dir.clone()),
            git_dir: files::canonical(&git_dir).unwrap_or(git_dir),
            shallow: shallow == b"true",
            memo: Memo::default(),
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

    /// What cannot change of what git has said already.
    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
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

/// One answer a line; `None` when a path holds line ends itself.
fn lines(output: &[u8]) -> Option<[Vec<u8>; ASKED.len()]> {
    let answers: Vec<Vec<u8>> = output.strip_suffix(b"\n")?.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    answers.try_into().ok()
}

fn one_by_one(dir: &Path) -> Result<[Vec<u8>; ASKED.len()], GitError> {
    let mut answers = [const { Vec::new() }; ASKED.len()];
    for (answer, what) in answers.iter_mut().zip(ASKED) {
        *answer = Call::new(dir).args(["rev-parse", what]).ok().map(without_line_end)?;
    }
    Ok(answers)
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
    use crate::git::Sandbox;

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
    fn a_path_with_line_ends_is_told_from_several_answers() {
        if cfg!(windows) {
            return;
        }
        let sandbox = Sandbox::new();
        sandbox.write("a\nb\n/x", "1");
        let repo = Repo::open(&sandbox.path().join("a\nb\n")).unwrap();
        assert_eq!(repo.prefix(), b"a\nb\n/");
        assert_eq!(repo.root(), files::canonical(sandbox.path()).unwrap());
    }

    #[test]
    fn the_git_directory_itself_is_no_work_tree() {
        let sandbox = Sandbox::new();
        assert!(matches!(Repo::open(&sandbox.path().join(".git")), Err(GitError::NoWorkTree { .. })));
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
