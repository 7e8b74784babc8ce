//! `kpis`: numbers that the project reports about itself, and where they are read.

use serde::Serialize;

use crate::config::Section;
use crate::config::scalar::{MAX_RUNS, MAX_TIMEOUT_S};
use crate::model::{Better, Unit};

/// One KPI.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KpiProbe {
    /// Its unique name; the metric is `kpi.NAME`.
    pub name: String,
    /// Command that is run for it.
    pub cmd: Option<String>,
    /// File that it is read from: after the command, where there is one, which must then have written it.
    /// Without a file the command's standard output is read. At least one of both is set.
    pub file: Option<String>,
    /// How the number is found in the text.
    pub extract: Extract,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is an improvement.
    pub better: Better,
    /// Whether it is the same at every measurement of the same code, so that one value decides.
    pub exact: bool,
    /// How often the command is run.
    pub runs: u32,
    /// Deadline of one run in seconds.
    pub timeout_s: f64,
    /// File to keep as evidence instead of the text that the value was read from.
    pub artifact: Option<String>,
}

/// How a number is found in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extract {
    /// The whole text is the number.
    Whole,
    /// The text is JSON and the number stands there (RFC 6901).
    Pointer(String),
    /// The number is what the only group of this regular expression captures, at its last match.
    Regex(String),
}

impl KpiProbe {
    /// Ten runs of a KPI that varies; one of an exact one.
    pub const DEFAULT_RUNS: u32 = 10;
    /// Ten minutes for one run.
    pub const DEFAULT_TIMEOUT_S: f64 = 600.0;

    pub(crate) const KEYS: &'static [&'static str] =
        &["name", "cmd", "file", "pointer", "regex", "unit", "better", "exact", "runs", "timeout_s", "artifact"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let cmd = s.text("cmd").filter(|cmd| !cmd.trim().is_empty());
        let file = s.path("file");
        if cmd.is_none() && file.is_none() {
            s.problem_here("names neither `cmd` (a command whose output holds the number) nor `file`");
        }
        let exact = s.flag("exact").unwrap_or(false);
        let default_runs = if exact || cmd.is_none() { 1 } else { Self::DEFAULT_RUNS };
        let runs = s.count("runs", 1..=MAX_RUNS);
        if cmd.is_none() && runs.is_some_and(|runs| runs > 1) {
            s.problem(
                "runs",
                "reading a file again gives the same number: drop `runs`, or add the `cmd` that writes it",
            );
        }
        Self {
            name: s.name("name"),
            cmd,
            file,
            extract: Extract::read(s),
            unit: s.text("unit").map_or_else(Unit::none, |unit| Unit::new(&unit)),
            better: s.better("better").unwrap_or_else(|| {
                if !s.has("better") {
                    s.problem_here(
                        "does not say which direction is an improvement: add `better: lower` or `better: higher`",
                    );
                }
                Better::Lower
            }),
            exact,
            runs: runs.unwrap_or(default_runs),
            timeout_s: s.positive("timeout_s", MAX_TIMEOUT_S).unwrap_or(Self::DEFAULT_TIMEOUT_S),
            artifact: s.path("artifact"),
        }
    }
}

impl Extract {
    fn read(s: &Section<'_>) -> Self {
        let pointer = s.pointer("pointer");
        match (pointer, s.text("regex")) {
            (Some(_), Some(_)) => {
                s.problem("regex", "stands beside `pointer`: give one of them");
                Self::Whole
            }
            (Some(pointer), None) => Self::Pointer(pointer),
            (None, Some(pattern)) => {
                match regex::Regex::new(&pattern) {
                    Ok(regex) if regex.captures_len() == 2 => {}
                    Ok(regex) => s.problem(
                        "regex",
                        &format!(
                            "expected exactly one group around the number, such as `p95=([0-9.]+)`; it has {}",
                            regex.captures_len() - 1
                        ),
                    ),
                    Err(error) => s.problem("regex", &format!("is no regular expression: {}", one_line(&error))),
                }
                Self::Regex(pattern)
            }
            (None, None) => Self::Whole,
        }
    }
}

/// The regex crate explains itself over several lines; the last one says what is wrong.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}
