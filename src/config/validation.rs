//! `validation`: what the validation gate does.

use serde::Serialize;

use crate::config::Section;

/// Settings of the validation gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// What a failed validation does to the change.
    pub on_failure: OnFailure,
    /// Whether the HTTP probes are asked as a smoke test (they count only where some are configured).
    pub smoke: bool,
    /// Whether the checks also run in the rehearsed rollback.
    pub rehearse_checks: bool,
}

/// What a failed validation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The change is rejected and the rollback printed: the workflow's rule.
    Reject,
    /// The change stays open and may be validated again.
    Retry,
}

impl Default for Validation {
    fn default() -> Self {
        Self { on_failure: OnFailure::Reject, smoke: true, rehearse_checks: false }
    }
}

impl Validation {
    pub(crate) const KEYS: &'static [&'static str] = &["on_failure", "smoke", "rehearse_checks"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let default = Self::default();
        let choices = [("reject", OnFailure::Reject), ("retry", OnFailure::Retry)];
        Self {
            on_failure: s.choice("on_failure", &choices).unwrap_or(default.on_failure),
            smoke: s.flag("smoke").unwrap_or(default.smoke),
            rehearse_checks: s.flag("rehearse_checks").unwrap_or(default.rehearse_checks),
        }
    }
}
