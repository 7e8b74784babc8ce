//! `rollout`: the stages through which a promoted change goes live.

use std::fmt;

use serde::Serialize;

use crate::config::section::Section;

/// The stages, in order; the last is always [`StageName::Full`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rollout {
    /// In the order in which they are entered.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Which one.
    pub name: StageName,
    /// Hours that it must last before the next one may begin.
    pub soak_hours: f64,
    /// Command that must succeed when it is entered.
    pub check: Option<String>,
}

/// How far a change is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// For few.
    Canary,
    /// Live for a short window.
    Live,
    /// For everyone.
    Full,
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canary => "canary",
            Self::Live => "live",
            Self::Full => "full",
        })
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self { stages: vec![Stage { name: StageName::Full, soak_hours: 0.0, check: None }] }
    }
}

impl Rollout {
    /// A year: more is a slip of the keyboard.
    const MAX_SOAK_HOURS: f64 = 8760.0;

    pub(super) const KEYS: &'static [&'static str] = &["stages"];

    pub(super) fn read(s: &Section<'_>) -> Self {
        let stages = s.list("stages", Stage::KEYS, Stage::read);
        if stages.is_empty() {
            return Self::default();
        }
        if !stages.windows(2).all(|pair| pair[0].name < pair[1].name) {
            s.problem("stages", "must be in the order canary, live, full, each at most once");
        } else if stages.last().is_none_or(|stage| stage.name != StageName::Full) {
            s.problem("stages", "must end with `full`: a change is verified only when it is out for everyone");
        }
        Self { stages }
    }
}

impl Stage {
    const KEYS: &'static [&'static str] = &["name", "soak_hours", "check"];

    fn read(s: &Section<'_>) -> Self {
        let names = [("canary", StageName::Canary), ("live", StageName::Live), ("full", StageName::Full)];
        Self {
            name: s.choice("name", &names).unwrap_or_else(|| {
                if !s.has("name") {
                    s.problem_here("has no `name`: canary, live or full");
                }
                StageName::Full
            }),
            soak_hours: s.number("soak_hours", 0.0..=Rollout::MAX_SOAK_HOURS).unwrap_or(0.0),
            check: s.text("check").filter(|cmd| !cmd.trim().is_empty()),
        }
    }
}
