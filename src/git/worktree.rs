//! Further checkouts of a repository: throwaway ones that disappear again, and the list of all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::git::{Call, GitError, Repo};
use crate::os::files;

/// Git writes its notes of a new checkout one right after the other; after this long none is being made.
const MAKING: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub path: PathBuf,
    /// Whether git thinks that its directory is gone.
    pub prunable: bool,
}

/// A throwaway checkout of one commit. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    owner: Repo,
    commit: String,
    path: PathBuf,
    dir: Option<tempfile::TempDir>,
}

impl Repo {
    /// Checks a commit out into a new directory; no hook runs.
    pub(crate) fn scratch(&self, commit: &str) -> Result<Scratch, GitError> {
        let source_error = |source| GitError::Io { action: "create a temporary directory".to_owned(), source };
        let dir = tempfile::Builder::new().prefix("vibeship-tree-").tempdir().map_err(source_error)?;
        let base = files::canonical(dir.path()).map_err(source_error)?;
        let path = base.join("tree");
        let commit = self.resolve(commit)?;
        let scratch = Scratch { owner: self.clone(), commit, path: path.clone(), dir: Some(dir) };
        self.worktree_add(&path, &scratch.commit)?;
        Ok(scratch)
    }

    /// A commit of a tree on a parent that says nothing of its own: who, when and what for are the same for every one. No
    /// branch holds it, so that git removes it in time.
    pub(crate) fn stand_in(&self, tree: &str, parent: &str) -> Result<String, GitError> {
        let call = self.git().args(["commit-tree", tree, "-p", parent, "-m", "A side of a paired measurement"]);
        let named = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let call = named.into_iter().fold(call, |call, key| call.env(key, "vibeship-optimizer"));
        ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"]
            .into_iter()
            .fold(call, |call, key| call.env(key, "946684800 +0000"))
            .line()
    }

    /// Checks a commit out at `path`, which must not exist; no hook runs.
    pub(crate) fn worktree_add(&self, path: &Path, commit: &str) -> Result<(), GitError> {
        let commit = self.resolve(commit)?;
        self.despite_half_made(&|| {
            let call = self.git().without_hooks().args(["worktree", "add", "--quiet", "--detach"]).arg(path);
            call.arg(&commit).long().ok().map(|_| ())
        })
    }

    /// A `git worktree add` that was killed leaves a note that makes every later call fail: where there is one, it is
    /// removed and the call made again.
    fn despite_half_made<T>(&self, call: &dyn Fn() -> Result<T, GitError>) -> Result<T, GitError> {
        let outcome = call();
        if !matches!(outcome, Err(GitError::Failed { .. })) {
            return outcome;
        }
        let notes = fs::read_dir(self.common_dir().join("worktrees")).into_iter().flatten().flatten();
        let half_made = notes.map(|note| note.path()).filter(|note| is_half_made(note));
        let removed = half_made.filter(|note| fs::remove_dir_all(note).is_ok()).count();
        if removed > 0 { call() } else { outcome }
    }

    /// Removes a checkout with all that is in it, also when git has lost sight of it.
    pub(crate) fn worktree_remove(&self, path: &Path) -> Result<(), GitError> {
        let call = self.git().without_hooks().args(["worktree", "remove", "--force", "--force"]).arg(path);
        if call.long().ok().is_ok() {
            return Ok(());
        }
        if path.exists() {
            fs::remove_dir_all(path).map_err(|source| GitError::file("remove", path, source))?;
        }
        self.worktree_prune()
    }

    pub(crate) fn worktree_prune(&self) -> Result<(), GitError> {
        self.git().args(["worktree", "prune", "--expire=now"]).ok().map(|_| ())
    }

    /// All checkouts of the repository, the main one first.
    pub(crate) fn worktrees(&self) -> Result<Vec<Listed>, GitError> {
        let list = || self.git().args(["worktree", "list", "--porcelain"]);
        match list().arg("-z").ok() {
            Ok(output) => Ok(parse(&output, 0)),
            // Git knows -z since 2.36. Before, a path with a line end looks like two lines.
            Err(GitError::Failed { .. } | GitError::TooOld { .. }) => {
                Ok(parse(&self.despite_half_made(&|| list().ok())?, b'\n'))
            }
            Err(error) => Err(error),
        }
    }
}

fn is_half_made(note: &Path) -> bool {
    let read = |name: &str| fs::read_to_string(note.join(name)).unwrap_or_default().trim().to_owned();
    let checkout = PathBuf::from(read("gitdir"));
    let age = fs::metadata(note).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    let is_dead = !checkout.as_os_str().is_empty() && !checkout.exists() || age.is_some_and(|age| age > MAKING);
    is_dead && read("locked") == "initializing" && read("commondir").is_empty()
}

fn parse(output: &[u8], end: u8) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for line in output.split(|byte| *byte == end) {
        if let Some(path) = line.strip_prefix(b"worktree ") {
            listed.push(Listed { path: files::path_from_bytes(path), prunable: false });
        } else if let Some(last) = listed.last_mut() {
            last.prunable |= line.starts_with(b"prunable");
        }
    }
    listed
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }

    pub(crate) fn git(&self) -> Call {
        Call::new(&self.path).without_hooks()
    }

    /// Removes it, and says so when that fails (dropping is silent).
    pub(crate) fn remove(mut self) -> Result<(), GitError> {
        let result = self.owner.worktree_remove(&self.path);
        self.dir = None;
        result
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.dir.take().is_some() {
            let _ = self.owner.worktree_remove(&self.path);
            // The directory around it went with the handle; git's note of it must go after that.
            let _ = self.owner.worktree_prune();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn a_scratch_checkout_has_the_commit_and_leaves_nothing() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        sandbox.commit("a", "2", "two");
        sandbox.write(".git/hooks/post-checkout", "#!/bin/sh\ntouch ran\n");
        let repo = sandbox.repo();
        let scratch = repo.scratch(&one).unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "1");
        assert!(!path.join("ran").exists());
        let linked = Repo::open(&path).unwrap();
        assert!(linked.git_dir() != linked.common_dir());
        assert_eq!(repo.worktrees().unwrap().len(), 2);
        std::fs::write(path.join("litter"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
        let scratch = repo.scratch("HEAD").unwrap();
        let path = scratch.path().to_owned();
        scratch.remove().unwrap();
        assert!(!path.exists() && repo.worktrees().unwrap().len() == 1);
    }

    #[test]
    fn a_half_made_checkout_of_a_killed_git_is_in_nobodys_way() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let half_make = || {
            for (name, text) in [("commondir", ""), ("gitdir", "/nowhere/tree/.git\n"), ("locked", "initializing")] {
                sandbox.write(&format!(".git/worktrees/tree/{name}"), text);
            }
        };
        let repo = sandbox.repo();
        half_make();
        assert_eq!(repo.worktrees().unwrap().len(), 1);
        half_make();
        repo.scratch("HEAD").unwrap().remove().unwrap();
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn both_forms_of_the_list_say_the_same() {
        let lines = b"worktree /a b\nHEAD 12\nbranch refs/heads/main\n\nworktree /c\nHEAD 34\ndetached\nprunable x\n\n";
        let nul: Vec<u8> = lines.iter().map(|byte| if *byte == b'\n' { 0 } else { *byte }).collect();
        let listed = parse(lines, b'\n');
        assert_eq!(listed, parse(&nul, 0));
        assert_eq!((listed.len(), listed[0].path.as_path(), listed[1].prunable), (2, Path::new("/a b"), true));
        assert_eq!(listed[1].path, Path::new("/c"));
    }

    #[test]
    fn an_unknown_commit_leaves_nothing() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        assert!(sandbox.repo().scratch("nothing").is_err());
        assert_eq!(sandbox.repo().worktrees().unwrap().len(), 1);
    }
}
