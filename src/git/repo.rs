//! Opens the repository of a directory and caches what cannot change. Distinguishes "no repository", "not trusted" and
//! "git failed".

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use tempfile::TempDir;

use crate::git::index::Index;
use crate::git::objects::Reader;
use crate::git::{Call, GitError, Result, Scope, TreeEntry};
use crate::model::own;
use crate::os::files;

#[derive(Debug, Clone)]
pub(crate) struct Repo {
    root: PathBuf,
    prefix: Vec<u8>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    shallow: bool,
    pub(crate) memo: Rc<Memo>,
}

/// Answers of git about full object ids. They cannot change while the program runs, since an id is the digest of the
/// object. The same is true of the index by the bytes of its file. Nothing that depends on a branch, a checkout or the
/// configuration is cached here.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    commits: RefCell<BTreeSet<String>>,
    trees: RefCell<BTreeMap<String, String>>,
    /// Only the last listing, since a tree may have a million files.
    listing: RefCell<Option<Listing>>,
    /// The last index that was read; it is reused while the file has the same bytes.
    pub(crate) index: RefCell<Option<Rc<Index>>>,
    /// A cache of [`Repo::projects_left`], by the ids of both commits.
    pub(crate) places: RefCell<BTreeMap<String, Vec<Vec<u8>>>>,
    /// The reader of objects, while it is in use.
    pub(crate) reader: RefCell<Weak<RefCell<Reader>>>,
}

#[derive(Debug, Clone)]
struct Listing {
    commit: String,
    prefix: Vec<u8>,
    entries: Rc<[TreeEntry]>,
}

/// The questions asked when a repository is opened, in this order.
const ASKED: [&str; 6] = [
    "--is-inside-work-tree",
    "--is-shallow-repository",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-toplevel",
    "--show-prefix",
];

impl Repo {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        Ok(Self::open_naming(dir, &[])?.0)
    }

    /// Also resolves names to the ids of their commits; to none if one of them is unknown or ambiguous.
    pub(crate) fn open_naming(dir: &Path, names: &[&str]) -> Result<(Self, Vec<String>)> {
        let call = || Call::new(dir).args(["-c", "core.warnAmbiguousRefs=true", "rev-parse"]).args(ASKED);
        let head = || call().args(["HEAD^{commit}", "HEAD^{tree}"]);
        let mut output = head().args(names.iter().map(|name| format!("{name}^{{commit}}"))).output()?;
        let is_clear = output.code == Some(0) && !output.stderr.contains("is ambiguous");
        if output.code != Some(0) && !names.is_empty() {
            output = head().output()?;
        }
        // `HEAD` does not resolve before the first commit.
        if output.code != Some(0) {
            output = call().output()?;
        }
        if output.code != Some(0) {
            return Err(explain(dir, &output.stderr).unwrap_or_else(|| output.failed()));
        }
        let (answers, mut ids) = lines(&output.stdout).unwrap_or_default();
        let named = if is_clear && ids.len() == names.len() + 2 { ids.split_off(2) } else { Vec::new() };
        let [inside, shallow, git_dir, common, root, prefix] = match answers.try_into() {
            Ok(answers) => answers,
            Err(_) => one_by_one(dir)?,
        };
        if inside != b"true" {
            return Err(GitError::NoWorkTree { dir: dir.to_owned() });
        }
        let (git_dir, common) = (files::path_from_bytes(&git_dir), files::path_from_bytes(&common));
        let repo = Self {
            root: native(&root),
            prefix,
            common_dir: files::canonical(&dir.join(common)).unwrap_or_else(|_| git_dir.clone()),
            git_dir: files::canonical(&git_dir).unwrap_or(git_dir),
            shallow: shallow == b"true",
            memo: Rc::default(),
        };
        if let [commit, tree, ..] = &ids[..] {
            repo.saw_tree(commit, tree);
        }
        Ok((repo, named))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that was opened, relative to the root with a trailing `/`; empty at the root.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Returns the same repository with the project in another directory.
    pub(crate) fn at_prefix(&self, prefix: &[u8]) -> Self {
        Self { prefix: prefix.to_vec(), ..self.clone() }
    }

    /// A path of the project, from the repository's root.
    pub(crate) fn full(&self, path: &str) -> Vec<u8> {
        [&self.prefix, path.as_bytes()].concat()
    }

    pub(crate) fn full_path(&self, path: &str) -> PathBuf {
        files::path_from_bytes(&self.full(path))
    }

    pub(crate) fn project(&self) -> Scope<'_> {
        Scope::project(&self.prefix)
    }

    /// Whether a path (from the repository's root) is one of the tool's own files in the project.
    pub(crate) fn is_own(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.prefix.as_slice()).is_some_and(own::is_own)
    }

    /// Whether a path is one of the tool's own files in that project, or in another that has its config in this commit.
    pub(crate) fn is_own_of_any(&self, path: &[u8], commit: &str) -> Result<bool> {
        if self.is_own(path) {
            return Ok(true);
        }
        let roots: Vec<&[u8]> = own::roots_of(path).collect();
        if roots.is_empty() {
            return Ok(false);
        }
        let files = self.listing(commit, b"")?;
        Ok(files.iter().filter_map(|file| own::root_of_config(&file.path)).any(|root| roots.contains(&root)))
    }

    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory shared by all checkouts of the repository.
    pub(crate) fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Whether this is a shallow clone, in which questions about history have no reliable answer.
    pub(crate) fn is_shallow(&self) -> bool {
        self.shallow
    }

    pub(crate) fn git(&self) -> Call {
        Call::new(&self.root)
    }

    /// A call that writes its objects to this directory, beside those of the repository.
    pub(crate) fn git_beside(&self, objects: &TempDir) -> Call {
        let call = self.git().env("GIT_OBJECT_DIRECTORY", objects.path());
        call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common_dir.join("objects"))
    }

    /// The length of object ids in bytes, if a commit was seen.
    pub(crate) fn id_bytes(&self) -> Option<usize> {
        self.memo.trees.borrow().keys().next().map(|id| id.len() / 2)
    }

    /// Remembers that the commit with this full id exists.
    pub(crate) fn saw(&self, id: &str) {
        self.memo.commits.borrow_mut().insert(id.to_owned());
    }

    /// Remembers the tree of the commit with this full id.
    pub(crate) fn saw_tree(&self, commit: &str, tree: &str) {
        self.memo.trees.borrow_mut().insert(commit.to_owned(), tree.to_owned());
    }

    /// The tree of the commit with this full id, if it was seen.
    pub(crate) fn tree_seen(&self, id: &str) -> Option<String> {
        self.memo.trees.borrow().get(id).cloned()
    }

    /// Whether a commit with this full id was seen.
    pub(crate) fn has_seen(&self, id: &str) -> bool {
        self.memo.commits.borrow().contains(id) || self.memo.trees.borrow().contains_key(id)
    }

    /// The files of a commit (or tree) below a prefix. The last listing of a full id is cached.
    pub(crate) fn listing(&self, treeish: &str, prefix: &[u8]) -> Result<Rc<[TreeEntry]>> {
        let last = self.memo.listing.borrow().clone();
        if let Some(last) = last.filter(|last| last.commit == treeish && last.prefix == prefix) {
            return Ok(last.entries);
        }
        let below: &[&[u8]] = if prefix.is_empty() { &[] } else { &[prefix] };
        let entries: Rc<[TreeEntry]> = self.tree_entries(treeish, below)?.into();
        if is_full_id(treeish) {
            self.keep_listing(treeish, prefix, entries.clone());
        }
        Ok(entries)
    }

    /// Caches the files of the commit with this full id below a prefix.
    pub(crate) fn keep_listing(&self, commit: &str, prefix: &[u8], entries: Rc<[TreeEntry]>) {
        let listing = Listing { commit: commit.to_owned(), prefix: prefix.to_vec(), entries };
        *self.memo.listing.borrow_mut() = Some(listing);
    }
}

/// Whether a text is a full object id in lower case, as git prints it.
pub(crate) fn is_full_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text names a commit by its place below a full id, as `ID~3` does: it always means the same one.
pub(crate) fn is_below_id(text: &str) -> bool {
    let (id, place) = text.split_at(text.find(['~', '^']).unwrap_or(text.len()));
    let is_step = |byte: u8| matches!(byte, b'~' | b'^' | b'0'..=b'9');
    is_full_id(id) && !place.is_empty() && place.bytes().all(is_step)
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
    // Git silently skips a damaged `.git` and prints the same message.
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let looks_damaged = full.ancestors().any(|d| d.join(".git").symlink_metadata().is_ok());
    let none = stderr.contains("not a git repository (or any");
    (none && !looks_damaged).then(|| GitError::NotARepository { dir: dir.to_owned() })
}

/// The answers, and the ids after them: the commit of `HEAD`, its tree, and those of names.
type Answers = (Vec<Vec<u8>>, Vec<String>);

/// Splits one answer per line; `None` if a path contains line ends.
fn lines(output: &[u8]) -> Option<Answers> {
    let mut answers: Vec<Vec<u8>> =
        output.strip_suffix(b"\n")?.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let ids = answers.split_off(answers.len().min(ASKED.len()));
    let ids: Vec<String> = ids.into_iter().filter_map(|id| String::from_utf8(id).ok()).collect();
    ids.iter().all(|id| is_full_id(id)).then_some((answers, ids))
}

fn one_by_one(dir: &Path) -> Result<[Vec<u8>; ASKED.len()]> {
    let mut answers = [const { Vec::new() }; ASKED.len()];
    for (answer, what) in answers.iter_mut().zip(ASKED) {
        *answer = Call::new(dir).args(["rev-parse", what]).line_bytes()?;
    }
    Ok(answers)
}

/// Git prints `C:/x` on Windows; native separators make paths comparable.
fn native(bytes: &[u8]) -> PathBuf {
    let path = files::path_from_bytes(bytes);
    if cfg!(windows) { path.components().collect() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Sandbox, Scope};

    #[test]
    fn a_missing_repository_is_distinguished_from_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Repo::open(dir.path()), Err(GitError::NotARepository { .. })));
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
        assert!(repo.git_dir() == repo.common_dir() && !repo.is_shallow());
    }

    #[test]
    fn a_path_with_line_ends_is_not_taken_for_several_answers() {
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

    #[test]
    fn the_meaning_of_a_name_is_never_cached() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        let repo = sandbox.repo();
        let before = repo.code_digest("HEAD", &Scope::ALL).unwrap();
        assert_eq!(repo.resolve("HEAD").unwrap(), one);
        let two = sandbox.commit("a", "2", "two");
        assert_eq!((repo.resolve("HEAD").unwrap(), repo.resolve("main").unwrap()), (two.clone(), two.clone()));
        assert_eq!(repo.head().unwrap().at.unwrap().commit, two);
        assert_ne!(repo.code_digest("HEAD", &Scope::ALL).unwrap(), before);
        assert_eq!(repo.code_digest(&one, &Scope::ALL).unwrap(), before);
    }

    #[test]
    fn a_branch_that_is_named_like_an_id_is_no_commit_of_that_id() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let name = "1".repeat(40);
        sandbox.git(&["update-ref", &format!("refs/heads/{name}"), "HEAD"]);
        let repo = sandbox.repo();
        assert!(repo.resolve(&name).is_err() && !repo.has_seen(&name));
    }

    #[test]
    fn the_listing_of_another_prefix_or_commit_is_not_taken_for_it() {
        let sandbox = Sandbox::new();
        sandbox.write("api/a", "1");
        let one = sandbox.commit("b", "1", "one");
        let two = sandbox.commit("b", "2", "two");
        let repo = sandbox.repo();
        let count = |commit: &str, prefix: &[u8]| repo.listing(commit, prefix).unwrap().len();
        assert_eq!((count(&one, b"api/"), count(&one, b""), count(&two, b"")), (1, 2, 2));
        assert_ne!(repo.listing(&one, b"").unwrap(), repo.listing(&two, b"").unwrap());
    }
}
