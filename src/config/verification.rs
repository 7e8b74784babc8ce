//! `verification`: what VERIFIED demands.

use serde::Serialize;

use crate::config::Section;

/// Settings of the last gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// Days of monitoring, at least [`Verification::FLOOR_DAYS`].
    pub min_monitor_days: u32,
    /// Whether the tree must be clean.
    pub require_clean_git: bool,
}

impl Default for Verification {
    fn default() -> Self {
        Self { min_monitor_days: Self::FLOOR_DAYS, require_clean_git: false }
    }
}

impl Verification {
    /// The workflow's own minimum, which no config lowers.
    pub const FLOOR_DAYS: u32 = 3;

    pub(crate) const KEYS: &'static [&'static str] = &["min_monitor_days", "require_clean_git"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let days = s.count("min_monitor_days", 0..=3650).unwrap_or(Self::FLOOR_DAYS);
        if days < Self::FLOOR_DAYS {
            s.warn(
                "min_monitor_days",
                &format!("{days} is below the workflow's minimum and is read as {}", Self::FLOOR_DAYS),
            );
        }
        Self {
            min_monitor_days: days.max(Self::FLOOR_DAYS),
            require_clean_git: s.flag("require_clean_git").unwrap_or(false),
        }
    }
}
