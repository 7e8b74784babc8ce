//! `timings`: commands whose run time is measured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Section;
use crate::config::scalar::{MAX_RUNS, MAX_TIMEOUT_S};
use crate::config::words::split;

/// One timed command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// Its unique name, the middle of its metrics' names.
    pub name: String,
    /// The command; `None` when empty: not measured, unless `hyperfine` names results.
    pub cmd: Option<String>,
    /// How often it is run, at least 1.
    pub runs: u32,
    /// How often it is run before, unmeasured.
    pub warmup: u32,
    /// Deadline of one run in seconds.
    pub timeout_s: f64,
    /// Directory to run in, relative to the project's root; `None` is the root.
    pub cwd: Option<String>,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Whether a shell runs it; otherwise the words are split and the program is started directly.
    pub shell: bool,
    /// File with results that hyperfine exported as JSON, read instead of running anything.
    pub hyperfine: Option<String>,
}

impl Timing {
    /// Ten runs: the fewest for which a comparison has useful power.
    pub const DEFAULT_RUNS: u32 = 10;
    /// No warm-up unless asked for: the command may be expensive.
    pub const DEFAULT_WARMUP: u32 = 0;
    /// Ten minutes for one run.
    pub const DEFAULT_TIMEOUT_S: f64 = 600.0;

    pub(crate) const KEYS: &'static [&'static str] =
        &["name", "cmd", "runs", "warmup", "timeout_s", "cwd", "env", "shell", "hyperfine"];

    /// A command timed with every default.
    pub fn new(name: &str, cmd: &str) -> Self {
        Self {
            name: name.to_owned(),
            cmd: Some(cmd.to_owned()).filter(|cmd| !cmd.trim().is_empty()),
            runs: Self::DEFAULT_RUNS,
            warmup: Self::DEFAULT_WARMUP,
            timeout_s: Self::DEFAULT_TIMEOUT_S,
            cwd: None,
            env: BTreeMap::new(),
            shell: true,
            hyperfine: None,
        }
    }

    /// Whether it can give a value: it has a command or results to read.
    pub fn is_measurable(&self) -> bool {
        self.cmd.is_some() || self.hyperfine.is_some()
    }

    /// The program and its arguments where no shell is to run the command.
    pub fn argv(&self) -> Option<Vec<String>> {
        if self.shell { None } else { split(self.cmd.as_deref()?).ok() }
    }

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let cmd = s.text("cmd").filter(|cmd| !cmd.trim().is_empty());
        let hyperfine = s.path("hyperfine");
        if cmd.is_some() && hyperfine.is_some() {
            s.problem("hyperfine", "stands beside `cmd`: give one of them, a command to run or results to read");
        }
        let shell = s.flag("shell").unwrap_or(true);
        if let Some(Err(error)) = cmd.as_deref().filter(|_| !shell).map(split) {
            s.problem("cmd", &error.to_string());
        }
        Self {
            name: s.name("name"),
            cmd,
            runs: s.count("runs", 1..=MAX_RUNS).unwrap_or(Self::DEFAULT_RUNS),
            warmup: s.count("warmup", 0..=MAX_RUNS).unwrap_or(Self::DEFAULT_WARMUP),
            timeout_s: s.positive("timeout_s", MAX_TIMEOUT_S).unwrap_or(Self::DEFAULT_TIMEOUT_S),
            cwd: s.path("cwd"),
            env: s.variables("env"),
            shell,
            hyperfine,
        }
    }
}
