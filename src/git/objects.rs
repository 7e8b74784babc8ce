//! Reads the files of commits from git's objects, never from the work tree: listings, digests, and many contents
//! through one process. Also signs text with git's own set-up (`gpg.*`, `user.signingkey`): the signature is an
//! unreferenced commit object with the text as its message.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::rc::Rc;

use chrono::{DateTime, Utc};

use crate::git::call::{OUTPUT_LIMIT, records};
use crate::git::{Call, GitError, Repo, Result, Scope};
use crate::model::Digest;
use crate::model::commit::is_regular;
use crate::model::digest::{FieldHasher, hex};
use crate::model::text::short;
use crate::os::files;

const BATCH: &str = "cat-file --batch";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TreeEntry {
    /// As git prints it: `100644`, `100755`, `120000` for a link, `160000` for a submodule.
    pub mode: String,
    pub object: String,
    /// From the repository's root, with `/`.
    pub path: Vec<u8>,
}

impl TreeEntry {
    pub(crate) fn is_regular(&self) -> bool {
        is_regular(&self.mode)
    }
}

/// A running `git cat-file --batch`, shared by all readers. It ends when the last one is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Batch(Rc<RefCell<Reader>>);

#[derive(Debug)]
pub(crate) struct Reader {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

struct Object {
    id: String,
    bytes: Vec<u8>,
}

impl Repo {
    /// Every file of a commit (or tree) below any of `prefixes`, in git's order; all files if there are none.
    pub(crate) fn tree_entries(&self, treeish: &str, prefixes: &[&[u8]]) -> Result<Vec<TreeEntry>> {
        if let (Some(mut batch), false) = (self.running_batch(), prefixes.is_empty()) {
            return batch.tree_entries(treeish, prefixes);
        }
        let call = self.git().args(["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", treeish]);
        let call = call.args(prefixes.iter().map(|prefix| files::path_from_bytes(prefix)));
        call.parsed("MODE TYPE OBJECT PATH", |output| records(output).map(tree_entry).collect())
    }

    /// A digest of the files of a commit (or tree) in the scope: equal for equal code.
    pub(crate) fn code_digest(&self, treeish: &str, scope: &Scope<'_>) -> Result<Digest> {
        Ok(digest_of(&self.listing(treeish, scope.prefix)?, scope))
    }

    /// Finds a commit whose file at a path is wanted: `HEAD`, or else the newest one of any branch.
    pub(crate) fn commit_with(
        &self,
        path: &[u8],
        limit: u64,
        is_wanted: &dyn Fn(&Vec<u8>) -> bool,
    ) -> Result<Option<String>> {
        let call =
            self.git().args(["log", "--all", "--full-history", "--format=%H", "--"]).arg(files::path_from_bytes(path));
        let listed = call.long().text()?;
        let mut batch = self.batch()?;
        for commit in std::iter::once("HEAD").chain(listed.lines()) {
            if batch.read_path(commit, path, limit)?.is_some_and(|bytes| is_wanted(&bytes)) {
                return Ok(Some(short(commit)));
            }
        }
        Ok(None)
    }

    /// The ignored files that exist. Directories end with `/`; files below them are not listed.
    pub(crate) fn ignored_here(&self) -> Result<Vec<String>> {
        let listed = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
        let output = self.git().args(listed).ok()?;
        Ok(records(&output).map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// The running reader, or a new one. It has no time limit: each answer comes from local objects.
    pub(crate) fn batch(&self) -> Result<Batch> {
        if let Some(running) = self.running_batch() {
            return Ok(running);
        }
        let batch = Batch::start(self.git())?;
        *self.memo.reader.borrow_mut() = Rc::downgrade(&batch.0);
        Ok(batch)
    }

    pub(crate) fn running_batch(&self) -> Option<Batch> {
        self.memo.reader.borrow().upgrade().filter(|reader| reader.borrow().ask.is_some()).map(Batch)
    }
}

impl Batch {
    /// A reader of its own, which reads the objects that `git` sees.
    pub(crate) fn start(git: Call) -> Result<Self> {
        let mut child = git.args(["cat-file", "--batch"]).spawn_piped()?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreadable("it has no pipes"));
        };
        Ok(Self(Rc::new(RefCell::new(Reader { child, ask: Some(ask), answer: BufReader::new(answer) }))))
    }

    /// The content of a file in a commit; `None` if the commit has no file there.
    pub(crate) fn read_path(&mut self, commit: &str, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>> {
        if path.contains(&b'\n') {
            return Err(unreadable("a path with a line end cannot be asked for"));
        }
        self.read(&[commit.as_bytes(), b":", path].concat(), "blob", limit).map(|found| found.map(|it| it.bytes))
    }

    /// The content of a blob by its id; `None` if there is none.
    pub(crate) fn read_object(&mut self, id: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.read(id.as_bytes(), "blob", limit).map(|found| found.map(|it| it.bytes))
    }

    /// The id and text of the commit that this full id names, or that its tag leads to.
    pub(crate) fn commit(&mut self, id: &str) -> Result<Option<(String, String)>> {
        let found = self.read(format!("{id}^{{commit}}").as_bytes(), "commit", OUTPUT_LIMIT)?;
        Ok(found.map(|it| (it.id, String::from_utf8_lossy(&it.bytes).into_owned())))
    }

    fn tree_entries(&mut self, treeish: &str, prefixes: &[&[u8]]) -> Result<Vec<TreeEntry>> {
        let root = self.tree(&format!("{treeish}^{{tree}}"), b"")?;
        let root = root.ok_or_else(|| GitError::UnknownRevision { spec: treeish.to_owned(), shallow: false })?;
        let mut found = Vec::new();
        for prefix in prefixes {
            let (mut open, parts) = (root.clone(), prefix.split(|byte| *byte == b'/').filter(|part| !part.is_empty()));
            let mut at = Vec::new();
            let mut parts = parts.peekable();
            while let Some(part) = parts.next() {
                at.extend_from_slice(part);
                open.retain(|entry| entry.path == at);
                at.push(b'/');
                let must_be_tree = parts.peek().is_some() || prefix.ends_with(b"/");
                open = match open.pop() {
                    Some(entry) if entry.is_tree() => self.tree(&entry.object, &at)?.unwrap_or_default(),
                    Some(entry) if !must_be_tree => vec![entry],
                    _ => Vec::new(),
                };
            }
            // Reversed for the stack, so that entries come in git's order.
            open.reverse();
            while let Some(entry) = open.pop() {
                if entry.is_tree() {
                    let below = self.tree(&entry.object, &[&entry.path, b"/".as_slice()].concat())?;
                    open.extend(below.unwrap_or_default().into_iter().rev());
                } else {
                    found.push(entry);
                }
            }
        }
        Ok(found)
    }

    /// The entries of one tree; `above` is prepended to their names.
    fn tree(&mut self, name: &str, above: &[u8]) -> Result<Option<Vec<TreeEntry>>> {
        let Some(tree) = self.read(name.as_bytes(), "tree", OUTPUT_LIMIT)? else { return Ok(None) };
        let (mut rest, mut entries) = (tree.bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (entry, after) = raw_entry(rest, tree.id.len() / 2, above).ok_or_else(|| unreadable("not a tree"))?;
            entries.push(entry);
            rest = after;
        }
        Ok(Some(entries))
    }

    fn read(&mut self, name: &[u8], kind: &str, limit: u64) -> Result<Option<Object>> {
        let mut reader = self.0.borrow_mut();
        let found = reader.read(name, kind, limit);
        if matches!(found, Err(GitError::Io { .. })) {
            // The rest of the output answers no known question.
            reader.ask = None;
        }
        found
    }
}

impl Reader {
    fn read(&mut self, name: &[u8], wanted: &str, limit: u64) -> Result<Option<Object>> {
        if name.is_empty() || name.contains(&b'\n') || name.starts_with(b"-") {
            return Err(unreadable("not a name of an object"));
        }
        let io = |source| GitError::Io { action: format!("talk to git {BATCH}"), source };
        let Some(ask) = self.ask.as_mut() else { return Err(unreadable("it has ended")) };
        let question = [name, b"\n"].concat();
        ask.write_all(&question).and_then(|()| ask.flush()).map_err(io)?;
        let mut header = Vec::new();
        self.answer.read_until(b'\n', &mut header).map_err(io)?;
        let Some(header) = header.strip_suffix(b"\n") else {
            self.ask = None;
            return Err(unreadable("it ended before answering"));
        };
        // The answer repeats the name, which may contain anything but a line end.
        if header.ends_with(b" missing") || header.ends_with(b" ambiguous") {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(header);
        let [id, kind, size] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(unreadable(&text)) };
        let size: u64 = size.parse().map_err(|_| unreadable(&text))?;
        let keep = kind == wanted && size <= limit;
        let mut bytes = Vec::new();
        if keep {
            (&mut self.answer).take(size).read_to_end(&mut bytes).map_err(io)?;
        } else {
            io::copy(&mut (&mut self.answer).take(size), &mut io::sink()).map_err(io)?;
        }
        let mut end = [0u8; 1];
        self.answer.read_exact(&mut end).map_err(io)?;
        match (kind == wanted, keep) {
            (true, true) => Ok(Some(Object { id: id.to_owned(), bytes })),
            (true, false) => Err(GitError::TooMuch { args: BATCH.to_owned(), limit }),
            (false, _) => Ok(None),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The process ends when its input is closed.
        self.ask = None;
        let _ = self.child.wait();
    }
}

impl TreeEntry {
    fn is_tree(&self) -> bool {
        self.mode == "40000"
    }
}

/// Parses `MODE NAME`, a NUL and an id of `length` bytes; returns the entry and the rest.
fn raw_entry<'b>(bytes: &'b [u8], length: usize, above: &[u8]) -> Option<(TreeEntry, &'b [u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
    let space = head.iter().position(|byte| *byte == b' ')?;
    let (id, after) = rest.split_at_checked(length)?;
    let mode = std::str::from_utf8(&head[..space]).ok()?.to_owned();
    Some((TreeEntry { mode, object: hex(id), path: [above, &head[space + 1..]].concat() }, after))
}

pub(crate) fn digest_of(entries: &[TreeEntry], scope: &Scope<'_>) -> Digest {
    let mut hasher = FieldHasher::default();
    for entry in entries.iter().filter(|entry| scope.counts(&entry.path, entry.is_regular())) {
        hasher.field(entry.mode.as_bytes());
        hasher.field(entry.object.as_bytes());
        // Relative to the project, so that moving the project in its repository does not change its digest.
        hasher.field(&entry.path[scope.prefix.len()..]);
    }
    hasher.finish()
}

fn unreadable(what: &str) -> GitError {
    GitError::Unreadable { args: BATCH.to_owned(), what: what.to_owned() }
}

pub(crate) fn tree_entry(record: &[u8]) -> Option<TreeEntry> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let mut fields = std::str::from_utf8(&record[..tab]).ok()?.split(' ');
    let (mode, _kind, object) = (fields.next()?, fields.next()?, fields.next()?);
    Some(TreeEntry { mode: mode.to_owned(), object: object.to_owned(), path: record[tab + 1..].to_vec() })
}

impl Repo {
    /// Signs `text` in one of git's formats (`ssh`, `openpgp`) with this time.
    pub(crate) fn sign(&self, text: &str, format: &str, at: DateTime<Utc>) -> Result<String> {
        let tree = self.git().arg("mktree").input(Vec::new()).line()?;
        let format = format!("gpg.format={format}");
        let call = self.git().args(["-c", &format, "commit-tree", "--gpg-sign", "-m", text, &tree]);
        let commit = call.env("GIT_COMMITTER_DATE", format!("@{} +0000", at.timestamp())).long().line()?;
        let signed = self.git().args(["cat-file", "commit", &commit]).ok()?;
        let what = || "a commit in UTF-8, which it needs to be: is user.name?".to_owned();
        String::from_utf8(signed)
            .map_err(|_| GitError::Unreadable { args: "commit-tree --gpg-sign".to_owned(), what: what() })
    }

    /// Whether `text` was signed by somebody whom the configuration here trusted at that time, since keys expire.
    pub(crate) fn is_signed(&self, signature: &str, text: &str, at: DateTime<Utc>) -> Result<bool> {
        let Some((head, message)) = signature.split_once("\n\n") else { return Ok(false) };
        let then = format!("> {} +0000", at.timestamp());
        let is_of_then = head.lines().any(|line| line.starts_with("committer ") && line.ends_with(&then));
        if message.trim_end() != text || !is_of_then {
            return Ok(false);
        }
        let id = self.git().args(["hash-object", "-t", "commit", "-w", "--stdin"]).input(signature.into()).line()?;
        Ok(self.git().args(["verify-commit", &id]).long().output()?.code == Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn the_code_is_the_same_while_only_own_files_change() {
        let sandbox = Sandbox::new();
        let scope = Scope::project(b"");
        let one = sandbox.commit("src/a", "1", "one");
        let two = sandbox.commit("reports/optimizer/record.md", "1", "two");
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
        let scope = Scope::project(b"api/");
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
        assert_eq!(repo.batch().unwrap().read_path("HEAD", b"dir/a b", 100).unwrap().unwrap(), b"1");
        assert_eq!(repo.batch().unwrap().read_path("HEAD", b"dir/none", 100).unwrap(), None);
        assert_eq!(repo.batch().unwrap().read_path("HEAD", b"dir", 100).unwrap(), None, "a directory is no file");
        assert!(matches!(repo.batch().unwrap().read_path("HEAD", b"dir/a b", 0), Err(GitError::TooMuch { .. })));
    }

    #[test]
    fn many_objects_are_read_in_any_order_and_missing_ones_reported() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a b", "first\n", "one");
        let two = sandbox.commit("a b", "", "two");
        let repo = sandbox.repo();
        let mut batch = repo.batch().unwrap();
        assert_eq!(batch.read_path(&two, b"a b", 100).unwrap().unwrap(), b"");
        assert_eq!(batch.read_path(&one, b"missing", 100).unwrap(), None);
        assert_eq!(batch.read_path(&one, b"a b", 100).unwrap().unwrap(), b"first\n");
        assert!(matches!(batch.read_path(&one, b"a b", 2), Err(GitError::TooMuch { limit: 2, .. })));
        assert_eq!(batch.read_path(&one, b"a b", 100).unwrap().unwrap(), b"first\n", "it goes on after that");
        assert_eq!(batch.read_object(&"0".repeat(40), 100).unwrap(), None);
        assert!(batch.read_path(&one, b"a\nb", 100).is_err());
    }
}
