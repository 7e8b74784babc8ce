//! `commands`: the project's own test, build, lint and check commands.

use serde::Serialize;

use crate::config::Section;
use crate::config::scalar::MAX_TIMEOUT_S;

/// The project's commands. Each runs in a shell in the project's root.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Commands {
    /// Runs the tests; `None` when empty.
    pub test: Option<String>,
    /// Builds the project; `None` when empty.
    pub build: Option<String>,
    /// Runs the linter; `None` when empty.
    pub lint: Option<String>,
    /// Further commands that must succeed for a change to be valid.
    pub checks: Vec<Check>,
    /// Deadline in seconds of `test`, `build` and `lint`, each.
    pub timeout_s: f64,
}

/// One check command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Its unique name.
    pub name: String,
    /// The shell command; success is exit code 0.
    pub cmd: String,
    /// Deadline in seconds.
    pub timeout_s: f64,
}

impl Default for Commands {
    fn default() -> Self {
        Self { test: None, build: None, lint: None, checks: Vec::new(), timeout_s: Self::DEFAULT_TIMEOUT_S }
    }
}

impl Commands {
    /// Half an hour: a slow test suite passes, a hanging one does not stop a day's work.
    pub const DEFAULT_TIMEOUT_S: f64 = 1800.0;

    pub(crate) const KEYS: &'static [&'static str] = &["test", "build", "lint", "checks", "timeout_s"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let command = |key| s.text(key).filter(|cmd| !cmd.trim().is_empty());
        Self {
            test: command("test"),
            build: command("build"),
            lint: command("lint"),
            checks: s.list("checks", Check::KEYS, Check::read),
            timeout_s: s.positive("timeout_s", MAX_TIMEOUT_S).unwrap_or(Self::DEFAULT_TIMEOUT_S),
        }
    }
}

impl Check {
    const KEYS: &'static [&'static str] = &["name", "cmd", "timeout_s"];

    fn read(s: &Section<'_>) -> Self {
        Self {
            name: s.name("name"),
            cmd: s.required_text("cmd"),
            timeout_s: s.positive("timeout_s", MAX_TIMEOUT_S).unwrap_or(Commands::DEFAULT_TIMEOUT_S),
        }
    }
}
