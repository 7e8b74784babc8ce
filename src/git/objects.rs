//! Reading commits' files from git's objects, never from the work tree. Must not interpret their content.

use std::rc::Rc;

use crate::git::{GitError, Repo, Scope};
use crate::os::{FieldHasher, files};

/// One entry of a commit's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Mode as git prints it: `100644`, `100755`, `120000` for a link, `160000` for a submodule.
    pub mode: String,
    pub object: String,
    /// Path from the repository's root, with `/`.
    pub path: Vec<u8>,
}

/// A tracked file in the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedFile {
    /// Path from the repository's root, with `/`.
    pub path: Vec<u8>,
    /// Bytes on disk; `None` when it is absent or a submodule.
    pub bytes: Option<u64>,
}

impl Repo {
    /// Every file of a commit (or tree) below any of `prefixes`, in git's order; without one, all of them.
    pub fn tree_entries(&self, treeish: &str, prefixes: &[&[u8]]) -> Result<Vec<TreeEntry>, GitError> {
        let call = self.git().args(["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", treeish]);
        let call = call.args(prefixes.iter().map(|prefix| files::path_from_bytes(prefix)));
        let shown = call.shown();
        let output = call.ok()?;
        let records = output.split(|byte| *byte == 0).filter(|record| !record.is_empty());
        let parsed: Option<Vec<TreeEntry>> = records.map(tree_entry).collect();
        parsed.ok_or_else(|| GitError::Unreadable { args: shown, what: "not MODE TYPE OBJECT PATH".to_owned() })
    }

    /// Digest of what a commit (or tree) holds within the scope: equal for equal code, whatever else the
    /// commits contain. 64 hexadecimal digits.
    pub fn code_digest(&self, treeish: &str, scope: &Scope<'_>) -> Result<String, GitError> {
        let mut hasher = FieldHasher::default();
        let entries = match self.memo().listing(treeish, scope.prefix) {
            Some(entries) => entries,
            None => {
                let below: &[&[u8]] = if scope.prefix.is_empty() { &[] } else { &[scope.prefix] };
                let entries: Rc<[TreeEntry]> = self.tree_entries(treeish, below)?.into();
                self.memo().listed(treeish, scope.prefix, entries.clone());
                entries
            }
        };
        for entry in entries.iter().filter(|entry| scope.counts_as(&entry.path, &entry.mode)) {
            hasher.field(entry.mode.as_bytes());
            hasher.field(entry.object.as_bytes());
            // From the project's root, so that moving the project in its repository changes no code.
            hasher.field(&entry.path[scope.prefix.len()..]);
        }
        Ok(hasher.finish())
    }

    /// The content of a file in a commit; `None` when the commit has no file there.
    pub fn blob(&self, commit: &str, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        let mut batch = self.batch()?;
        match batch.read_path(commit, path, limit)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(None),
        }
    }

    /// The tracked files below a path (from the repository's root) with their sizes on disk.
    pub fn tracked_files(&self, below: &[u8]) -> Result<Vec<TrackedFile>, GitError> {
        let mut call = self.git().args(["ls-files", "-z", "--cached"]);
        if !below.is_empty() {
            call = call.arg("--").arg(files::path_from_bytes(below));
        }
        let output = call.ok()?;
        let mut paths: Vec<&[u8]> = output.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
        // A file in conflict is listed once for each side.
        paths.dedup();
        let tracked = paths.into_iter().map(|path| {
            let meta = self.root().join(files::path_from_bytes(path)).symlink_metadata();
            let bytes = meta.ok().filter(|meta| !meta.is_dir()).map(|meta| meta.len());
            TrackedFile { path: path.to_vec(), bytes }
        });
        Ok(tracked.collect())
    }
}

fn tree_entry(record: &[u8]) -> Option<TreeEntry> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let mut fields = std::str::from_utf8(&record[..tab]).ok()?.split(' ');
    let (mode, _kind, object) = (fields.next()?, fields.next()?, fields.next()?);
    Some(TreeEntry { mode: mode.to_owned(), object: object.to_owned(), path: record[tab + 1..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn the_code_is_the_same_while_only_own_files_change() {
        let sandbox = Sandbox::new();
        let own: &dyn Fn(&[u8]) -> bool = &|path| path.starts_with(b"own/");
        let scope = Scope { prefix: b"", is_own: own };
        let one = sandbox.commit("src/a", "1", "one");
        let two = sandbox.commit("own/record", "1", "two");
        let three = sandbox.commit("src/a", "2", "three");
        let repo = sandbox.repo();
        let code = |commit: &str| repo.code_digest(commit, &scope).unwrap();
        assert_eq!(code(&one), code(&two));
        assert_ne!(code(&two), code(&three));
        assert!(repo.code_digest("nothing", &scope).is_err());
    }

    #[test]
    fn the_mode_is_part_of_the_code() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        sandbox.git(&["update-index", "--chmod=+x", "a"]);
        sandbox.git(&["commit", "-q", "-m", "two"]);
        let repo = sandbox.repo();
        let code = |commit: &str| repo.code_digest(commit, &Scope::ALL).unwrap();
        assert_ne!(code(&one), code("HEAD"));
    }

    #[test]
    fn a_project_below_the_root_has_a_code_of_its_own() {
        let sandbox = Sandbox::new();
        sandbox.commit("api/a", "1", "one");
        let repo = sandbox.repo();
        let scope = Scope { prefix: b"api/", is_own: &|_| false };
        let first = repo.code_digest("HEAD", &scope).unwrap();
        sandbox.commit("web/a", "1", "two");
        assert_eq!(repo.code_digest("HEAD", &scope).unwrap(), first);
    }

    #[test]
    fn a_blob_is_read_from_the_commit_and_not_from_disk() {
        let sandbox = Sandbox::new();
        sandbox.commit("dir/a b", "1", "one");
        sandbox.write("dir/a b", "2");
        let repo = sandbox.repo();
        assert_eq!(repo.blob("HEAD", b"dir/a b", 100).unwrap().unwrap(), b"1");
        assert_eq!(repo.blob("HEAD", b"dir/none", 100).unwrap(), None);
        assert_eq!(repo.blob("HEAD", b"dir", 100).unwrap(), None, "a directory is no file");
        assert!(matches!(repo.blob("HEAD", b"dir/a b", 0), Err(GitError::TooMuch { .. })));
    }

    #[test]
    fn tracked_files_have_their_sizes_on_disk() {
        let sandbox = Sandbox::new();
        sandbox.write("lib/[x]*", "123");
        sandbox.commit("other", "1", "one");
        sandbox.write("lib/untracked", "1");
        let files = sandbox.repo().tracked_files(b"lib").unwrap();
        assert_eq!(files, [TrackedFile { path: b"lib/[x]*".to_vec(), bytes: Some(3) }]);
        assert_eq!(sandbox.repo().tracked_files(b"lib/[x]*").unwrap(), files, "a path is no pattern");
    }
}
