//! `surfaces` and `contract_docs`: which paths and variables belong to which layer of the control hierarchy.

use serde::Serialize;

use crate::config::Section;

/// Globs over paths (from the project's root, `/` between parts) and over names of variables, by layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Surfaces {
    /// Code safety and invariants, the highest authority.
    pub invariants: Vec<String>,
    /// Contract documents and the code that keeps them.
    pub contracts: Vec<String>,
    /// Overrides by environment: names of variables, or files that set them.
    pub env: Vec<String>,
    /// Files of operating knobs, beside those that `tuneables.files` names.
    pub tuneables: Vec<String>,
    /// Benchmark and command line overlays.
    pub overlays: Vec<String>,
}

/// Which files count as documents and tests: a change of a contract must touch both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContractDocs {
    /// Globs of documents.
    pub docs: Vec<String>,
    /// Globs of tests.
    pub tests: Vec<String>,
}

impl Surfaces {
    pub(crate) const KEYS: &'static [&'static str] = &["invariants", "contracts", "env", "tuneables", "overlays"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        Self {
            invariants: s.globs("invariants").unwrap_or_default(),
            contracts: s.globs("contracts").unwrap_or_default(),
            env: s.globs("env").unwrap_or_default(),
            tuneables: s.globs("tuneables").unwrap_or_default(),
            overlays: s.globs("overlays").unwrap_or_default(),
        }
    }

    /// Whether no surface is declared.
    pub fn is_empty(&self) -> bool {
        [&self.invariants, &self.contracts, &self.env, &self.tuneables, &self.overlays].iter().all(|g| g.is_empty())
    }
}

impl Default for ContractDocs {
    fn default() -> Self {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        Self { docs: owned(Self::DEFAULT_DOCS), tests: owned(Self::DEFAULT_TESTS) }
    }
}

impl ContractDocs {
    /// Markdown anywhere, and whatever lies under `docs`.
    pub const DEFAULT_DOCS: &'static [&'static str] = &["docs/**", "**/*.md"];
    /// The places and names that the usual test runners look for.
    pub const DEFAULT_TESTS: &'static [&'static str] =
        &["**/tests/**", "**/test/**", "**/__tests__/**", "**/test_*.py", "**/*_test.*", "**/*.test.*", "**/*.spec.*"];

    pub(crate) const KEYS: &'static [&'static str] = &["docs", "tests"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let default = Self::default();
        Self { docs: s.globs("docs").unwrap_or(default.docs), tests: s.globs("tests").unwrap_or(default.tests) }
    }
}
