//! Which code was measured. Owns the difference between "the same code" and "the same commit"; must not run git.

use serde::{Deserialize, Serialize};

use crate::model::Digest;

/// The state of the project's files when something was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit checked out; `None` outside git and before the first commit.
    pub commit: Option<String>,
    pub tree: Option<String>,
    /// The tree without the tool's own files: two revisions with equal `code` are the same code. In git, the
    /// digest of the commit's entries outside the own files; elsewhere, of the project's files themselves.
    pub code: Option<Digest>,
    pub branch: Option<String>,
    /// What is uncommitted outside the tool's own files.
    pub work_tree: WorkTree,
}

/// Uncommitted work outside the tool's own files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkTree {
    Clean,
    /// Uncommitted changes, with the digest of their content.
    Dirty {
        paths: u32,
        /// Digest over the differing paths and their content.
        digest: Digest,
    },
    /// Not under git (or no commit yet): there is nothing to be clean against; `code` stands for the files.
    Unversioned,
    /// Git could not say; never read as clean.
    Unknown {
        reason: String,
    },
}

impl Revision {
    /// Whether both sides are known to be the same code.
    pub fn same_code(&self, other: &Self) -> bool {
        let same_files = matches!((&self.code, &other.code), (Some(a), Some(b)) if a == b);
        same_files && self.dirty_digest() == other.dirty_digest()
    }

    /// Whether nothing is uncommitted (an unversioned project is what its files are, so it counts).
    pub fn is_settled(&self) -> bool {
        matches!(self.work_tree, WorkTree::Clean | WorkTree::Unversioned)
    }

    /// Digest of the uncommitted work, if there is any.
    pub fn dirty_digest(&self) -> Option<&Digest> {
        match &self.work_tree {
            WorkTree::Dirty { digest, .. } => Some(digest),
            WorkTree::Clean | WorkTree::Unversioned | WorkTree::Unknown { .. } => None,
        }
    }

    /// The commit's first 12 digits, or the digest of the files, or "unknown".
    pub fn short(&self) -> String {
        match (&self.commit, &self.code) {
            (Some(commit), _) => commit.chars().take(12).collect(),
            (None, Some(code)) => format!("files:{}", code.short()),
            (None, None) => "unknown".to_owned(),
        }
    }
}
