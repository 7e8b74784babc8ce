//! Uncommitted changes and a digest of them, from `git status`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::git::call::records;
use crate::git::head::{CommitAndTree, Head};
use crate::git::objects::digest_of;
use crate::git::{Call, GitError, Repo, Result, Scope, TreeEntry};
use crate::model::commit::is_regular;
use crate::model::digest::FieldHasher;
use crate::model::{Digest, own};
use crate::os::files;

/// Submodules nested deeper than this are not examined.
const MAX_DEPTH: u32 = 8;

/// For larger files, size and modification time stand for the content.
const READ_LIMIT: u64 = 256 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dirt {
    /// The changed paths, from the repository's root, in byte order.
    pub paths: Vec<Vec<u8>>,
    /// A digest of these paths and their content on disk, whether staged or not.
    pub digest: Digest,
}

type Entries = BTreeMap<Vec<u8>, bool>;

struct Status {
    /// The commit and branch, if a branch is checked out.
    head: Option<(String, String)>,
    entries: Entries,
    /// Whether the index differs from the commit.
    is_staged: bool,
}

impl Repo {
    /// The changes since `HEAD`, including untracked files; `None` if there are none. Files marked "assume unchanged"
    /// or "skip worktree" are compared too, since git would not report them. If the scope leaves own files out,
    /// untracked leftovers of the tool do not count either.
    pub(crate) fn dirt(&self, scope: &Scope<'_>) -> Result<Option<Dirt>> {
        self.dirt_to_depth(scope, MAX_DEPTH)
    }

    /// The head and its uncommitted changes, read together, and the digest of its code if that is known by the way.
    pub(crate) fn head_and_dirt(&self, scope: &Scope<'_>) -> Result<(Head, Option<Dirt>, Option<Digest>)> {
        let index = self.index_file();
        let call = self.status_of(scope);
        let looking = std::thread::spawn(|| call.ok());
        // Read the index while git runs, and digest the code that it has if nothing is staged.
        let seen = self.index()?;
        let code = digest_of(&seen.entries, scope);
        let said = looking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let Status { head, entries, is_staged } = self.status_entries(&said, scope)?;
        let head = head.and_then(|(commit, branch)| {
            let tree = self.tree_seen(&commit)?;
            self.saw(&commit);
            Some(Head { branch: Some(branch), at: Some(CommitAndTree { commit, tree }) })
        });
        let head = head.map_or_else(|| self.head(), Ok)?;
        let dirt = if head.at.is_some() { self.dirt_of(entries, scope, MAX_DEPTH)? } else { None };
        let is_listed = match &head.at {
            Some(at) if !is_staged && seen.file == index => self.listed_by_index(&at.commit, scope.prefix, index)?,
            Some(_) | None => false,
        };
        Ok((head, dirt, is_listed.then_some(code)))
    }

    /// If nothing is staged, the index lists the files of `HEAD`, so its objects need not be listed again. `file` is
    /// the index that was compared with the commit; returns whether it is still the same.
    fn listed_by_index(&self, commit: &str, prefix: &[u8], file: Option<Vec<u8>>) -> Result<bool> {
        let index = self.index()?;
        let is_same = file.is_some() && index.file == file;
        if is_same {
            let below = || index.entries.iter().filter(|entry| entry.path.starts_with(prefix)).cloned().collect();
            self.keep_listing(commit, prefix, if prefix.is_empty() { index.entries.clone() } else { below() });
        }
        Ok(is_same)
    }

    fn dirt_to_depth(&self, scope: &Scope<'_>, depth: u32) -> Result<Option<Dirt>> {
        self.dirt_of(self.status_entries(&self.status_of(scope).ok()?, scope)?.entries, scope, depth)
    }

    fn dirt_of(&self, mut entries: Entries, scope: &Scope<'_>, depth: u32) -> Result<Option<Dirt>> {
        for path in self.hidden_changes(scope)? {
            entries.entry(path).or_insert(false);
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let mut hasher = FieldHasher::default();
        for (path, is_submodule) in &entries {
            hasher.field(path);
            self.hash_entry(path, *is_submodule, depth, &mut hasher)?;
        }
        Ok(Some(Dirt { paths: entries.into_keys().collect(), digest: hasher.finish() }))
    }

    /// Whether any of these files (from the repository's root) has uncommitted changes. Ignored and missing files do
    /// not count.
    pub(crate) fn is_any_uncommitted(&self, files: &[PathBuf]) -> Result<bool> {
        let existing: Vec<&PathBuf> = files.iter().filter(|file| self.root().join(file).is_file()).collect();
        if existing.is_empty() {
            return Ok(false);
        }
        Ok(!self.status().args(["--no-branch", "--"]).args(existing).ok()?.is_empty())
    }

    /// The uncommitted paths outside the project at `prefix`, from the repository's root.
    pub(crate) fn uncommitted_outside(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        if prefix.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.status().arg("--no-branch").ok()?;
        let paths = records(&output).filter_map(|record| entry(record).map(|entry| entry.path.to_vec()));
        Ok(paths.filter(|path| !path.starts_with(prefix)).collect())
    }

    fn status(&self) -> Call {
        let call = self.git().args(["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"]);
        call.args(["--ignored=no", "--no-ahead-behind"]).long()
    }

    fn status_of(&self, scope: &Scope<'_>) -> Call {
        let call = self.status().args(["--branch", "--ignore-submodules=none"]);
        if scope.prefix.is_empty() { call } else { call.arg("--").arg(files::path_from_bytes(scope.prefix)) }
    }

    fn status_entries(&self, said: &[u8], scope: &Scope<'_>) -> Result<Status> {
        let counts = |record: &[u8], entry: &Entry<'_>| match entry.is_regular {
            Some(is_regular) => scope.counts(entry.path, is_regular),
            None if scope.is(own::is_left, entry.path) => false,
            None => scope.counts(entry.path, true) || scope.counts(entry.path, !self.is_no_file(record, entry.path)),
        };
        let (headers, entries): (Vec<_>, Vec<_>) = records(said).partition(|record| record.starts_with(b"# "));
        let header = |name: &[u8]| {
            let value = headers.iter().find_map(|header| header.strip_prefix(name))?;
            String::from_utf8(value.to_vec()).ok().filter(|value| !value.starts_with('('))
        };
        let head = header(b"# branch.oid ").zip(header(b"# branch.head "));
        let entries = entries.into_iter().map(|record| entry(record).map(|entry| (record, entry)));
        let unreadable = || GitError::Unreadable { args: "status".to_owned(), what: "not git's status".to_owned() };
        let mut entries = entries.collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
        let is_staged = entries.iter().any(|(record, entry)| entry.is_regular.is_some() && is_staged(record));
        entries.retain(|(record, entry)| counts(record, entry));
        let entries = entries.iter().map(|(_, entry)| (entry.path.to_vec(), entry.is_submodule)).collect();
        Ok(Status { head, entries, is_staged })
    }

    /// Whether an untracked path is a link or another repository.
    fn is_no_file(&self, record: &[u8], path: &[u8]) -> bool {
        let meta = || self.root().join(files::path_from_bytes(path)).symlink_metadata();
        record.ends_with(b"/") || meta().is_ok_and(|meta| !meta.is_file())
    }

    /// Changed files that git was told not to check.
    fn hidden_changes(&self, scope: &Scope<'_>) -> Result<Vec<Vec<u8>>> {
        let index = self.index()?;
        let mut changed = Vec::new();
        for TreeEntry { path, object, .. } in index.hidden().filter(|entry| scope.counts(&entry.path, true)) {
            let on_disk = self.root().join(files::path_from_bytes(path));
            // A sparse checkout leaves files out.
            let Ok(meta) = on_disk.symlink_metadata() else { continue };
            let now = if meta.file_type().is_symlink() {
                let target = std::fs::read_link(&on_disk).map_err(|e| GitError::file("read", &on_disk, e))?;
                self.git().args(["hash-object", "--stdin"]).input(files::path_bytes(&target)).line()?
            } else {
                self.git().args(["hash-object", "--"]).arg(files::path_from_bytes(path)).line()?
            };
            if now != *object {
                changed.push(path.clone());
            }
        }
        Ok(changed)
    }

    fn hash_entry(&self, path: &[u8], is_submodule: bool, depth: u32, hasher: &mut FieldHasher) -> Result<()> {
        let full = self.root().join(files::path_from_bytes(path));
        if let Some(stamp) = stamp_of_large(&full) {
            hasher.field(stamp.as_bytes());
            return Ok(());
        }
        if files::hash_path(&full, hasher).map_err(|e| GitError::file("read", &full, e))? != "directory" {
            return Ok(());
        }
        // A submodule, or an untracked repository in this one.
        match Self::open(&full) {
            Ok(inner) if depth > 0 && inner.root() != self.root() => {
                let commit = inner.head()?.at.map(|at| at.commit).unwrap_or_default();
                hasher.field(commit.as_bytes());
                let dirt = inner.dirt_to_depth(&Scope::ALL, depth - 1)?;
                hasher.field(dirt.as_ref().map_or("", |dirt| dirt.digest.as_str()).as_bytes());
                Ok(())
            }
            Ok(_) | Err(GitError::NotARepository { .. }) if !is_submodule => {
                let inside =
                    files::digest_directory(&full, &|_| false).map_err(|e| GitError::file("read", &full, e))?;
                hasher.field(inside.as_str().as_bytes());
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

/// Stands for the content of a file that is too large to be read for each measurement.
fn stamp_of_large(path: &Path) -> Option<String> {
    let meta = path.symlink_metadata().ok().filter(|meta| meta.is_file() && meta.len() > READ_LIMIT)?;
    let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} bytes, changed at {}", meta.len(), changed.as_nanos()))
}

struct Entry<'a> {
    path: &'a [u8],
    is_submodule: bool,
    /// Whether a tracked path is a regular file in the commit, index and work tree; `None` if untracked.
    is_regular: Option<bool>,
}

/// Parses a `--porcelain=v2` record.
fn entry(record: &[u8]) -> Option<Entry<'_>> {
    // The modes follow the submodule field.
    let (fields_before_path, modes) = match record.first()? {
        b'1' => (8, 3),
        b'u' => (10, 4),
        b'?' => (1, 0),
        _ => return None,
    };
    let mut known = record.split(|byte| *byte == b' ').skip(3).take(modes);
    let is_regular = (modes > 0).then(|| known.all(|mode| str::from_utf8(mode).is_ok_and(is_regular)));
    let mut fields = record.splitn(fields_before_path + 1, |byte| *byte == b' ');
    let submodule = record.splitn(4, |byte| *byte == b' ').nth(2).is_some_and(|field| field.first() == Some(&b'S'));
    let path = fields.nth(fields_before_path)?;
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let is_submodule = submodule && record.first() != Some(&b'?');
    (!path.is_empty()).then_some(Entry { path, is_submodule, is_regular })
}

/// Whether the index differs from the commit for a tracked path: staged, in conflict, or added with `-N`.
fn is_staged(record: &[u8]) -> bool {
    let mut fields = record.split(|byte| *byte == b' ');
    let (kind, states, mode) = (fields.next(), fields.next().unwrap_or_default(), fields.nth(1));
    kind != Some(b"1") || !states.starts_with(b".") || mode == Some(b"000000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    fn dirt(sandbox: &Sandbox) -> Option<Dirt> {
        sandbox.repo().dirt(&Scope::ALL).unwrap()
    }

    #[test]
    fn uncommitted_files_beside_a_project_are_separated_from_those_in_it() {
        let sandbox = Sandbox::new();
        sandbox.commit("lib/n", "1", "one");
        sandbox.write("pkg/a", "1");
        let outside = || sandbox.repo().uncommitted_outside(b"pkg/").unwrap();
        assert!(outside().is_empty());
        sandbox.write("lib/n", "2");
        sandbox.write("new/a", "1");
        sandbox.write("new/b", "1");
        assert_eq!(outside(), [b"lib/n".to_vec(), b"new/a".to_vec(), b"new/b".to_vec()]);
        assert!(sandbox.repo().uncommitted_outside(b"").unwrap().is_empty());
    }

    #[test]
    fn nothing_uncommitted_is_none_and_own_files_do_not_count() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        assert_eq!(dirt(&sandbox), None);
        sandbox.write("reports/optimizer/x.md", "1");
        assert_eq!(sandbox.repo().dirt(&Scope::project(b"")).unwrap(), None);
        assert_eq!(dirt(&sandbox).unwrap().paths, [b"reports/optimizer/x.md".to_vec()]);
    }

    #[test]
    fn of_named_files_only_those_that_git_would_take_are_uncommitted() {
        let sandbox = Sandbox::new();
        sandbox.write(".gitignore", "ignored\n");
        sandbox.commit("a", "1", "one");
        sandbox.write("ignored", "1");
        sandbox.write("other", "1");
        let any = |files: &[&str]| {
            sandbox.repo().is_any_uncommitted(&files.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap()
        };
        assert!(!any(&[]) && !any(&["a", "ignored", "nowhere"]));
        assert!(any(&["a", "other"]));
        sandbox.write("a", "2");
        assert!(any(&["a"]));
    }

    #[test]
    fn changed_added_deleted_staged_and_untracked_paths_all_count() {
        let sandbox = Sandbox::new().hostile();
        for path in ["changed", "deleted", "staged", "gone"] {
            sandbox.write(path, "1");
        }
        sandbox.commit_all("one");
        sandbox.write("changed", "2");
        std::fs::remove_file(sandbox.path().join("deleted")).unwrap();
        sandbox.write("staged", "2");
        sandbox.git(&["add", "staged"]);
        sandbox.git(&["rm", "-q", "gone"]);
        sandbox.write("new dir/über file", "1");
        let paths: Vec<String> =
            dirt(&sandbox).unwrap().paths.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        assert_eq!(paths, ["changed", "deleted", "gone", "new dir/über file", "staged"]);
    }

    #[test]
    fn the_digest_follows_the_content_and_not_the_index() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        sandbox.write("a", "2");
        let first = dirt(&sandbox).unwrap();
        sandbox.git(&["add", "a"]);
        assert_eq!(dirt(&sandbox).unwrap(), first);
        sandbox.write("a", "3");
        assert_ne!(dirt(&sandbox).unwrap().digest, first.digest);
    }

    #[test]
    fn a_huge_file_is_known_by_its_size_and_time() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let huge = std::fs::File::create(sandbox.path().join("huge")).unwrap();
        huge.set_len(READ_LIMIT + 1).unwrap();
        let first = dirt(&sandbox).unwrap();
        assert_eq!(dirt(&sandbox).unwrap(), first);
        huge.set_len(READ_LIMIT + 2).unwrap();
        assert_ne!(dirt(&sandbox).unwrap().digest, first.digest);
    }

    #[test]
    fn a_change_that_git_was_told_not_to_see_is_seen() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        sandbox.git(&["update-index", "--assume-unchanged", "a"]);
        assert_eq!(dirt(&sandbox), None);
        sandbox.write("a", "2");
        assert_eq!(dirt(&sandbox).unwrap().paths, [b"a".to_vec()]);
        sandbox.git(&["update-index", "--no-assume-unchanged", "--skip-worktree", "a"]);
        assert_eq!(dirt(&sandbox).unwrap().paths, [b"a".to_vec()]);
    }

    #[test]
    fn only_paths_below_the_project_count() {
        let sandbox = Sandbox::new();
        sandbox.write("api/x", "1");
        sandbox.commit("web/x", "1", "one");
        sandbox.write("web/x", "2");
        let scope = Scope::project(b"api/");
        assert_eq!(sandbox.repo().dirt(&scope).unwrap(), None);
        sandbox.write("api/y", "2");
        assert_eq!(sandbox.repo().dirt(&scope).unwrap().unwrap().paths, [b"api/y".to_vec()]);
    }

    #[test]
    fn work_in_a_submodule_counts_and_changes_the_digest() {
        let inner = Sandbox::new();
        inner.commit("x", "1", "one");
        let sandbox = Sandbox::new();
        sandbox.git(&["submodule", "-q", "add", &inner.path().to_string_lossy(), "sub"]);
        sandbox.commit_all("one");
        assert_eq!(dirt(&sandbox), None);
        sandbox.write("sub/x", "2");
        let first = dirt(&sandbox).unwrap();
        assert_eq!(first.paths, [b"sub".to_vec()]);
        sandbox.write("sub/x", "3");
        assert_ne!(dirt(&sandbox).unwrap().digest, first.digest);
    }

    #[test]
    fn an_untracked_repository_inside_is_hashed() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        sandbox.write("nested/x", "1");
        sandbox.git(&["-C", "nested", "init", "-q"]);
        let first = dirt(&sandbox).unwrap();
        assert_eq!(first.paths, [b"nested".to_vec()]);
        sandbox.write("nested/x", "2");
        assert_ne!(dirt(&sandbox).unwrap().digest, first.digest);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_and_links_are_read() {
        use std::os::unix::ffi::OsStrExt as _;
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let name = std::ffi::OsStr::from_bytes(b"caf\xE9\n\"x");
        std::fs::write(sandbox.path().join(name), "1").unwrap();
        std::os::unix::fs::symlink("nowhere", sandbox.path().join("link")).unwrap();
        assert_eq!(dirt(&sandbox).unwrap().paths, [b"caf\xE9\n\"x".to_vec(), b"link".to_vec()]);
    }

    #[test]
    fn a_damaged_index_is_an_error_and_not_clean() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let repo = sandbox.repo();
        std::fs::write(sandbox.path().join(".git/index"), "garbage").unwrap();
        assert!(repo.dirt(&Scope::ALL).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_a_repository_and_a_tracked_file_with_a_name_of_the_tools_count() {
        let sandbox = Sandbox::new();
        sandbox.commit("reports/optimizer/x.md", "1", "one");
        sandbox.write("reports/optimizer/y.md", "1");
        sandbox.write("reports/optimizer/.vibeship-write-1.tmp", "1");
        let paths = || {
            let dirt = sandbox.repo().dirt(&Scope::project(b"")).unwrap();
            dirt.map_or_else(Vec::new, |dirt| dirt.paths)
        };
        assert!(paths().is_empty());
        std::os::unix::fs::symlink("../../code", sandbox.path().join("reports/optimizer/z.md")).unwrap();
        sandbox.write("reports/optimizer/inner.md/code", "1");
        sandbox.git(&["-C", "reports/optimizer/inner.md", "init", "-q"]);
        assert_eq!(paths(), [b"reports/optimizer/inner.md".to_vec(), b"reports/optimizer/z.md".to_vec()]);
        std::fs::remove_dir_all(sandbox.path().join("reports/optimizer/inner.md")).unwrap();
        sandbox.commit_all("two");
        assert!(paths().is_empty());
        sandbox.write("reports/optimizer/.vibeship-write-1.tmp", "2");
        std::fs::remove_file(sandbox.path().join("reports/optimizer/x.md")).unwrap();
        std::os::unix::fs::symlink("../../code", sandbox.path().join("reports/optimizer/x.md")).unwrap();
        assert_eq!(paths(), [b"reports/optimizer/.vibeship-write-1.tmp".to_vec(), b"reports/optimizer/x.md".to_vec()]);
    }
}
