//! A snapshot: everything measured at one time. Owns the file format, version 2 (a superset of version 1).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Artifact, Better, Digest, Machine, PairSession, Revision, Sampling, Unusable};

/// Schema of the files that this tool writes.
pub const SCHEMA_V2: &str = "vibeship_optimizer.snapshot.v2";
/// Schema of the Python tool's files; read only.
pub const SCHEMA_V1: &str = "vibeship_optimizer.snapshot.v1";

/// One snapshot file. Fields that version 1 also has keep its names and units.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub schema: String,
    pub generated_at: DateTime<Utc>,
    /// Free label; the default name of its file.
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name and version of the tool that wrote it (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The change that it belongs to (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_id: Option<String>,
    /// `before`, `after`, a stage or a day of that change (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub system: System,
    /// The v1 description of the checkout; `revision` says more.
    #[serde(default)]
    pub git: GitV1,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The least `max_rss_bytes` that a run could show, the measuring process's own resident set, where that counts (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_floor_bytes: Option<u64>,
    /// Sizes by configured path. A path that does not exist is in `missing_sizes`, not here.
    #[serde(default)]
    pub sizes: BTreeMap<String, Size>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_sizes: Vec<String>,
    #[serde(default)]
    pub timings: Vec<Timing>,
    #[serde(default)]
    pub http: Vec<Http>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpis: Vec<Kpi>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuneables: BTreeMap<String, Tuneable>,
    /// Files the tuneables were read from, in layer order (v2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuneable_files: Vec<TuneableFile>,
    /// Watched environment variables (v2): the value, or its digest where it looks secret; `None` when unset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// Samples in seconds of the fixed built-in reference workload, taken between the other samples (v2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_s: Vec<f64>,
    /// How each metric was measured, as digests by the beginning of its name (v2): snapshots that differ here did not
    /// measure the same thing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub definitions: BTreeMap<String, Digest>,
    /// On a monitored day: the state of that day in pairs with the rebuilt baseline (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<Box<PairSession>>,
    /// What could not be measured as asked, in words (v2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Snapshot {
    pub fn bare(label: &str, generated_at: DateTime<Utc>) -> Self {
        Self { schema: SCHEMA_V2.to_owned(), generated_at, label: label.to_owned(), ..Self::default() }
    }
}

/// Version 1's description of the platform.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    pub platform: String,
    /// Version of the measuring runtime (the Python tool's Python; ours names the tool).
    pub python: String,
    pub executable: String,
    pub cwd: String,
}

/// Version 1's description of the checkout.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitV1 {
    pub is_git: bool,
    pub git_root: Option<String>,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub describe: Option<String>,
    /// Whether anything is uncommitted. Ours leaves the tool's own files out, the Python tool did not.
    pub dirty: Option<bool>,
    pub dirty_count: Option<u64>,
    pub diff_stat: Option<String>,
    /// What was uncommitted in the repository outside the project's directory, from the repository's root (v2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dirty_outside: Vec<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Size {
    pub path: String,
    /// All bytes below it, build output included.
    pub bytes: u64,
    /// Bytes of the files that git tracks below it (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked_files: Option<u64>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub name: String,
    pub cmd: String,
    #[serde(default)]
    pub runs: u32,
    #[serde(default)]
    pub timeout_s: f64,
    /// Exit code of the last run; -1 or 124 in v1 files for a timeout.
    #[serde(default, deserialize_with = "exit_code")]
    pub last_rc: Option<i32>,
    /// Tail of standard error of the last failing run, scrubbed.
    #[serde(default)]
    pub last_err: String,
    pub mean_s: Option<f64>,
    /// 95th percentile of wall time in seconds.
    pub p95_s: Option<f64>,
    /// Wall times in seconds, sorted, as version 1 has them.
    #[serde(default)]
    pub all_s: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Run>,
    /// Whether the program was started directly, the shell having nothing to do (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Mean CPU times of an import that has no others (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_means: Option<CpuMeans>,
    /// The file that it was imported from, or that its command runs though it is older than the code (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_from: Option<ReadFile>,
}

/// Means of CPU times over all runs. A mean is no sample: nothing is concluded from it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CpuMeans {
    pub user_s: Option<f64>,
    pub system_s: Option<f64>,
}

impl Timing {
    /// Fills in the summary of version 1 from wall times in seconds: mean, 95th percentile (nearest rank: the smallest
    /// value that at least 95 % of the values do not exceed), and the sorted list.
    pub fn summarize(&mut self, mut wall_s: Vec<f64>) {
        wall_s.sort_by(f64::total_cmp);
        // The number of runs is far below 2^52, so the cast is exact.
        self.mean_s = (!wall_s.is_empty()).then(|| wall_s.iter().sum::<f64>() / wall_s.len() as f64);
        let rank = (wall_s.len() * 95).div_ceil(100);
        self.p95_s = rank.checked_sub(1).and_then(|index| wall_s.get(index)).copied();
        self.all_s = wall_s;
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub wall_s: f64,
    /// User CPU time in seconds, of the process and the children it waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_s: Option<f64>,
    /// Largest resident set in bytes of any process among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss_bytes: Option<u64>,
    /// Seconds that the run was ready and had no core, where it is known to be of one thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_s: Option<f64>,
    /// Instructions of all its processes, counted in a run of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Exit code; `None` when ended by a signal.
    #[serde(default, deserialize_with = "exit_code")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
}

impl Run {
    /// User plus system CPU time in seconds; `None` if either was not recorded.
    pub fn cpu_s(&self) -> Option<f64> {
        self.user_s.zip(self.system_s).map(|(user, system)| user + system)
    }

    pub fn succeeded(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out
    }

    /// Wall time in seconds, less the time the run is known to have waited for a core.
    pub fn unqueued_s(&self) -> f64 {
        self.wall_s - self.queued_s.unwrap_or(0.0)
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Http {
    /// The URL without userinfo and with secret query values masked.
    pub url: String,
    /// Name of the probe (v2); v1 probes are named by their URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub timeout_s: f64,
    /// Whether every request gave what was expected.
    pub ok: bool,
    pub status: Option<u16>,
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<HttpRequest>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Seconds until the body (up to its limit) was read.
    pub latency_s: f64,
    pub ok: bool,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    pub name: String,
    #[serde(default)]
    pub unit: String,
    pub better: Better,
    pub sampling: Sampling,
    /// Values in the order taken; empty when it failed.
    pub values: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The raw output that the value was read from, kept as evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The same where it is short: then it is kept here, and no file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The last line that its command wrote to standard error although it succeeded (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// The file that it was read from, where nothing was run for it, or that its command runs though it is older than the
    /// code (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_from: Option<ReadFile>,
    /// The words beside the number in its line, `#` for the number: `heap # MiB`; and how many numbers there are (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// A file that numbers are of, and that was not made when they were measured.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadFile {
    pub path: String,
    pub sha256: Digest,
    pub modified: DateTime<Utc>,
    /// A file of the project that was changed later: the results are not of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than: Option<String>,
    /// Why the config lets that pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_ok: Option<String>,
}

impl ReadFile {
    /// Why its numbers do not belong to the measured code, if so.
    pub fn stale(&self) -> Option<Unusable> {
        let than = self.older_than.clone().filter(|_| self.stale_ok.is_none())?;
        Some(Unusable::Stale { path: self.path.clone(), than: Some(than) })
    }

    /// Whether it has not been written again since `earlier`, and the config does not allow that.
    pub fn unwritten_since(&self, earlier: &Self) -> bool {
        self.stale_ok.is_none() && self.sha256 == earlier.sha256 && self.modified == earlier.modified
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuneable {
    /// The value; a digest string where it looks secret.
    pub value: Value,
    /// The file or `env:NAME` that it comes from.
    pub layer: String,
    /// Layers below that set it too, from the nearest down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hides: Vec<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneableFile {
    pub path: String,
    /// Digest of its bytes; `None` when it does not exist.
    pub sha256: Option<Digest>,
}

/// Windows exit codes are unsigned 32-bit numbers (0xC000013A for Ctrl-C); they are stored as the same bits, signed.
fn exit_code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    let Some(code) = Option::<i64>::deserialize(deserializer)? else { return Ok(None) };
    let bits = i32::try_from(code).or_else(|_| u32::try_from(code).map(u32::cast_signed));
    bits.map(Some).map_err(|_| serde::de::Error::custom(format!("{code} is not an exit code (32 bits)")))
}
