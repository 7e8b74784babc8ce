//! Paired evidence: alternating runs of baseline and head in one session. Owns the file format.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Digest, Flaw, Kpi, Machine, MetricId, MetricKind, Run, Size, Unusable};
pub const SCHEMA: &str = "vibeship_optimizer.pair.v1";

/// A side that prints nothing and takes less than this share of the other's time may have done no work.
const IDLE: f64 = 0.25;

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairSession {
    pub schema: String,
    pub id: String,
    pub tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_id: Option<String>,
    pub started_at: DateTime<Utc>,
    pub generated_at: DateTime<Utc>,
    pub machine: Machine,
    /// The least `max_rss_bytes` that a run could show, the measuring process's own resident set, where that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_floor_bytes: Option<u64>,
    pub before: SideRevision,
    pub after: SideRevision,
    pub commands: Vec<PairedCommand>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpis: Vec<PairedKpi>,
    /// Whether the sides are the change's commit and its parent because others committed since the baseline. The
    /// snapshots differ by more than the change then, so that what is exact is read on the sides, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_commit: bool,
    /// Sizes on the sides, before and after, by configured path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sizes: BTreeMap<String, (Size, Size)>,
    /// The same two sides measured on other machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PairSession>,
    /// The ids of the sessions that it goes on from, oldest first: they were inconclusive, and their pairs come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continues: Vec<String>,
    /// What could not be done as asked, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl PairSession {
    pub fn kpi(&self, name: &str) -> Option<&PairedKpi> {
        self.kpis.iter().find(|it| !it.http && it.kpi.name == name)
    }

    /// Combines sessions of the same comparison from different machines. The error is the index of the first session
    /// that does not fit and the reason, as a predicate for the name of its file.
    pub fn joined(sessions: Vec<Self>) -> Result<Self, (usize, String)> {
        let mut all = sessions.into_iter();
        let Some(mut first) = all.next() else { return Err((0, "was not given".to_owned())) };
        let one_machine = |first: &Self, other: &Self| {
            let host = other.machine.host_digest.as_ref();
            host.is_some()
                && std::iter::once(first).chain(&first.others).any(|it| it.machine.host_digest.as_ref() == host)
        };
        let names = |session: &Self| -> Vec<String> {
            let kpis = session.kpis.iter().map(|it| it.metric().to_string());
            session.commands.iter().map(|it| format!("{} ({})", it.name, it.cmd)).chain(kpis).collect()
        };
        for (i, other) in all.enumerate() {
            let problem = match () {
                () if other.id == first.id || first.others.iter().any(|known| known.id == other.id) => {
                    "holds a measurement that was given already"
                }
                () if one_machine(&first, &other) => "is of the same machine as another file",
                () if !other.others.is_empty() => "is joined of several itself: give each machine's own file",
                () if other.before.commit != first.before.commit || other.after.commit != first.after.commit => {
                    "measured other commits than the first file"
                }
                () if names(&other) != names(&first) => "measured other commands or KPIs than the first file",
                () => {
                    first.others.push(other);
                    continue;
                }
            };
            return Err((i + 1, problem.to_owned()));
        }
        Ok(first)
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideRevision {
    /// The revision asked for, such as `HEAD~1`.
    pub rev: String,
    pub commit: Option<String>,
    /// Its tree hash: proof that the sides differ.
    pub tree: Option<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedCommand {
    pub name: String,
    pub cmd: String,
    #[serde(default)]
    pub timeout_s: f64,
    /// Fewest pairs before a decided question ends the sampling, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub min_pairs: u32,
    /// Most pairs, fixed before the first pair; 0 where not recorded, or where a session was continued.
    #[serde(default)]
    pub max_pairs: u32,
    pub pairs: Vec<Pair>,
    pub stopped: Stop,
    #[serde(default, skip_serializing_if = "FirstRuns::is_empty")]
    pub first_runs: FirstRuns,
    /// After a regression: the functions whose share of the time grew, by one more run of each side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grown: Vec<Grown>,
}

/// A function with its share of a run's time on each side.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    pub function: String,
    pub before: f64,
    pub after: f64,
}

/// What the first run of each side showed of it, before anything was measured.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirstRuns {
    /// A tracked file of the user's own checkout that a side opened: it runs the code there, and so may the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<String>,
    /// A file there that git does not track, which both sides opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Whether neither side opened a file of its own checkout: both may have run the same code.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Whether neither opened one that is not the same on the other side, be it tracked or made by its preparation: the change
    /// does not touch what it runs, or both ran the same code.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untouched: bool,
    /// A file that differs between the two, and that one side alone opened though both have it: the other may have run what
    /// that one left elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone: Option<String>,
    /// Seconds of each side, where one takes less than a quarter of the other's time and nothing that it printed shows
    /// that it did the same work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unshown: Option<[f64; 2]>,
    /// Seconds of each side's first run, where later runs differ in another way: a side may do less once it has run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once: Option<[f64; 2]>,
    /// Whether a side leaves processes running, whose work is not measured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub went_on: bool,
    /// What each side printed, where that differs although two runs of the baseline print the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub printed: Option<[Printed; 2]>,
    /// The words beside the number that each side printed, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<[String; 2]>,
}

impl FirstRuns {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why the measurement does not compare two programs that do the same work, if so.
    pub fn flaw(&self) -> Option<Flaw> {
        // If neither side opened a file of its own checkout, both measured this shared file.
        if let Some(path) = self.opened.as_ref().or(self.program.as_ref().filter(|_| self.elsewhere)) {
            return Some(Flaw::SharedCode { path: path.clone() });
        }
        let [before, after] = self.printed.as_ref()?;
        let idle = |one: &Printed, other: &Printed| one.bytes == 0 && one.is_idle_beside(other.seconds);
        match (idle(before, after), idle(after, before)) {
            (true, _) => Some(Flaw::Before { reason: Unusable::DidNothing { printed: after.bytes } }),
            (_, true) => Some(Flaw::After { reason: Unusable::DidNothing { printed: before.bytes } }),
            (false, false) => None,
        }
    }
}

/// What a run wrote to standard output.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    pub bytes: u64,
    /// Of what was written, without the paths of the side's own directories.
    pub sha256: Digest,
    /// How long the run took, without the time that it waited for a core.
    pub seconds: f64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub went_on: bool,
}

impl Printed {
    /// Whether it took so little time compared with the other side that it may have done no work.
    pub fn is_idle_beside(&self, other_seconds: f64) -> bool {
        self.seconds < other_seconds * IDLE
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub before: Run,
    pub after: Run,
    /// Whether the head ran first in this pair.
    pub after_first: bool,
    /// The reference workload's time in seconds, run beside this pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_s: Option<f64>,
    /// The core, by the system's number, that both runs were held on; `None` where they were free to move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<usize>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedKpi {
    pub kpi: Kpi,
    /// Whether it is the latency of an endpoint that is served on each side, by the probe's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http: bool,
    /// Fewest pairs before a decided question ends the sampling, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub min_pairs: u32,
    /// Most pairs, fixed before the first pair; 0 where not recorded.
    #[serde(default)]
    pub max_pairs: u32,
    /// Values as (before, after), in the order they were taken.
    pub pairs: Vec<(f64, f64)>,
    #[serde(default, skip_serializing_if = "FirstRuns::is_empty")]
    pub first_runs: FirstRuns,
}

impl PairedKpi {
    pub fn metric(&self) -> MetricId {
        if self.http { MetricKind::Latency.of(&self.kpi.name) } else { MetricId::kpi(&self.kpi.name) }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// A look of the schedule settled every criterion.
    Settled,
    /// The most pairs that were asked for.
    MaxPairs,
    MaxTime,
    Failed,
    Interrupted,
}
