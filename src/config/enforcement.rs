//! `enforcement`: how commits are held to their records.

use serde::Serialize;

use crate::config::Section;
use crate::model::Gate;

/// Settings of the hooks and of the range check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enforcement {
    /// Key of the commit trailer that carries the change's id.
    pub trailer: String,
    /// The gate that a commit's change must have passed.
    pub require: Gate,
    /// Whether every checkout is to have the hooks.
    pub hooks: bool,
    /// Within how many days of what it claims a monitored day must have been committed; without it, being late is
    /// only worth a warning.
    pub witness_within_days: Option<u32>,
    /// The most days for which an emergency's override may hold.
    pub max_emergency_days: u32,
    /// What needs no change, each with its reason.
    pub exempt: Vec<Exemption>,
}

/// Commits that need no change: those for which every list that is given has a match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exemption {
    /// Globs: every path of the commit matches one of them.
    pub paths: Vec<String>,
    /// Globs over `Name <address>`: the author matches one of them.
    pub authors: Vec<String>,
    /// Names of bots: the author's name, or the part of the address before `@` and after `+`, is one of them.
    pub bots: Vec<String>,
    /// Why; never empty.
    pub reason: String,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self {
            trailer: Self::DEFAULT_TRAILER.to_owned(),
            require: Gate::Baseline,
            hooks: false,
            witness_within_days: None,
            max_emergency_days: Self::DEFAULT_MAX_EMERGENCY_DAYS,
            exempt: Vec::new(),
        }
    }
}

impl Enforcement {
    /// The trailer's key unless configured.
    pub const DEFAULT_TRAILER: &'static str = "Optimizer-Change";

    /// A week: time to find what really helps, and to begin with it.
    pub const DEFAULT_MAX_EMERGENCY_DAYS: u32 = 7;

    pub(crate) const KEYS: &'static [&'static str] =
        &["trailer", "require", "hooks", "witness_within_days", "max_emergency_days", "exempt"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let default = Self::default();
        let trailer = s.text("trailer").unwrap_or(default.trailer);
        // Git takes letters, digits and dashes alone for a trailer's key.
        if trailer.is_empty() || !trailer.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            s.problem("trailer", "expected letters, digits and `-` alone: git reads nothing else as a trailer's key");
        }
        let mut gates: Vec<(&str, Gate)> = Gate::ALL.iter().map(|gate| (gate.name(), *gate)).collect();
        gates.extend([("promoted", Gate::Decide), ("verified", Gate::Verify)]);
        Self {
            trailer,
            require: s.choice("require", &gates).unwrap_or(default.require),
            hooks: s.flag("hooks").unwrap_or(default.hooks),
            witness_within_days: s.count("witness_within_days", 1..=365),
            max_emergency_days: s.count("max_emergency_days", 1..=90).unwrap_or(default.max_emergency_days),
            exempt: s.list("exempt", Exemption::KEYS, Exemption::read),
        }
    }
}

impl Exemption {
    const KEYS: &'static [&'static str] = &["paths", "authors", "bots", "reason"];

    fn read(s: &Section<'_>) -> Self {
        let exemption = Self {
            paths: s.globs("paths").unwrap_or_default(),
            authors: s.globs("authors").unwrap_or_default(),
            bots: s.texts("bots").unwrap_or_default(),
            reason: s.required_text("reason"),
        };
        if exemption.paths.is_empty() && exemption.authors.is_empty() && exemption.bots.is_empty() {
            s.problem_here("exempts nothing: give `paths`, `authors` or `bots`");
        }
        exemption
    }
}
