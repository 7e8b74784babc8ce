//! `pair`: measuring baseline and head side by side.

use serde::Serialize;

use crate::config::Section;
use crate::config::scalar::MAX_TIMEOUT_S;

/// Whether both runs of a pair are held on one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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

/// Settings of paired measuring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// Whether `compare --change-id` measures in pairs.
    pub enabled: bool,
    /// Command that prepares each arm in its worktree; `None` uses `commands.build`.
    pub prepare: Option<String>,
    /// Untracked inputs shared into both arms, relative to the project's root.
    pub share: Vec<String>,
    /// Variable that names the tuneables file, for tuneables that lie outside the repository.
    pub tuneables_env: Option<String>,
    /// Fewest pairs, at least [`Pair::LEAST_PAIRS`].
    pub min_pairs: u32,
    /// Most pairs.
    pub max_pairs: u32,
    /// Seconds after which no further pair is begun.
    pub max_time_s: f64,
    /// Smallest relative effect worth a verdict, as a share (0.01 is 1 %).
    pub min_effect: f64,
    /// Whether both runs of a pair are held on one core.
    pub pin: Pin,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            enabled: true,
            prepare: None,
            share: Vec::new(),
            tuneables_env: None,
            min_pairs: Self::DEFAULT_MIN_PAIRS,
            max_pairs: Self::DEFAULT_MAX_PAIRS,
            max_time_s: Self::DEFAULT_MAX_TIME_S,
            min_effect: Self::DEFAULT_MIN_EFFECT,
            pin: Pin::default(),
        }
    }
}

impl Pair {
    /// With fewer than six pairs the exact two-sided signed-rank test cannot reach 5 %: 2 / 2^5 is 0.0625.
    pub const LEAST_PAIRS: u32 = 6;
    /// Ten pairs to begin with.
    pub const DEFAULT_MIN_PAIRS: u32 = 10;
    /// Forty pairs at most.
    pub const DEFAULT_MAX_PAIRS: u32 = 40;
    /// Ten minutes.
    pub const DEFAULT_MAX_TIME_S: f64 = 600.0;
    /// One per cent: what a quiet machine can tell from nothing.
    pub const DEFAULT_MIN_EFFECT: f64 = 0.01;
    const MOST_PAIRS: u32 = 10_000;

    pub(crate) const KEYS: &'static [&'static str] =
        &["enabled", "prepare", "share", "tuneables_env", "min_pairs", "max_pairs", "max_time_s", "min_effect", "pin"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let default = Self::default();
        let min_pairs = s.count("min_pairs", 1..=Self::MOST_PAIRS).unwrap_or(default.min_pairs);
        if min_pairs < Self::LEAST_PAIRS {
            s.problem(
                "min_pairs",
                &format!(
                    "{min_pairs} pairs can never decide: the signed-rank test cannot reach 5 % with fewer than {}",
                    Self::LEAST_PAIRS
                ),
            );
        }
        let max_pairs = s.count("max_pairs", 1..=Self::MOST_PAIRS).unwrap_or(default.max_pairs.max(min_pairs));
        if max_pairs < min_pairs {
            s.problem("max_pairs", &format!("{max_pairs} is less than min_pairs, which is {min_pairs}"));
        }
        Self {
            enabled: s.flag("enabled").unwrap_or(default.enabled),
            prepare: s.text("prepare").filter(|cmd| !cmd.trim().is_empty()),
            share: s.texts("share").unwrap_or_default(),
            tuneables_env: s.variable_name("tuneables_env"),
            min_pairs,
            max_pairs,
            max_time_s: s.positive("max_time_s", MAX_TIMEOUT_S).unwrap_or(default.max_time_s),
            min_effect: s.share("min_effect", 0.0..=1.0).unwrap_or(default.min_effect),
            pin: s
                .choice("pin", &[("auto", Pin::Auto), ("always", Pin::Always), ("never", Pin::Never)])
                .unwrap_or_default(),
        }
    }
}
