//! `enforcement`: how commits are held to their records.

use serde::Serialize;

use crate::change::gate::Gate;
use crate::config::section::Section;

/// Settings of the hooks and of the range check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enforcement {
    /// Key of the commit trailer that carries the change's id.
    pub trailer: String,
    /// The gate that a commit's change must have passed.
    pub require: Gate,
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
        Self { trailer: Self::DEFAULT_TRAILER.to_owned(), require: Gate::Baseline, exempt: Vec::new() }
    }
}

impl Enforcement {
    /// The trailer's key unless configured.
    pub const DEFAULT_TRAILER: &'static str = "Optimizer-Change";

    pub(super) const KEYS: &'static [&'static str] = &["trailer", "require", "exempt"];

    pub(super) fn read(s: &Section<'_>) -> Self {
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
