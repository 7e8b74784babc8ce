//! Commits, the files they change, and what their messages declare (fixup markers, reverted commits).

use std::collections::BTreeMap;

use crate::model::{CommitName, Digest};

/// One commit. `ids` holds the values of the change trailer, in order, as git parses them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub author_name: String,
    pub author_email: String,
    /// Author date in Unix seconds.
    pub author_time: i64,
    /// Committer date in Unix seconds.
    pub commit_time: i64,
    pub subject: String,
    pub message: String,
    pub ids: Vec<String>,
    pub files: Vec<FileChange>,
}

/// A changed file, from git's raw diff format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChange {
    /// With `/` separators: relative to the repository root as git lists it, to the project root in an audit.
    pub path: Vec<u8>,
    /// `A` added, `M` modified, `D` deleted, `T` type changed, `U` unmerged. For a combined diff of a merge, one letter
    /// per parent.
    pub status: String,
    /// Mode in the first parent; `000000` if the file did not exist.
    pub old_mode: String,
    pub new_mode: String,
    /// Object id in the first parent; all zeros if the file did not exist.
    pub old_object: String,
    pub new_object: String,
    /// Whether it is one of the tool's own files; set once the project root is known.
    pub own: bool,
}

/// A commit that git can recompute from others by a three-way merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remake<'a> {
    /// A merge of these parents.
    Merge { commit: &'a str, parents: &'a [String] },
    /// A commit that reverts another one (a merge relative to its first parent).
    Revert { commit: &'a str, of: &'a str },
    /// The parent of `commit`, a revert of `of`, recomputed by picking `of` on it again: the revert took out all of `of`.
    Unrevert { commit: &'a str, of: &'a str },
    /// A commit with the same change as another one: cherry-picking `of` onto its parent gives it, and reverting `of`
    /// on it gives its parent. The second half fails if the parent already had part of the change.
    Pick { commit: &'a str, of: &'a str },
    /// The parent of `commit`, recomputed by reverting `of` on `commit`.
    Unpick { commit: &'a str, of: &'a str },
    /// A head on which `of` is reverted: nothing changes if the head no longer has the work of `of`.
    Gone { head: &'a str, of: &'a str },
}

/// How a commit differs from what git recomputes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remade {
    /// Files that conflict in the merge, so that somebody resolved them by hand.
    pub decided: Vec<FileChange>,
    pub differs: Vec<FileChange>,
}

impl Remake<'_> {
    /// For a pick, the reverse check that must hold as well.
    pub fn back(&self) -> Option<Self> {
        if let Self::Pick { commit, of } = *self { Some(Self::Unpick { commit, of }) } else { None }
    }
}

impl Remade {
    pub fn is_same(&self) -> bool {
        self.decided.is_empty() && self.differs.is_empty()
    }

    /// Whether it alters something, and without a conflict.
    pub fn is_applied(&self) -> bool {
        self.decided.is_empty() && !self.differs.is_empty()
    }
}

impl Commit {
    pub fn name(&self) -> CommitName {
        CommitName { id: self.id.clone(), subject: self.subject.clone() }
    }

    pub fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> + Clone {
        self.files.iter().filter(|file| !file.own).map(FileChange::name)
    }

    /// Whether it changes only the tool's own files, or nothing at all, and so no code.
    pub fn is_evidence_only(&self) -> bool {
        self.files.iter().all(|file| file.own)
    }

    /// The marker at the start of its subject by which `git rebase --autosquash` squashes it into another commit.
    pub fn fixup(&self) -> Option<&'static str> {
        ["fixup!", "squash!", "amend!"].into_iter().find(|marker| self.subject.starts_with(marker))
    }

    /// Hashes of the commits that its message says it reverts, in git's wording or in that of older versions'
    /// rollbacks.
    pub fn reverted(&self) -> Vec<String> {
        let hashes = |words: &str| -> Vec<String> {
            let after = self.message.split(words).skip(1);
            let hashes = after.map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
            hashes.filter(|hash| (7..=64).contains(&hash.len())).collect()
        };
        let reverted = hashes("This reverts commit ");
        if reverted.is_empty() { hashes("\nRolls back ") } else { reverted }
    }
}

impl FileChange {
    /// Digest of the modes and objects before and after of files, keyed by their path from the project root.
    pub fn content<'a>(files: impl Iterator<Item = (String, &'a Self)>) -> Digest {
        let of = |(path, it): (String, &'a Self)| {
            (path, [&it.old_mode, &it.new_mode, &it.old_object, &it.new_object].map(String::clone))
        };
        let all: BTreeMap<String, [String; 4]> = files.map(of).collect();
        Digest::of_json(&serde_json::json!(all))
    }

    /// Its path as text; empty if it is not UTF-8.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.path).unwrap_or_default()
    }

    /// Whether it is a non-executable regular file, or absent, both before and after: no link, no submodule.
    pub fn is_regular(&self) -> bool {
        is_regular(&self.old_mode) && is_regular(&self.new_mode)
    }

    pub fn reversed(self) -> Self {
        let status = match self.status.as_str() {
            "A" => "D".to_owned(),
            "D" => "A".to_owned(),
            _ => self.status,
        };
        let (old_mode, new_mode) = (self.new_mode, self.old_mode);
        let (old_object, new_object) = (self.new_object, self.old_object);
        Self { path: self.path, status, old_mode, new_mode, old_object, new_object, own: self.own }
    }

    pub fn is_new(&self) -> bool {
        !self.status.is_empty() && self.status.bytes().all(|letter| letter == b'A')
    }
}

pub fn is_regular(mode: &str) -> bool {
    matches!(mode, "100644" | "000000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverted_commits_are_parsed_from_the_message() {
        let reverted = |message: &str| Commit { message: message.to_owned(), ..Commit::default() }.reverted();
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(reverted(&format!("Revert \"x\"\n\nThis reverts commit {hash}.\n")), [hash]);
        let of_merge = format!("This reverts commit {hash}, reversing\nchanges made to 1234567.");
        assert_eq!(reverted(&of_merge), [hash]);
        assert!(reverted("This reverts commit that was wrong.").is_empty());
        assert!(reverted("no revert").is_empty());
        assert_eq!(reverted(&format!("Revert \"x\"\n\nRolls back {hash}: it hurt\n")), [hash]);
    }

    #[test]
    fn only_a_marker_at_the_start_makes_a_fixup() {
        let fixup = |subject: &str| Commit { subject: subject.to_owned(), ..Commit::default() }.fixup();
        assert_eq!(fixup("fixup! x"), Some("fixup!"));
        assert_eq!(fixup("squash! x"), Some("squash!"));
        assert_eq!(fixup("amend! x"), Some("amend!"));
        assert_eq!(fixup("Explain fixup! commits"), None);
    }
}
