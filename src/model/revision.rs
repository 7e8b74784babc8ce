//! Which code was measured and on which machine, and whether two revisions or two machines are the same.

use serde::{Deserialize, Serialize};

use crate::model::Digest;

/// The state of the project's files when something was measured.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit checked out; `None` outside git and before the first commit.
    pub commit: Option<String>,
    pub tree: Option<String>,
    /// The tree without the tool's own files: two revisions with equal `code` are the same code. In git, the
    /// digest of the commit's entries outside the own files; elsewhere, of the project's files themselves.
    pub code: Option<Digest>,
    pub branch: Option<String>,
    pub work_tree: WorkTree,
}

/// Uncommitted work outside the tool's own files.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkTree {
    /// Nothing is uncommitted.
    Clean,
    /// Uncommitted changes, with the digest of their paths and content.
    Dirty { paths: u32, digest: Digest },
    /// Not under git (or no commit yet): there is nothing to be clean against; `code` stands for the files.
    Unversioned,
    /// Git could not say; never read as clean.
    Unknown { reason: String },
}

impl Default for WorkTree {
    fn default() -> Self {
        Self::Unknown { reason: "nobody looked at it".to_owned() }
    }
}

impl Revision {
    pub fn same_code(&self, other: &Self) -> bool {
        let same_files = matches!((&self.code, &other.code), (Some(a), Some(b)) if a == b);
        same_files && self.dirty_digest() == other.dirty_digest()
    }

    /// Whether nothing is uncommitted; true for an unversioned project, which is identified by its files.
    pub fn nothing_uncommitted(&self) -> bool {
        matches!(self.work_tree, WorkTree::Clean | WorkTree::Unversioned)
    }

    pub fn dirty_digest(&self) -> Option<&Digest> {
        if let WorkTree::Dirty { digest, .. } = &self.work_tree { Some(digest) } else { None }
    }

    /// The first 12 digits of the commit hash, or else the digest of the files, or "unknown".
    pub fn short(&self) -> String {
        match (&self.commit, &self.code) {
            (Some(commit), _) => commit.chars().take(12).collect(),
            (None, Some(code)) => format!("files:{}", code.short()),
            (None, None) => "unknown".to_owned(),
        }
    }
}

/// What the machine was and how busy it was. Unknown parts are `None`.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    pub cpu: Option<String>,
    pub cores: Option<u32>,
    pub memory_bytes: Option<u64>,
    pub governor: Option<String>,
    pub virtualization: Option<String>,
    /// Digest of host name and machine id: tells machines apart without naming them.
    pub host_digest: Option<String>,
    pub on_battery: Option<bool>,
    pub load_1m: Option<f64>,
}

impl Machine {
    /// The properties that differ and make two measurements incomparable; empty for the same machine.
    /// Ignores load and battery, which vary on one machine, and properties unknown on either side.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let parts = [
            (known(&self.os), known(&other.os), "operating system"),
            (known(&self.arch), known(&other.arch), "architecture"),
            (self.cpu.clone(), other.cpu.clone(), "CPU model"),
            (self.cores.map(|n| n.to_string()), other.cores.map(|n| n.to_string()), "number of cores"),
            (self.governor.clone(), other.governor.clone(), "frequency governor"),
            (self.virtualization.clone(), other.virtualization.clone(), "virtualization"),
            (self.host_digest.clone(), other.host_digest.clone(), "host"),
        ];
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        parts.iter().filter(|(a, b, _)| differ(a, b)).map(|(_, _, part)| *part).collect()
    }
}
