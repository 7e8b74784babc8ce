//! A commit, the files that it changes, and what its message says of itself.

use std::collections::BTreeMap;

use crate::model::{CommitName, Digest};

/// One commit. Its ids are the values of the trailer that names changes, in order, as git reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub author_name: String,
    pub author_email: String,
    /// When it was first written, in seconds since 1970 UTC.
    pub author_time: i64,
    /// When it was committed as it is now, in seconds since 1970 UTC.
    pub commit_time: i64,
    pub subject: String,
    pub message: String,
    pub ids: Vec<String>,
    pub files: Vec<FileChange>,
}

/// A changed file, as git's raw format tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChange {
    /// With `/`: from the repository's root as git lists it, from the project's root for an audit.
    pub path: Vec<u8>,
    /// `A` added, `M` modified, `D` deleted, `T` of another type, `U` in conflict. For a merge against all its
    /// parents, one letter for each.
    pub status: String,
    /// Mode before (against the first parent); `000000` when there was nothing.
    pub old_mode: String,
    pub new_mode: String,
    /// Object before; all zeros when there was nothing.
    pub old_object: String,
    pub new_object: String,
    /// Whether it is one of the tool's own files; known once the project is.
    pub own: bool,
}

/// A commit that git can make again from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remake<'a> {
    Merge {
        commit: &'a str,
        parents: &'a [String],
    },
    /// A commit that takes another one back (a merge against its first parent).
    Revert {
        commit: &'a str,
        of: &'a str,
    },
    /// A commit that is another one in another place: picking that gives it, and taking that back gives its parent. One
    /// whose parent has half of the work already is another one.
    Pick {
        commit: &'a str,
        of: &'a str,
    },
    /// The parent of a commit, given by taking another one back.
    Unpick {
        commit: &'a str,
        of: &'a str,
    },
    /// A head from which a commit is taken back, so that nothing changes where its work is gone.
    Gone {
        head: &'a str,
        of: &'a str,
    },
}

/// What a commit has otherwise than git makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remade {
    /// Files in conflict, which somebody had to decide on.
    pub decided: Vec<FileChange>,
    pub differs: Vec<FileChange>,
}

impl Remake<'_> {
    /// What a pick has to give the other way.
    pub fn back(&self) -> Option<Self> {
        match *self {
            Self::Pick { commit, of } => Some(Self::Unpick { commit, of }),
            Self::Merge { .. } | Self::Revert { .. } | Self::Unpick { .. } | Self::Gone { .. } => None,
        }
    }
}

impl Remade {
    pub fn is_same(&self) -> bool {
        self.decided.is_empty() && self.differs.is_empty()
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

    /// Whether it changes only the tool's own files (or nothing at all): it is no change to the code.
    pub fn is_evidence_only(&self) -> bool {
        self.files.iter().all(|file| file.own)
    }

    /// The marker with which its subject asks for it to be squashed into another.
    pub fn fixup(&self) -> Option<&'static str> {
        ["fixup!", "squash!", "amend!"].into_iter().find(|marker| self.subject.starts_with(marker))
    }

    /// In git's own words, and in those of rollbacks that older versions made.
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
    /// Digest of what files, with their paths from the project's root, were and became.
    pub fn content<'a>(files: impl Iterator<Item = (String, &'a Self)>) -> Digest {
        let of = |(path, it): (String, &'a Self)| {
            (path, [&it.old_mode, &it.new_mode, &it.old_object, &it.new_object].map(String::clone))
        };
        let all: BTreeMap<String, [String; 4]> = files.map(of).collect();
        Digest::of_json(&serde_json::json!(all))
    }

    /// Its path as text; empty where it is not UTF-8.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.path).unwrap_or_default()
    }

    /// Whether it is a regular file, as far as it is there before and after: no link, no submodule.
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
    fn what_is_reverted_is_read_from_gits_own_sentence() {
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
