//! Git's index: the tracked files, and those that git was told not to check for changes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use crate::git::call::records;
use crate::git::{Repo, Result, TreeEntry};
use crate::model::digest::hex;
use crate::os::files;

#[derive(Debug)]
pub(crate) struct Index {
    /// In byte order, from the repository's root; a conflicting file has one entry per side.
    pub(crate) entries: Rc<[TreeEntry]>,
    unseen: Vec<(usize, Unseen)>,
    /// The bytes of the index file, if it did not change while git listed it.
    pub(crate) file: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unseen {
    /// Marked "assume unchanged".
    Assumed,
    /// Left out by a sparse checkout.
    LeftOut,
}

impl Index {
    /// The files whose changes git does not report, without submodules, which have no content to check.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &TreeEntry> {
        self.unseen.iter().map(|(at, _)| &self.entries[*at]).filter(|entry| entry.mode != "160000")
    }

    pub(crate) fn left_out(&self) -> impl Iterator<Item = &TreeEntry> {
        self.unseen.iter().filter(|(_, why)| *why == Unseen::LeftOut).map(|(at, _)| &self.entries[*at])
    }
}

impl Repo {
    /// The tool's own files in conflict: those of this side, and those of the other.
    pub(crate) fn own_in_conflict(&self) -> Result<(Vec<PathBuf>, BTreeSet<String>)> {
        let (mut here, mut there) = (Vec::new(), BTreeSet::new());
        let listed = self.git().args(["ls-files", "--unmerged", "--full-name", "-z"]).ok()?;
        for entry in listed.split(|byte| *byte == 0) {
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
            let (fields, path) = (&entry[..tab], &entry[tab + 1..]);
            if fields.ends_with(b" 2") && self.is_own(path) {
                here.push(files::path_from_bytes(path));
            } else if fields.ends_with(b" 3") && self.is_own(path) {
                there.insert(String::from_utf8_lossy(path).into_owned());
            }
        }
        Ok((here, there))
    }

    /// The current index; its file is read each time. Git lists it only if the file has an uncommon format.
    pub(crate) fn index(&self) -> Result<Rc<Index>> {
        let mut file = self.index_file();
        let last = self.memo.index.borrow().clone();
        if let Some(last) = last.filter(|last| file.is_some() && last.file == file) {
            return Ok(last);
        }
        let entries = match file.as_deref().zip(self.id_bytes()).and_then(|(file, id)| entries(file, id)) {
            Some(entries) => entries,
            None => {
                let call = self.git().args(["ls-files", "-v", "-s", "-z"]).long();
                let listed = |output: &[u8]| records(output).map(listed).collect();
                let entries = call.parsed("TAG MODE OBJECT STAGE PATH", listed)?;
                file = file.filter(|file| self.index_file().as_ref() == Some(file));
                entries
            }
        };
        let unseen = entries.iter().enumerate().filter_map(|(at, (_, unseen))| Some((at, (*unseen)?))).collect();
        let index = Rc::new(Index { entries: entries.into_iter().map(|(entry, _)| entry).collect(), unseen, file });
        *self.memo.index.borrow_mut() = Some(index.clone());
        Ok(index)
    }

    /// The bytes of the index file; `None` if there is none yet.
    pub(crate) fn index_file(&self) -> Option<Vec<u8>> {
        std::fs::read(self.git_dir().join("index")).ok()
    }

    /// The tracked files below a path (which ends with `/`), from the repository's root.
    pub(crate) fn tracked(&self, below: &[u8]) -> Result<Vec<Vec<u8>>> {
        let index = self.index()?;
        let mut paths: Vec<Vec<u8>> =
            index.entries.iter().filter(|it| it.path.starts_with(below)).map(|it| it.path.clone()).collect();
        paths.dedup();
        Ok(paths)
    }

    /// Like `tracked`, with submodules replaced by the files in them if they are checked out.
    pub(crate) fn tracked_with_submodules(&self, below: &[u8]) -> Result<Vec<Vec<u8>>> {
        let index = self.index()?;
        let submodules: Vec<&TreeEntry> = index.entries.iter().filter(|entry| entry.mode == "160000").collect();
        if submodules.is_empty() {
            return self.tracked(below);
        }
        let mut call = self.git().args(["ls-files", "-z", "--cached", "--recurse-submodules"]);
        if !below.is_empty() {
            call = call.arg("--").arg(files::path_from_bytes(below));
        }
        let listed = records(&call.ok()?).map(<[u8]>::to_vec).collect::<Vec<_>>();
        // Git still lists the files of a submodule whose directory was emptied.
        let is_empty = |path: &[u8]| {
            let entries = std::fs::read_dir(self.root().join(files::path_from_bytes(path)));
            entries.is_ok_and(|mut entries| entries.next().is_none())
        };
        let emptied = submodules.iter().filter(|it| it.path.starts_with(below) && is_empty(&it.path));
        Ok(emptied.map(|it| it.path.clone()).chain(listed).collect())
    }
}

/// An entry, and why git does not check it for changes.
type Listed = (TreeEntry, Option<Unseen>);

/// Parses an index file of version 2 or 3 with object ids of `id` bytes and only optional extensions (see
/// gitformat-index). Returns `None` for any other, such as a split index or one with sparse directories.
fn entries(file: &[u8], id: usize) -> Option<Vec<Listed>> {
    const ASSUMED: u16 = 0x8000;
    const EXTENDED: u16 = 0x4000;
    const LEFT_OUT: u16 = 0x4000;
    const LENGTH: u16 = 0x0FFF;
    let word = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_be_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let (b"DIRC", 2 | 3) = (file.get(..4)?, word(4)?) else { return None };
    let (mut found, mut at) = (Vec::new(), 12);
    for _ in 0..word(8)? {
        let (mode, object, flags) = (word(at + 24)?, file.get(at + 40..at + 40 + id)?, half(at + 40 + id)?);
        let (more, start) = if flags & EXTENDED == 0 { (0, at + 42 + id) } else { (half(at + 42 + id)?, at + 44 + id) };
        let path = file.get(start..)?.split(|byte| *byte == 0).next()?;
        if path.len().min(usize::from(LENGTH)) != usize::from(flags & LENGTH) {
            return None;
        }
        let assumed = (flags & ASSUMED != 0).then_some(Unseen::Assumed);
        let unseen = if more & LEFT_OUT == 0 { assumed } else { Some(Unseen::LeftOut) };
        let mode = if mode == 0o100_644 { "100644".to_owned() } else { format!("{mode:06o}") };
        found.push((TreeEntry { mode, object: hex(object), path: path.to_vec() }, unseen));
        // One to eight NULs pad each entry to a multiple of eight bytes.
        at += (start - at + path.len() + 8) / 8 * 8;
    }
    let end = file.len().checked_sub(id)?;
    while at < end && file.get(at)?.is_ascii_uppercase() {
        at += 8 + usize::try_from(word(at + 4)?).ok()?;
    }
    (at == end).then_some(found)
}

fn listed(record: &[u8]) -> Option<Listed> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let [tag, mode, object, _stage] = std::str::from_utf8(&record[..tab]).ok()?.split(' ').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let unseen = match tag {
        "S" | "s" => Some(Unseen::LeftOut),
        tag => tag.starts_with(|tag: char| tag.is_ascii_lowercase()).then_some(Unseen::Assumed),
    };
    let entry = TreeEntry { mode: mode.to_owned(), object: object.to_owned(), path: record[tab + 1..].to_vec() };
    Some((entry, unseen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn tracked_files_are_those_of_the_index_as_it_is_now() {
        let sandbox = Sandbox::new();
        sandbox.write("lib/[x]*", "123");
        sandbox.commit("other", "1", "one");
        sandbox.write("lib/untracked", "1");
        let repo = sandbox.repo();
        assert_eq!(repo.tracked(b"lib/").unwrap(), [b"lib/[x]*".to_vec()]);
        sandbox.git(&["add", "lib"]);
        assert_eq!(repo.tracked(b"lib/").unwrap().len(), 2);
        sandbox.git(&["rm", "-q", "--cached", "other"]);
        assert_eq!(repo.tracked(b"").unwrap().len(), 2);
    }

    #[test]
    fn files_that_git_does_not_check_are_marked() {
        let sandbox = Sandbox::new();
        sandbox.write("b", "1");
        sandbox.write("c", "1");
        sandbox.commit("a", "1", "one");
        sandbox.git(&["update-index", "--assume-unchanged", "a"]);
        sandbox.git(&["update-index", "--skip-worktree", "c"]);
        let index = sandbox.repo().index().unwrap();
        let hidden: Vec<&[u8]> = index.hidden().map(|entry| entry.path.as_slice()).collect();
        let left_out: Vec<&[u8]> = index.left_out().map(|entry| entry.path.as_slice()).collect();
        assert_eq!((hidden, left_out), (vec![b"a".as_slice(), b"c"], vec![b"c".as_slice()]));
    }

    #[test]
    fn the_file_is_read_as_git_lists_it_and_in_other_formats_git_is_asked() {
        for format in ["sha1", "sha256"] {
            let sandbox = Sandbox::with_format(format);
            sandbox.git(&["config", "index.version", "2"]);
            for path in ["a", "ab/c", "eight/ab", "ex", &format!("long/{}", "n".repeat(200)), "z\u{fc}"] {
                sandbox.write(path, path);
            }
            sandbox.commit_all("one");
            let repo = sandbox.repo();
            let both = || {
                let file = repo.index_file().unwrap();
                let listed_by_git = repo.git().args(["ls-files", "-v", "-s", "-z"]).ok().unwrap();
                let listed_by_git: Vec<Listed> = records(&listed_by_git).map(|it| listed(it).unwrap()).collect();
                (entries(&file, repo.id_bytes().unwrap()), listed_by_git)
            };
            let same = || {
                let (read, listed) = both();
                assert_eq!(read.unwrap(), listed, "{format}");
            };
            same();
            sandbox.git(&["update-index", "--assume-unchanged", "a"]);
            sandbox.git(&["update-index", "--skip-worktree", "ab/c", "ex"]);
            sandbox.write("new", "1");
            sandbox.git(&["add", "-N", "new"]);
            same();
            // A conflicting path has one entry per side.
            sandbox.git(&["checkout", "-q", "-b", "side"]);
            sandbox.commit("z\u{fc}", "2", "side");
            sandbox.git(&["checkout", "-q", "main"]);
            sandbox.commit("z\u{fc}", "3", "main");
            let _ = std::panic::catch_unwind(|| sandbox.git(&["merge", "-q", "side"]));
            same();
            assert!(both().1.iter().filter(|(entry, _)| entry.path == "z\u{fc}".as_bytes()).count() == 3);

            for other in [["update-index", "--index-version=4"], ["update-index", "--split-index"]] {
                sandbox.git(&["update-index", "--index-version=2"]);
                sandbox.git(&other);
                assert_eq!(both().0, None, "{other:?}");
                assert_eq!(repo.index().unwrap().entries.len(), both().1.len());
            }
            let mut file = repo.index_file().unwrap();
            file.truncate(file.len() - 1);
            assert_eq!(entries(&file, repo.id_bytes().unwrap()), None);
        }
    }
}
