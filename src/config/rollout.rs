//! `rollout`: the stages through which a promoted change goes live.

use serde::Serialize;

use crate::config::Section;
use crate::model::Stage;

/// The stages, in order; the last is always [`Stage::Full`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rollout {
    /// In the order in which they are entered.
    pub stages: Vec<StageConfig>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageConfig {
    /// Which one.
    pub name: Stage,
    /// Hours that it must last before the next one may begin.
    pub soak_hours: f64,
    /// Command that must succeed when it is entered.
    pub check: Option<String>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { stages: vec![StageConfig { name: Stage::Full, soak_hours: 0.0, check: None }] }
    }
}

impl Rollout {
    /// A year: more is a slip of the keyboard.
    const MAX_SOAK_HOURS: f64 = 8760.0;

    pub(crate) const KEYS: &'static [&'static str] = &["stages"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let stages = s.list("stages", StageConfig::KEYS, StageConfig::read);
        if stages.is_empty() {
            return Self::default();
        }
        if !stages.windows(2).all(|pair| pair[0].name < pair[1].name) {
            s.problem("stages", "must be in the order canary, live, full, each at most once");
        } else if stages.last().is_none_or(|stage| stage.name != Stage::Full) {
            s.problem("stages", "must end with `full`: a change is verified only when it is out for everyone");
        }
        Self { stages }
    }
}

impl StageConfig {
    const KEYS: &'static [&'static str] = &["name", "soak_hours", "check"];

    fn read(s: &Section<'_>) -> Self {
        let names = Stage::ALL.map(|stage| (stage.name(), stage));
        Self {
            name: s.choice("name", &names).unwrap_or_else(|| {
                if !s.has("name") {
                    s.problem_here("has no `name`: canary, live or full");
                }
                Stage::Full
            }),
            soak_hours: s.number("soak_hours", 0.0..=Rollout::MAX_SOAK_HOURS).unwrap_or(0.0),
            check: s.text("check").filter(|cmd| !cmd.trim().is_empty()),
        }
    }
}
