//! The temporary directory that the checkouts are in, and its disappearance: on success, error, panic and the user's
//! wish, and of what an earlier session left when it was killed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::git::{GitError, Repo};
use crate::os::files;

/// How the directories are named, so that left-overs can be recognised.
const PREFIX: &str = "vibeship-pair-";
/// Names the repository that a directory belongs to, and is locked as long as its session runs.
const OWNER: &str = "owner";

/// A temporary directory with checkouts of a repository in it. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct ScratchDir {
    repo: Repo,
    base: PathBuf,
    held: Option<(TempDir, File)>,
    trees: Vec<PathBuf>,
}

impl ScratchDir {
    /// An empty one, outside the repository: a checkout inside would see the configuration files around it.
    pub(crate) fn new(repo: &Repo) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let base = files::canonical(dir.path())?;
        let owner = File::options().create_new(true).write(true).open(base.join(OWNER))?;
        // Locked before it says whose it is: a cleaner takes no directory whose owner it cannot read.
        owner.lock()?;
        (&owner).write_all(&files::path_bytes(repo.common_dir()))?;
        Ok(Self { repo: repo.clone(), base, held: Some((dir, owner)), trees: Vec::new() })
    }

    /// Its path, free of links.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Checks a commit out at `name` below the base.
    pub(crate) fn add_tree(&mut self, name: &Path, commit: &str) -> Result<PathBuf, GitError> {
        let tree = self.base.join(name);
        self.trees.push(tree.clone());
        self.repo.worktree_add(&tree, commit)?;
        Ok(tree)
    }

    /// Removes everything, and says so when something stays. Dropping does the same in silence.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.clear()
    }

    fn clear(&mut self) -> io::Result<()> {
        let Some((dir, owner)) = self.held.take() else { return Ok(()) };
        for tree in &self.trees {
            // What git cannot remove goes with the directory around it.
            let _ = self.repo.worktree_remove(tree);
        }
        // An open file cannot be removed on Windows.
        drop(owner);
        drop(dir);
        let _ = self.repo.worktree_prune();
        remove_all(&self.base)
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// Removes a directory, unreadable and read-only directories in it included (build tools make such); gone is fine.
fn remove_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            for entry in walkdir::WalkDir::new(dir).into_iter().flatten().filter(|entry| entry.file_type().is_dir()) {
                files::make_enterable(entry.path());
            }
            fs::remove_dir_all(dir)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes what killed sessions over this repository left: their checkouts, as git lists them, and their directories.
/// Those of running sessions are locked and stay. Returns how many were removed.
pub(crate) fn remove_leftovers(repo: &Repo) -> usize {
    let listed = repo.worktrees().unwrap_or_default().into_iter();
    let around = |tree: PathBuf| Some(tree.parent()?.parent()?.to_owned());
    let mut bases: Vec<PathBuf> = listed.filter_map(|listed| around(listed.path)).collect();
    let beside = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    bases.extend(beside.map(|entry| entry.path()));
    bases.retain(|base| base.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)));
    let mut bases: Vec<PathBuf> = bases.iter().filter_map(|base| files::canonical(base).ok()).collect();
    bases.sort();
    bases.dedup();
    let removed = bases.iter().filter(|base| abandoned(base, repo) && remove_all(base).is_ok()).count();
    if removed > 0 {
        // Their checkouts' directories are gone; git's notes of them go here.
        let _ = repo.worktree_prune();
    }
    removed
}

fn abandoned(base: &Path, repo: &Repo) -> bool {
    let Ok(owner) = File::open(base.join(OWNER)) else { return false };
    match owner.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return false,
    }
    // Read under the lock; on Windows a lock keeps others from reading.
    let named = fs::read(base.join(OWNER));
    named.is_ok_and(|named| named == files::path_bytes(repo.common_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    fn sandbox() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        sandbox
    }

    #[test]
    fn dropping_it_removes_the_checkouts_and_gits_notes_of_them() {
        let sandbox = sandbox();
        let repo = sandbox.repo();
        let mut scratch = ScratchDir::new(&repo).unwrap();
        let tree = scratch.add_tree(Path::new("a/tree"), "HEAD").unwrap();
        fs::write(tree.join("litter"), "x").unwrap();
        assert_eq!(repo.worktrees().unwrap().len(), 2);
        let base = scratch.base().to_owned();
        drop(scratch);
        assert!(!base.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn a_panic_removes_it_too() {
        let sandbox = sandbox();
        let repo = sandbox.repo();
        let mut base = PathBuf::new();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut scratch = ScratchDir::new(&repo).unwrap();
            scratch.add_tree(Path::new("a/tree"), "HEAD").unwrap();
            base = scratch.base().to_owned();
            panic!("on purpose");
        }));
        assert!(panicked.is_err() && !base.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn what_a_killed_session_left_is_removed_and_a_running_one_is_not() {
        let sandbox = sandbox();
        let repo = sandbox.repo();
        let mut dead = ScratchDir::new(&repo).unwrap();
        dead.add_tree(Path::new("a/tree"), "HEAD").unwrap();
        let mut running = ScratchDir::new(&repo).unwrap();
        let running_tree = running.add_tree(Path::new("a/tree"), "HEAD").unwrap();
        // As after SIGKILL: the lock is gone, everything else is still there.
        let (dir, lock) = dead.held.take().unwrap();
        drop(lock);
        let base = dir.keep();
        assert_eq!(remove_leftovers(&repo), 1);
        assert!(!base.exists() && running_tree.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 2);
    }

    #[test]
    fn another_repositorys_left_overs_stay() {
        let (one, other) = (sandbox(), sandbox());
        let mut dead = ScratchDir::new(&one.repo()).unwrap();
        dead.add_tree(Path::new("a/tree"), "HEAD").unwrap();
        let (dir, lock) = dead.held.take().unwrap();
        drop(lock);
        let base = dir.keep();
        assert_eq!(remove_leftovers(&other.repo()), 0);
        assert!(base.exists());
        assert_eq!(remove_leftovers(&one.repo()), 1);
    }

    #[cfg(unix)]
    #[test]
    fn read_only_directories_do_not_keep_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let locked = dir.path().join("x/locked");
        fs::create_dir_all(&locked).unwrap();
        fs::write(locked.join("file"), "x").unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        remove_all(&dir.path().join("x")).unwrap();
        assert!(!dir.path().join("x").exists());
        remove_all(&dir.path().join("x")).unwrap();
    }
}
