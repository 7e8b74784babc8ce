//! What git's index holds: the files that are tracked, and those of them that git was told not to look at.

use std::cell::RefCell;
use std::rc::Rc;

use crate::git::call::records;
use crate::git::{GitError, Repo, TreeEntry};
use crate::model::Digest;
use crate::os::files;

/// The index of a checkout.
#[derive(Debug)]
pub(crate) struct Index {
    /// Its files in byte order, from the repository's root; one in conflict stands here once for each side.
    pub(crate) entries: Rc<[TreeEntry]>,
    /// Which of them git does not look at.
    unseen: Vec<(usize, Unseen)>,
    /// Of the file that holds it, where it did not change while it was listed.
    pub(crate) digest: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unseen {
    /// It is taken for unchanged.
    Assumed,
    /// A sparse checkout leaves it out.
    LeftOut,
}

/// The last index that was listed, which is one with every other of the same bytes.
pub(crate) type LastIndex = RefCell<Option<Rc<Index>>>;

impl Index {
    /// The files whose changes git does not tell, except submodules, which have no content to look at.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &TreeEntry> {
        self.unseen.iter().map(|(at, _)| &self.entries[*at]).filter(|entry| entry.mode != "160000")
    }

    pub(crate) fn left_out(&self) -> impl Iterator<Item = &TreeEntry> {
        self.unseen.iter().filter(|(_, why)| *why == Unseen::LeftOut).map(|(at, _)| &self.entries[*at])
    }
}

impl Repo {
    /// The index as it is now: its file is read each time, and listed by git where it is not as it was.
    pub(crate) fn index(&self) -> Result<Rc<Index>, GitError> {
        let digest = self.index_digest();
        let last = self.last_index().borrow().clone();
        if let Some(last) = last.filter(|last| digest.is_some() && last.digest == digest) {
            return Ok(last);
        }
        let call = self.git().args(["ls-files", "-v", "-s", "-z"]).long();
        let listed: Vec<(TreeEntry, Option<Unseen>)> =
            call.parsed("TAG MODE OBJECT STAGE PATH", |output| records(output).map(listed).collect())?;
        let unseen = listed.iter().enumerate().filter_map(|(at, (_, unseen))| Some((at, (*unseen)?))).collect();
        let digest = digest.filter(|digest| self.index_digest().as_ref() == Some(digest));
        let index = Index { entries: listed.into_iter().map(|(entry, _)| entry).collect(), unseen, digest };
        let index = Rc::new(index);
        *self.last_index().borrow_mut() = Some(index.clone());
        Ok(index)
    }

    /// Of the bytes of its file; `None` where there is none yet.
    pub(crate) fn index_digest(&self) -> Option<Digest> {
        std::fs::read(self.git_dir().join("index")).ok().map(|bytes| Digest::of_bytes(&bytes))
    }

    /// The files that git tracks below a path, which ends with `/`, from the repository's root.
    pub(crate) fn tracked(&self, below: &[u8]) -> Result<Vec<Vec<u8>>, GitError> {
        let index = self.index()?;
        let mut paths: Vec<Vec<u8>> =
            index.entries.iter().filter(|it| it.path.starts_with(below)).map(|it| it.path.clone()).collect();
        paths.dedup();
        Ok(paths)
    }

    /// The same, with the files of the submodules that are checked out in place of these.
    pub(crate) fn tracked_with_submodules(&self, below: &[u8]) -> Result<Vec<Vec<u8>>, GitError> {
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
        // Of one whose directory was emptied, git still lists what it held.
        let is_empty = |path: &[u8]| {
            let entries = std::fs::read_dir(self.root().join(files::path_from_bytes(path)));
            entries.is_ok_and(|mut entries| entries.next().is_none())
        };
        let emptied = submodules.iter().filter(|it| it.path.starts_with(below) && is_empty(&it.path));
        Ok(emptied.map(|it| it.path.clone()).chain(listed).collect())
    }
}

fn listed(record: &[u8]) -> Option<(TreeEntry, Option<Unseen>)> {
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
    fn what_git_does_not_look_at_is_told_from_what_it_does() {
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
}
