//! Additional checkouts of a repository: throwaway ones, which are removed on success, error, panic and interrupt, and
//! by the next session if one was killed; and the list of all checkouts.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::git::{Call, GitError, Repo, Result};
use crate::os::files;

/// Git creates the metadata of a new checkout at once; after this long, none is still being created.
const MAKING: Duration = Duration::from_secs(10);
/// The name prefix of throwaway directories, by which leftovers are recognised.
const PREFIX: &str = "vibeship-tree-";
/// A file that names the repository of the directory and is locked while its session runs.
const OWNER: &str = "owner";

/// A temporary directory with checkouts of a repository. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct ScratchDir {
    repo: Repo,
    base: PathBuf,
    temporary: Option<(TempDir, File)>,
    trees: Vec<PathBuf>,
}

impl ScratchDir {
    /// Creates an empty one outside the repository: inside, it would see the configuration files around it.
    pub(crate) fn new(repo: &Repo) -> Result<Self> {
        let made = || {
            let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
            let base = files::canonical(dir.path())?;
            let owner = File::options().create_new(true).write(true).open(base.join(OWNER))?;
            // Locked before it names its owner: cleanup skips directories whose owner it cannot read.
            owner.lock()?;
            (&owner).write_all(&files::path_bytes(repo.common_dir()))?;
            Ok(Self { repo: repo.clone(), base, temporary: Some((dir, owner)), trees: Vec::new() })
        };
        made()
            .map_err(|source| GitError::Io { action: "create a temporary directory for a checkout".to_owned(), source })
    }

    /// Its canonical path.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Checks a commit out at `name` below the base.
    pub(crate) fn add_tree(&mut self, name: &Path, commit: &str) -> Result<PathBuf> {
        let tree = self.base.join(name);
        self.trees.push(tree.clone());
        self.repo.worktree_add(&tree, commit)?;
        Ok(tree)
    }

    /// Removes everything; an error if something remains. Dropping does the same silently.
    pub(crate) fn remove(mut self) -> Result<()> {
        self.clear().map_err(|source| GitError::file("remove", &self.base, source))
    }

    fn clear(&mut self) -> io::Result<()> {
        let Some((dir, owner)) = self.temporary.take() else { return Ok(()) };
        let kept = self.trees.iter().filter(|tree| self.repo.worktree_remove(tree).is_err()).count();
        // An open file cannot be removed on Windows.
        drop(owner);
        drop(dir);
        if kept > 0 {
            // Git's metadata of checkouts that it could not remove; their directory is gone.
            let _ = self.repo.worktree_prune();
        }
        remove_all(&self.base)
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// Removes a directory, including unreadable and read-only directories in it, if it exists.
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

/// Removes the checkouts and directories that killed sessions on this repository left behind. Those of running sessions
/// are locked and stay. Returns how many were removed.
pub(crate) fn remove_leftovers(repo: &Repo) -> usize {
    let is_one = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    let listed = repo.worktrees().unwrap_or_default();
    let around = listed.iter().filter_map(|tree| tree.ancestors().find(|above| is_one(above)).map(Path::to_owned));
    let temporary = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    let bases = around.chain(temporary.filter(|path| is_one(path)));
    let bases: BTreeSet<PathBuf> = bases.filter_map(|base| files::canonical(&base).ok()).collect();
    let removed = bases.iter().filter(|base| abandoned(base, repo) && remove_all(base).is_ok()).count();
    if removed > 0 {
        // Their directories are gone; this removes git's metadata of them.
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

/// A throwaway checkout of one commit. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: ScratchDir,
    pub(crate) commit: String,
    pub(crate) path: PathBuf,
}

impl Scratch {
    /// Commits what is staged, without hooks, and returns the new commit, which is checked out then.
    pub(crate) fn commit_staged(&mut self, message: String) -> Result<String> {
        let args = ["commit", "--quiet", "--no-verify", "--cleanup=verbatim", "--file=-"];
        self.git().args(args).input(message.into_bytes()).long().ok()?;
        self.commit = self.git().args(["rev-parse", "HEAD"]).line()?;
        Ok(self.commit.clone())
    }

    pub(crate) fn git(&self) -> Call {
        Call::new(&self.path).without_hooks()
    }

    /// Removes the checkout; unlike dropping, returns an error if that fails.
    pub(crate) fn remove(self) -> Result<()> {
        self.dir.remove()
    }
}

impl Repo {
    /// Checks a commit out into a new directory without running hooks.
    pub(crate) fn scratch(&self, commit: &str) -> Result<Scratch> {
        let commit = self.resolve(commit)?;
        let mut dir = ScratchDir::new(self)?;
        let path = dir.add_tree(Path::new("tree"), &commit)?;
        Ok(Scratch { dir, commit, path })
    }

    /// Creates a commit of a tree on a parent with a fixed author, date and message, so that it reveals nothing. No
    /// branch refers to it; git removes it in time.
    pub(crate) fn stand_in(&self, tree: &str, parent: &str) -> Result<String> {
        let call = self.git().args(["commit-tree", tree, "-p", parent, "-m", "A side of a paired measurement"]);
        let named = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let call = named.into_iter().fold(call, |call, key| call.env(key, "vibeship-optimizer"));
        ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"]
            .into_iter()
            .fold(call, |call, key| call.env(key, "946684800 +0000"))
            .line()
    }

    /// Checks a commit out at `path`, which must not exist, without running hooks.
    pub(crate) fn worktree_add(&self, path: &Path, commit: &str) -> Result<()> {
        let commit = self.resolve(commit)?;
        self.despite_half_made(&|| {
            let call = self.git().without_hooks().args(["worktree", "add", "--quiet", "--detach"]).arg(path);
            call.arg(&commit).long().ok().map(|_| ())
        })
    }

    /// A killed `git worktree add` leaves metadata that makes every later call fail. If there is any, removes it and
    /// repeats the call.
    fn despite_half_made<T>(&self, call: &dyn Fn() -> Result<T>) -> Result<T> {
        let outcome = call();
        if !matches!(outcome, Err(GitError::Failed { .. })) {
            return outcome;
        }
        let notes = fs::read_dir(self.common_dir().join("worktrees")).into_iter().flatten().flatten();
        let half_made = notes.map(|note| note.path()).filter(|note| is_half_made(note));
        let removed = half_made.filter(|note| fs::remove_dir_all(note).is_ok()).count();
        if removed > 0 { call() } else { outcome }
    }

    /// Removes a checkout with all its files, even if git no longer knows it.
    pub(crate) fn worktree_remove(&self, path: &Path) -> Result<()> {
        let call = self.git().without_hooks().args(["worktree", "remove", "--force", "--force"]).arg(path);
        if call.long().ok().is_ok() {
            return Ok(());
        }
        if path.exists() {
            fs::remove_dir_all(path).map_err(|source| GitError::file("remove", path, source))?;
        }
        self.worktree_prune()
    }

    pub(crate) fn worktree_prune(&self) -> Result<()> {
        self.git().args(["worktree", "prune", "--expire=now"]).ok().map(|_| ())
    }

    /// All checkouts of the repository, the main one first.
    pub(crate) fn worktrees(&self) -> Result<Vec<PathBuf>> {
        let list = || self.git().args(["worktree", "list", "--porcelain"]);
        match list().arg("-z").ok() {
            Ok(output) => Ok(parse(&output, 0)),
            // Git has `-z` since 2.36. Before, a path with a line end looks like two lines.
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

fn parse(output: &[u8], end: u8) -> Vec<PathBuf> {
    let paths = output.split(|byte| *byte == end).filter_map(|line| line.strip_prefix(b"worktree "));
    paths.map(files::path_from_bytes).collect()
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
        let path = scratch.path.clone();
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
        let path = scratch.path.clone();
        scratch.remove().unwrap();
        assert!(!path.exists() && repo.worktrees().unwrap().len() == 1);
    }

    #[test]
    fn a_half_made_checkout_of_a_killed_git_blocks_nothing() {
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
        assert_eq!(listed, [Path::new("/a b"), Path::new("/c")]);
    }

    #[test]
    fn an_unknown_commit_leaves_nothing() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        assert!(sandbox.repo().scratch("nothing").is_err());
        assert_eq!(sandbox.repo().worktrees().unwrap().len(), 1);
    }

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
        // As after SIGKILL: the lock is gone, everything else remains.
        let (dir, lock) = dead.temporary.take().unwrap();
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
        let (dir, lock) = dead.temporary.take().unwrap();
        drop(lock);
        let base = dir.keep();
        assert_eq!(remove_leftovers(&other.repo()), 0);
        assert!(base.exists());
        assert_eq!(remove_leftovers(&one.repo()), 1);
    }

    #[cfg(unix)]
    #[test]
    fn read_only_directories_are_removed_too() {
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
