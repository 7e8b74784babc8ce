//! What git converts between a checkout and its objects (line ends, keywords, filters): the size of a file as git
//! stores it, and files whose changes are hidden by a filter that makes git call them unchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::git::call::records;
use crate::git::objects::{Batch, tree_entry};
use crate::git::{GitError, Repo, Result, TreeEntry};
use crate::model::{CommandLine, Digest, Fix, How};
use crate::os::files;

/// The possible sizes of a git-lfs pointer, in bytes.
const POINTER_BYTES: Range<u64> = 100..1024;

/// Files (from the repository's root) and their size as git stores them; `None` if that is unknown.
pub(crate) type TrackedSizes = BTreeMap<Vec<u8>, Option<u64>>;

/// Whether a file is at or below a path.
pub(crate) fn is_below(file: &[u8], path: &[u8]) -> bool {
    let rest = file.strip_prefix(path);
    rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

impl Repo {
    /// Returns the files that git tracks below `below` (which ends with `/` or is empty), including those in
    /// submodules. For files at or below one of `paths`, adds the size as git stores it, or would store it after `git
    /// add`: it is the same in every checkout. For git-lfs it is the length of the data. The size is unknown if there
    /// is no file, as for a submodule without a checkout.
    pub(crate) fn tracked_sizes(&self, below: &[u8], paths: &[Vec<u8>]) -> Result<TrackedSizes> {
        let tracked = self.tracked_with_submodules(below)?;
        let mut found = tracked.into_iter().map(|path| (path, None)).collect();
        self.add_sizes(b"", paths, &mut found)?;
        Ok(found)
    }

    fn add_sizes(&self, above: &[u8], paths: &[Vec<u8>], found: &mut TrackedSizes) -> Result<()> {
        let index = self.index()?;
        let wanted = |file: &[u8]| paths.iter().any(|path| is_below(file, path));
        let name = |path: &[u8]| [above, path].concat();
        for submodule in index.entries.iter().filter(|entry| entry.mode == "160000") {
            let inner = [&name(&submodule.path), b"/".as_slice()].concat();
            let dir = self.root().join(files::path_from_bytes(&submodule.path));
            if dir.join(".git").exists() && found.keys().any(|path| path.starts_with(&inner) && wanted(path)) {
                Self::open(&dir)?.add_sizes(&inner, paths, found)?;
            }
        }
        let is_asked = |entry: &&TreeEntry| {
            let file = name(&entry.path);
            wanted(&file) && found.contains_key(&file)
        };
        let asked: Vec<&TreeEntry> = index.entries.iter().filter(|it| it.mode != "160000").filter(is_asked).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let call = self.git().args(["diff-files", "-z", "--name-only", "--ignore-submodules=all", "--"]).long();
        // Paths in a submodule have another root.
        let is_all = !above.is_empty() || paths.iter().any(Vec::is_empty);
        let asked_of = if is_all { &[] } else { paths };
        let output = call.args(asked_of.iter().map(|path| files::path_from_bytes(path))).ok()?;
        // A file left out of a sparse checkout is unchanged.
        let is_here = |path: &[u8]| self.root().join(files::path_from_bytes(path)).symlink_metadata().is_ok();
        let hidden = index.hidden().map(|entry| entry.path.as_slice()).filter(|path| is_here(path));
        let changed: BTreeSet<&[u8]> = records(&output).chain(hidden).collect();
        let (edited, kept): (Vec<&TreeEntry>, Vec<&TreeEntry>) =
            asked.into_iter().partition(|entry| changed.contains(entry.path.as_slice()));
        let kept: Vec<(&[u8], &str)> = kept.iter().map(|it| (it.path.as_slice(), it.object.as_str())).collect();
        let sizes = self.sizes(&kept, None, &|path, size| self.may_be_lfs_pointer(path, size))?;
        found.extend(kept.iter().zip(sizes).map(|((path, _), size)| (name(path), size)));
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let mut edited: Vec<&[u8]> = edited.iter().map(|entry| entry.path.as_slice()).collect();
        edited.retain(|path| is_file(&self.root().join(files::path_from_bytes(path))));
        edited.dedup();
        for (path, size) in edited.iter().zip(self.sizes_after_add(&edited)?) {
            found.insert(name(path), size);
        }
        Ok(())
    }

    /// Counts bytes and files of a project path in a commit, without the tool's own files, and returns them if they
    /// differ from `recorded`. Returns `None` also if they cannot be known: for a missing commit, a link or a
    /// submodule.
    pub(crate) fn size_unless(
        &self,
        commit: &str,
        path: &str,
        recorded: Option<(u64, u64)>,
    ) -> Result<Option<(u64, u64)>> {
        let full = files::path_bytes(&files::normal(&self.full_path(path)));
        let call = self.git().args(["ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", commit]).long();
        let below = (!full.is_empty()).then(|| files::path_from_bytes(&full));
        let listed = match call.args(below).ok() {
            Err(_) if self.resolve(commit).is_err() => return Ok(None),
            listed => listed?,
        };
        let size = |record: &[u8]| {
            let fields = record.split(|byte| *byte == b'\t').next()?;
            String::from_utf8_lossy(fields).split_ascii_whitespace().nth(3)?.parse::<u64>().ok()
        };
        let entries = records(&listed).filter_map(|record| Some((tree_entry(record)?, size(record))));
        let entries: Vec<(TreeEntry, Option<u64>)> = entries.filter(|(entry, _)| !self.is_own(&entry.path)).collect();
        let leads_away = |it: &TreeEntry| it.mode == "160000" || it.mode == "120000" && it.path == full;
        let bytes: Option<u64> = entries.iter().map(|(_, size)| *size).sum();
        let found = bytes.map(|bytes| (bytes, entries.len() as u64));
        if found == recorded || entries.iter().any(|(entry, _)| leads_away(entry)) {
            return Ok(None);
        }
        let there = self.as_of(commit)?;
        if there.prefix() != self.prefix() {
            return there.size_unless(commit, path, recorded);
        }
        // For git-lfs, the size of the data counts.
        let named: Vec<(&[u8], &str)> =
            entries.iter().map(|(it, _)| (it.path.as_slice(), it.object.as_str())).collect();
        let bytes: Option<u64> = self.sizes(&named, None, &|_, _| true)?.into_iter().sum();
        let found = bytes.map(|bytes| (bytes, entries.len() as u64));
        Ok(found.filter(|_| found != recorded))
    }

    /// The sizes of these files after `git add`, with the objects written to a temporary directory.
    fn sizes_after_add(&self, paths: &[&[u8]]) -> Result<Vec<Option<u64>>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let objects = tempfile::tempdir().map_err(GitError::no_directory)?;
        let mut asked = String::new();
        for path in paths {
            // C-style quoting, since a path may contain any byte.
            let quoted = path.iter().fold(String::new(), |mut quoted, byte| {
                let _ = write!(quoted, "\\{byte:03o}");
                quoted
            });
            asked.push_str(&format!("\"{quoted}\"\n"));
        }
        let call = self.git_beside(&objects).without_literal_paths().args(["hash-object", "-w", "--stdin-paths"]);
        let ids = String::from_utf8_lossy(&call.input(asked.into_bytes()).long().ok()?).into_owned();
        let named: Vec<(&[u8], &str)> = paths.iter().copied().zip(ids.lines()).collect();
        self.sizes(&named, Some(&objects), &|path, size| self.may_be_lfs_pointer(path, size))
    }

    /// The size of each file's object, or of the git-lfs data that it points to if `may_be_lfs_pointer` allows it;
    /// `None` if the object is missing.
    fn sizes(
        &self,
        of: &[(&[u8], &str)],
        with_objects: Option<&TempDir>,
        may_be_lfs_pointer: &dyn Fn(&[u8], u64) -> bool,
    ) -> Result<Vec<Option<u64>>> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let ids: String = of.iter().flat_map(|(_, id)| [*id, "\n"]).collect();
        let git = || with_objects.map_or_else(|| self.git(), |objects| self.git_beside(objects));
        let call = git().args(["cat-file", "--batch-check=%(objectsize)"]).long();
        let output = call.input(ids.into_bytes()).ok()?;
        let mut sizes: Vec<Option<u64>> =
            String::from_utf8_lossy(&output).lines().map(|line| line.parse().ok()).collect();
        sizes.resize(of.len(), None);
        let is_asked = |at: &usize| {
            sizes[*at].is_some_and(|size| POINTER_BYTES.contains(&size) && may_be_lfs_pointer(of[*at].0, size))
        };
        let pointers: Vec<usize> = (0..of.len()).filter(is_asked).collect();
        if pointers.is_empty() {
            return Ok(sizes);
        }
        let mut batch = Batch::start(git())?;
        for at in pointers {
            let blob = batch.read_object(of[at].1, POINTER_BYTES.end)?.unwrap_or_default();
            sizes[at] = sizes[at].max(lfs_field(&blob, "size ").and_then(|size| size.parse().ok()));
        }
        Ok(sizes)
    }

    /// Whether the file on disk may be the data for a pointer of this size, or the pointer itself.
    fn may_be_lfs_pointer(&self, path: &[u8], size: u64) -> bool {
        let path = self.root().join(files::path_from_bytes(path));
        let is_other = path.metadata().is_ok_and(|meta| meta.len() != size);
        is_other || fs::read(&path).is_ok_and(|bytes| lfs_field(&bytes, "size ").is_some())
    }

    /// Of these files (from the repository's root), returns the tracked ones with a filter or keyword whose content is
    /// not what a new checkout would give. Line ends and encodings are left to git.
    pub(crate) fn hidden_by_filter(&self, paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
        let filtered = self.filtered(paths)?;
        if filtered.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in self.index()?.entries.iter().filter(|entry| entry.mode.starts_with("100")) {
            if filtered.contains(&entry.path) && !self.is_as_checked_out(&entry.path, &entry.object)? {
                found.push(entry.path.clone());
            }
        }
        found.dedup();
        Ok(found)
    }

    /// The files with a filter or keyword expansion.
    fn filtered(&self, paths: &[PathBuf]) -> Result<BTreeSet<Vec<u8>>> {
        if paths.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked: Vec<Vec<u8>> = paths.iter().map(|path| files::path_bytes(path)).collect();
        let call = self.git().args(["check-attr", "-z", "--stdin", "filter", "ident"]).input(asked.join(&0));
        let answer = call.ok()?;
        let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
        let is_set = |value: &[u8]| !matches!(value, b"unspecified" | b"unset");
        Ok(fields.chunks_exact(3).filter(|of| is_set(of[2])).map(|of| of[0].to_vec()).collect())
    }

    fn is_as_checked_out(&self, path: &[u8], blob: &str) -> Result<bool> {
        let on_disk = self.root().join(files::path_from_bytes(path));
        let bytes = fs::read(&on_disk).map_err(|source| GitError::file("read", &on_disk, source))?;
        let raw = self.git().args(["hash-object", "--no-filters", "--stdin"]).input(bytes.clone()).line()?;
        if raw == blob {
            return Ok(true);
        }
        let held = self.git().args(["cat-file", "blob", blob]).ok()?;
        // A git-lfs pointer holds the digest of the file; nothing has to be fetched.
        if let Some(oid) = lfs_field(&held, "oid sha256:") {
            return Ok(oid == Digest::of_bytes(&bytes).as_str());
        }
        let mut path_flag = OsString::from("--path=");
        path_flag.push(files::path_from_bytes(path));
        let checked_out = self.git().args(["cat-file", "--filters"]).arg(path_flag).arg(blob).long().ok()?;
        // Line ends are left to git and may differ from what was written.
        Ok(plain_lines(&checked_out) == plain_lines(&bytes))
    }
}

fn plain_lines(bytes: &[u8]) -> Vec<u8> {
    let ends = |at: usize| bytes.get(at + 1) == Some(&b'\n');
    let kept = bytes.iter().enumerate().filter(|(at, byte)| **byte != b'\r' || !ends(*at));
    kept.map(|(_, byte)| *byte).collect()
}

/// The value of a field in a git-lfs pointer.
fn lfs_field<'p>(held: &'p [u8], field: &str) -> Option<&'p str> {
    let text = std::str::from_utf8(held).ok().filter(|text| text.len() < 1024)?;
    text.starts_with("version https://git-lfs.github.com/spec/").then_some(())?;
    text.lines().find_map(|line| line.strip_prefix(field))
}

/// What helps where a filter that git needs for a checkout cannot run, by what git said.
pub(crate) fn missing_filter(output: &str) -> Vec<Fix> {
    let name = output.split_once(": smudge filter ").and_then(|(_, rest)| rest.split_whitespace().next());
    let Some(name) = name else { return Vec::new() };
    let what = format!("install the program that the filter {name} runs, since each side needs a clean checkout");
    let see = CommandLine::git("config --get-regexp").word(format!("^filter[.]{name}[.]"));
    vec![Fix::next("see which program", see), Fix::decide(How::Then, what)]
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Sandbox, Scope};

    fn is_hidden(sandbox: &Sandbox, path: &str) -> bool {
        assert_eq!(sandbox.repo().dirt(&Scope::ALL).unwrap(), None, "git calls it unchanged");
        !sandbox.repo().hidden_by_filter(&[PathBuf::from(path)]).unwrap().is_empty()
    }

    #[test]
    fn an_edit_hidden_by_a_clean_filter_is_seen() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.hide.clean", "sed s/50/100/"]);
        sandbox.write(".gitattributes", "v.json filter=hide\n");
        sandbox.commit("v.json", "100\n", "one");
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(is_hidden(&sandbox, "v.json"));
        std::fs::remove_file(sandbox.path().join("v.json")).unwrap();
        sandbox.git(&["checkout", "--", "v.json"]);
        assert!(!is_hidden(&sandbox, "v.json"));
    }

    #[test]
    fn a_filter_that_restores_its_input_is_accepted_and_so_are_line_ends() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.swap.clean", "tr ab ba"]);
        sandbox.git(&["config", "filter.swap.smudge", "tr ab ba"]);
        sandbox.write(".gitattributes", "v.json filter=swap\n*.txt text eol=crlf\n");
        sandbox.write("c.txt", "a\r\nb\r\n");
        sandbox.commit("v.json", "aab\n", "one");
        assert!(!is_hidden(&sandbox, "v.json") && !is_hidden(&sandbox, "c.txt"));
    }

    #[test]
    fn a_pointer_of_git_lfs_says_what_the_file_is_without_its_program() {
        let sandbox = Sandbox::new();
        let pointer = |text: &str| {
            let oid = Digest::of_bytes(text.as_bytes());
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", text.len())
        };
        // As after a clone without git-lfs: the file is the pointer itself.
        sandbox.write(".gitattributes", "v.json filter=lfs\n");
        sandbox.commit("v.json", &pointer("100\n"), "one");
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.git(&["config", "filter.lfs.clean", &format!("printf %s '{}'", pointer("100\n"))]);
        sandbox.write("v.json", "100\n");
        sandbox.git(&["add", "v.json"]);
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(is_hidden(&sandbox, "v.json"), "the filter says the same of everything");
    }

    #[test]
    fn what_git_holds_of_a_file_is_the_same_in_every_checkout() {
        let sandbox = Sandbox::new();
        let size_in_git = |path: &str| sandbox.repo().tracked_sizes(b"", &[Vec::new()]).unwrap()[path.as_bytes()];
        sandbox.git(&["config", "filter.half.clean", "sed s/xx/x/"]);
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5000\n", Digest::of_bytes(b""));
        sandbox.write(".gitattributes", "*.c text eol=crlf\nid ident\n*.f filter=half\n");
        sandbox.write("id", "$Id$\n");
        sandbox.write("v.f", "xx\n");
        sandbox.write("data", &pointer);
        sandbox.write("same", "as it is\n");
        sandbox.commit("odd \"name\n.c", "a\nb\n", "one");
        let all = ["odd \"name\n.c", "id", "v.f", "data", "same"];
        let sizes = || all.map(|path| size_in_git(path).unwrap());
        assert_eq!(sizes(), [4, 5, 2, 5000, 9]);
        for path in all {
            std::fs::remove_file(sandbox.path().join(path)).unwrap();
        }
        assert_eq!(size_in_git("same"), None, "it is not here");
        sandbox.git(&["checkout", "--", "."]);
        assert_ne!(std::fs::metadata(sandbox.path().join("id")).unwrap().len(), 5);
        assert_eq!(sizes(), [4, 5, 2, 5000, 9]);
        sandbox.git(&["update-index", "--assume-unchanged", "same"]);
        for path in all {
            sandbox.write(path, "$Id: more $\r\nxx\r\n");
        }
        assert_eq!(sizes(), [15, 10, 16, 17, 17], "as git would add them");
        assert!(sandbox.git(&["count-objects"]).starts_with("8 "), "nothing was added");
    }
}
