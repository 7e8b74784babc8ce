//! The config sections about what a change must fulfil: surfaces, validation, pairs, rollout, verification, review,
//! enforcement.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::reader;
use crate::model::{Gate, MIN_DAYS, Stage};

/// Globs over paths (from the project's root, `/` between parts) and over names of variables, by layer.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SurfaceConfig {
    /// Code safety and invariants, the highest authority.
    pub invariants: Vec<String>,
    /// Contract documents and the code that keeps them.
    pub contracts: Vec<String>,
    /// Overrides by environment: names of variables, or files that set them.
    pub env: Vec<String>,
    /// Files of tuneables, beside those that `tuneables.files` names.
    pub tuneables: Vec<String>,
    /// Benchmark and command line overlays.
    pub overlays: Vec<String>,
}

/// Which files count as documents and tests: a change of a contract must touch both.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContractDocs {
    /// Globs of documents.
    pub docs: Vec<String>,
    /// Globs of tests.
    pub tests: Vec<String>,
}

impl Default for ContractDocs {
    fn default() -> Self {
        // Markdown anywhere, and the places and names that common test runners look for.
        let docs = ["docs/**", "**/*.md"];
        let tests = [
            "**/tests/**",
            "**/test/**",
            "**/__tests__/**",
            "**/test_*.py",
            "**/*_test.*",
            "**/*.test.*",
            "**/*.spec.*",
        ];
        Self { docs: docs.map(str::to_owned).into(), tests: tests.map(str::to_owned).into() }
    }
}

/// Settings of the validation gate.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ValidationConfig {
    /// What a failed validation does to the change.
    pub on_failure: OnFailure,
    /// Whether the HTTP probes are requested as a smoke test (they count only where some are configured).
    pub smoke: bool,
    /// Whether the checks also run in the rehearsed rollback.
    pub rehearse_checks: bool,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self { on_failure: OnFailure::Reject, smoke: true, rehearse_checks: false }
    }
}

/// What a failed validation does.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The change is rejected and the rollback printed: the workflow's rule.
    Reject,
    /// The change stays open and may be validated again.
    Retry,
}

/// Settings of paired measuring.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct PairConfig {
    /// Whether `compare --change-id` measures in pairs.
    pub enabled: bool,
    /// Command that prepares each checkout; without it, `commands.build`.
    pub prepare: Option<String>,
    /// Untracked inputs shared into both checkouts, relative to the project's root.
    pub share: Vec<String>,
    /// Variable that names the tuneables file, for tuneables outside the repository.
    pub tuneables_env: Option<String>,
    /// Fewest pairs, at least [`PairConfig::LEAST_PAIRS`].
    pub min_pairs: u32,
    /// Most pairs.
    pub max_pairs: u32,
    /// Seconds after which no further pair is begun.
    pub max_time_s: f64,
    /// Smallest relative effect worth a verdict: a share (0.01) or a percentage (`1%`).
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    #[serde(deserialize_with = "reader::share")]
    pub min_effect: f64,
    /// Whether both runs of a pair are held on one core.
    pub pin: Pin,
}

impl Default for PairConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            prepare: None,
            share: Vec::new(),
            tuneables_env: None,
            min_pairs: 10,
            max_pairs: 40,
            max_time_s: 600.0,
            // The smallest effect that a quiet machine can distinguish from noise.
            min_effect: 0.01,
            pin: Pin::default(),
        }
    }
}

impl PairConfig {
    /// With fewer than six pairs the exact two-sided signed-rank test cannot reach 5 %: 2 / 2^5 is 0.0625.
    pub const LEAST_PAIRS: u32 = 6;
}

/// Whether both runs of a pair are held on one core.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// Where the warm-up shows that the command is one thread of one process.
    #[default]
    Auto,
    /// Whatever the command is.
    Always,
    /// Not at all.
    Never,
}

/// A kind of key that git can sign with.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    Ssh,
    Gpg,
}

impl Sign {
    /// Git's name for the format (`gpg.format`).
    pub fn format(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Gpg => "openpgp",
        }
    }
}

/// The stages through which a promoted change goes live.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// In the order canary, live, full, each at most once; the last is always full.
    pub stages: Vec<StageConfig>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { stages: vec![StageConfig::default()] }
    }
}

/// One stage.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StageConfig {
    /// Which one.
    pub name: Stage,
    /// Hours that it must last before the next one may begin.
    pub soak_hours: f64,
    /// Command that must succeed when it is entered.
    pub check: Option<String>,
}

/// Settings of the last gate.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Verification {
    /// Days of monitoring, at least 3, which no config lowers.
    pub min_monitor_days: u32,
    /// Whether the tree must be clean.
    pub require_clean_git: bool,
}

impl Default for Verification {
    fn default() -> Self {
        Self { min_monitor_days: MIN_DAYS, require_clean_git: false }
    }
}

/// How much worse one metric may get over all changes together.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RegressionBudget {
    /// Its name.
    pub metric: String,
    /// The revision that it is counted from, such as the tag of a release.
    pub since: String,
    /// A share (0.03) or a percentage (`+3%`).
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    #[serde(deserialize_with = "reader::share")]
    pub at_most: f64,
}

/// Settings of the review.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Review {
    /// Whether a missing review is worth a hint.
    pub recommended: bool,
    /// Whether VERIFIED demands an attestation.
    pub require_attestation: bool,
    /// Whether a review counts only from another person than the author of the change, by git's identities.
    pub other_person: bool,
    /// Whether an attestation whose mode is not among `allowed_modes` is refused.
    pub enforce_recommended_modes: bool,
    /// Reasoning modes allowed by tool, for codex and claude those of the Python tool unless listed; another tool may
    /// use any.
    pub allowed_modes: BTreeMap<String, Vec<String>>,
    /// What the Python tool recommended by tool; it is read and has no effect.
    pub recommended_tools: BTreeMap<String, serde_json::Value>,
}

impl Default for Review {
    fn default() -> Self {
        Self {
            recommended: true,
            require_attestation: true,
            other_person: false,
            enforce_recommended_modes: true,
            allowed_modes: BTreeMap::new(),
            recommended_tools: BTreeMap::new(),
        }
    }
}

impl Review {
    /// A tool and mode from `allowed_modes` for printed commands; `None` if a person's review is allowed.
    pub fn suggested(&self) -> Option<(&str, &str)> {
        let other = self.allowed_modes.get("other")?;
        if other.iter().any(|mode| mode == "human") {
            return None;
        }
        let all = std::iter::once(("other", other))
            .chain(self.allowed_modes.iter().map(|(tool, modes)| (tool.as_str(), modes)));
        all.into_iter().find_map(|(tool, modes)| Some((tool, modes.first()?.as_str())))
    }

    pub fn allows(&self, tool: &str, mode: &str) -> bool {
        self.modes(tool).is_none_or(|modes| modes.contains(&mode))
    }

    /// The modes allowed for a tool, by default those of the Python tool; `None` if any mode is allowed.
    pub fn modes(&self, tool: &str) -> Option<Vec<&str>> {
        match (self.allowed_modes.get(tool), tool) {
            (Some(modes), _) => Some(modes.iter().map(String::as_str).collect()),
            (None, "codex") => Some(vec!["xhigh", "high"]),
            (None, "claude") => Some(vec!["plan"]),
            // If modes are restricted, they cannot be bypassed with another tool's name.
            (None, _) if !self.allowed_modes.is_empty() => Some(vec!["human"]),
            (None, _) => None,
        }
    }
}

/// Settings of the hooks and of the range check.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Enforcement {
    /// Key of the commit trailer that carries the change's id.
    pub trailer: String,
    /// The gate that a commit's change must have passed; `promoted` and `verified` are read too.
    #[cfg_attr(test, schemars(with = "String"))]
    #[serde(deserialize_with = "reader::gate")]
    pub require: Gate,
    /// Whether every checkout is to have the hooks.
    pub hooks: bool,
    /// Within how many days of what it claims a monitored day must have been committed; without it, being late is
    /// only worth a warning.
    pub witness_within_days: Option<u32>,
    /// The most days for which an emergency's override may hold.
    pub max_emergency_days: u32,
    /// The hash of a commit: what it has in its history is older than the use of this tool, and is not checked.
    pub since: Option<String>,
    /// What needs no change, each with its reason.
    pub exempt: Vec<ExemptionConfig>,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self {
            trailer: Self::DEFAULT_TRAILER.to_owned(),
            require: Gate::Baseline,
            hooks: false,
            witness_within_days: None,
            // Time to find a proper solution and to start on it.
            max_emergency_days: 7,
            since: None,
            exempt: Vec::new(),
        }
    }
}

impl Enforcement {
    /// The trailer's default key.
    pub const DEFAULT_TRAILER: &'static str = "Optimizer-Change";
}

/// Commits that need no change: those that match each of the lists that are not empty.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ExemptionConfig {
    /// Globs: every path of the commit matches one of them.
    pub paths: Vec<String>,
    /// Globs over `Name <address>`: the author matches one of them.
    pub authors: Vec<String>,
    /// Names of bots: the author's name, or the part of the address before `@` and after `+`, is one of them.
    pub bots: Vec<String>,
    /// Why; never empty.
    pub reason: String,
}

/// Compiles a glob over paths from the project's root, separated by `/`: `*` matches within one component, `**` across
/// components; `a/` matches everything below.
pub fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let path = pattern.trim_start_matches("./").trim_start_matches('/');
    let below = if path.ends_with('/') { "**" } else { "" };
    GlobBuilder::new(&format!("{path}{below}")).literal_separator(true).build()
}

/// Compiles a set of globs. Brackets also match literally, as in `app/[id]/page.tsx` and `renovate[bot] <*>`.
pub fn globs<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.as_ref();
        set.add(glob(pattern)?);
        if pattern.contains('[') {
            let letter = |c: char| if matches!(c, '[' | ']') { format!("[{c}]") } else { c.to_string() };
            set.add(glob(&pattern.chars().map(letter).collect::<String>())?);
        }
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_one_part_of_a_path() {
        let set = globs(["docs/*.md", "src/**"]).unwrap();
        assert!(set.is_match("docs/a.md") && set.is_match("src/a/b.rs"));
        assert!(!set.is_match("docs/old/a.md"));
    }

    #[test]
    fn a_pattern_means_what_it_says_or_is_refused() {
        assert!(globs(["app/[id]/page.tsx"]).unwrap().is_match("app/[id]/page.tsx"));
        assert!(globs(["renovate[bot] <*>"]).unwrap().is_match("renovate[bot] <bot@example.org>"));
        let set = globs(["./docs/", "/x"]).unwrap();
        assert!(set.is_match("docs/a/b.md") && set.is_match("x") && !set.is_match("a/x"));
    }
}
