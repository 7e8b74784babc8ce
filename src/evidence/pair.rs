//! Paired evidence: the runs of baseline and head taken in alternation in one session. Owns the file's shape;
//! must not run anything or judge.

use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;

use crate::evidence::machine::Machine;
use crate::evidence::snapshot::Run;

/// Schema name of pair files.
pub const SCHEMA: &str = "vibeship_optimizer.pair.v1";

/// One paired measurement of two arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairSession {
    /// [`SCHEMA`].
    pub schema: String,
    /// UUID version 7.
    pub id: String,
    /// Name and version of the tool.
    pub tool: String,
    /// The change it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_id: Option<String>,
    /// When measuring began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub generated_at: DateTime<Utc>,
    /// The machine.
    pub machine: Machine,
    /// The least `max_rss_bytes` that a run could show, the measuring process's own resident set, where that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_floor_bytes: Option<u64>,
    /// The baseline.
    pub before: Arm,
    /// The head.
    pub after: Arm,
    /// The commands, each with its pairs.
    pub commands: Vec<PairedCommand>,
    /// KPIs taken in pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpis: Vec<PairedKpi>,
    /// What could not be done as asked, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One side of a paired measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The revision asked for, such as `HEAD~1`.
    pub rev: String,
    /// The commit it resolved to.
    pub commit: Option<String>,
    /// Its tree hash: proof that the arms differ.
    pub tree: Option<String>,
}

/// One command's pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedCommand {
    /// Configured name, or the command itself.
    pub name: String,
    /// The command.
    pub cmd: String,
    /// Timeout of one run in seconds.
    #[serde(default)]
    pub timeout_s: f64,
    /// Fewest pairs before a settled question ends the sampling, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub min_pairs: u32,
    /// Most pairs, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub max_pairs: u32,
    /// The pairs in the order they were run.
    pub pairs: Vec<Pair>,
    /// Why sampling ended.
    pub stopped: Stop,
}

/// One pair of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The baseline's run.
    pub before: Run,
    /// The head's run.
    pub after: Run,
    /// Whether the head ran first in this pair.
    pub after_first: bool,
    /// The reference workload's time in seconds, run beside this pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_s: Option<f64>,
    /// The core, by the system's number, that both runs were held on; `None` where they were free to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<usize>,
}

/// A KPI's pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedKpi {
    /// The KPI; `values` is left empty.
    pub kpi: crate::evidence::snapshot::Kpi,
    /// Fewest pairs before a settled question ends the sampling, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub min_pairs: u32,
    /// Most pairs, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub max_pairs: u32,
    /// Values as (before, after), in the order they were taken.
    pub pairs: Vec<(f64, f64)>,
}

/// Why sampling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// A look of the schedule settled every criterion.
    Settled,
    /// The most pairs that were asked for.
    MaxPairs,
    /// The time budget ended.
    MaxTime,
    /// A run failed in either arm.
    Failed,
    /// The user ended it.
    Interrupted,
}
