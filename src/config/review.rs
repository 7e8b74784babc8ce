//! `review`: what a review of a change demands.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Section;

/// Settings of the review.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    /// Whether a missing review is worth a hint.
    pub recommended: bool,
    /// Whether VERIFIED demands an attestation.
    pub require_attestation: bool,
    /// Whether an attestation whose mode is not among `allowed_modes` is refused.
    pub enforce_recommended_modes: bool,
    /// Reasoning modes allowed by tool; a tool that is not listed may use any.
    pub allowed_modes: BTreeMap<String, Vec<String>>,
    /// What is recommended by tool.
    pub recommended_tools: BTreeMap<String, RecommendedTool>,
}

/// What is recommended for one reviewing tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RecommendedTool {
    /// The reasoning mode.
    pub reasoning_mode: Option<String>,
}

impl Default for Review {
    fn default() -> Self {
        Self {
            recommended: true,
            require_attestation: true,
            enforce_recommended_modes: true,
            allowed_modes: BTreeMap::new(),
            recommended_tools: BTreeMap::new(),
        }
    }
}

impl Review {
    pub(crate) const KEYS: &'static [&'static str] =
        &["recommended", "require_attestation", "enforce_recommended_modes", "allowed_modes", "recommended_tools"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let default = Self::default();
        let tools = s.sections("recommended_tools", &["reasoning_mode"], |tool| RecommendedTool {
            reasoning_mode: tool.text("reasoning_mode").filter(|mode| !mode.trim().is_empty()),
        });
        Self {
            recommended: s.flag("recommended").unwrap_or(default.recommended),
            require_attestation: s.flag("require_attestation").unwrap_or(default.require_attestation),
            enforce_recommended_modes: s.flag("enforce_recommended_modes").unwrap_or(default.enforce_recommended_modes),
            allowed_modes: s.text_lists("allowed_modes"),
            recommended_tools: tools,
        }
    }

    /// A tool and a mode of `allowed_modes` to put into commands; `None` where a person's review is allowed.
    pub fn suggested(&self) -> Option<(&str, &str)> {
        let other = self.allowed_modes.get("other")?;
        if other.iter().any(|mode| mode == "human") {
            return None;
        }
        let all = std::iter::once(("other", other))
            .chain(self.allowed_modes.iter().map(|(tool, modes)| (tool.as_str(), modes)));
        all.into_iter().find_map(|(tool, modes)| Some((tool, modes.first()?.as_str())))
    }

    /// Whether `tool` may have reviewed in `mode`.
    pub fn allows(&self, tool: &str, mode: &str) -> bool {
        self.allowed_modes.get(tool).is_none_or(|modes| modes.iter().any(|allowed| allowed == mode))
    }
}
