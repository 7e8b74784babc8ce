//! Facts that commands gather, gates judge, and events record.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::fix::PLACEHOLDERS;
use crate::model::text::short;
use crate::model::{Artifact, Contract, Criterion, Digest, Outcome, Revision, Verdict};

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaCommit {
    pub sha: String,
    pub subject: String,
    /// Change ids in its trailers, in order; may be malformed, so plain text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change_ids: Vec<String>,
    /// Whether it touches the tool's own files only.
    #[serde(default)]
    pub evidence_only: bool,
    #[serde(default)]
    pub merge: bool,
    /// Whether it touches the tool's own files too, which have gone on since: `git revert` meets them as conflicts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_files: bool,
}

impl fmt::Display for DeltaCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", short(&self.sha), self.subject)
    }
}

/// A tuneable that changed, with values as evidence holds them (digests for secrets).
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneableChange {
    pub key: String,
    /// Value in the baseline; `None` when it was not set.
    pub before: Option<serde_json::Value>,
    /// Value now; `None` when it is no longer set.
    pub after: Option<serde_json::Value>,
    /// The layer that the present value comes from.
    pub layer: Option<String>,
}

/// What the change is: its own commits since the baseline, and the tuneables that it set.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delta {
    /// The change's commits since the baseline, oldest first, and evidence commits; none of others.
    pub commits: Vec<DeltaCommit>,
    /// The parent of the change's commit, where others committed since the baseline: the change is what is between
    /// these two, and not between the snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Files changed outside the tool's own, from the project's root.
    pub files: Vec<String>,
    /// Digest of what these files were and became; an earlier version did not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    pub tuneables: Vec<TuneableChange>,
    /// Commits with the change's id that touch files of the repository outside the project alone, as hashes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Changed files that are neither tuneables nor prose, tests or the config: code, which a tuneable change leaves alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    pub contract_surface: Vec<String>,
    /// Whether docs and tests of the contracts surface changed too.
    pub contract_docs: bool,
}

impl Delta {
    pub fn own_commits(&self) -> impl Iterator<Item = &DeltaCommit> {
        self.commits.iter().filter(|commit| !commit.evidence_only)
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name: `test`, `smoke:health`, or a configured one.
    pub name: String,
    pub kind: CheckKind,
    pub passed: bool,
    pub what: String,
    pub seconds: f64,
    /// Why it failed: exit code, timeout, answer; with the scrubbed tail of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why its first run failed, where the second one passed: it is flaky.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    Test,
    Lint,
    Build,
    Smoke,
    /// A check command of the config's own.
    Command,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// The criterion as it was stated. An older record may hold a text that is none to this version.
    pub criterion: String,
    pub verdict: Verdict,
}

impl CriterionResult {
    /// `None` for such a text, and for a criterion that is spelled in another way than this version writes it.
    pub fn parsed(&self) -> Option<Criterion> {
        Criterion::parse(&self.criterion).ok().filter(|criterion| criterion.text == self.criterion)
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    pub kpi: CriterionResult,
    /// On every guardrail, in the contract's order.
    pub guardrails: Vec<CriterionResult>,
    /// On the trigger where it is a criterion: `pass` means that it fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<CriterionResult>,
}

impl Verdicts {
    /// KPI, guardrails and trigger, in the contract's order.
    pub fn all(&self) -> impl Iterator<Item = &CriterionResult> {
        std::iter::once(&self.kpi).chain(&self.guardrails).chain(&self.trigger)
    }

    pub fn fired(&self) -> bool {
        self.trigger.as_ref().is_some_and(|judged| judged.verdict.outcome() == Outcome::Pass)
    }

    /// Whether these are the verdicts on exactly the contract's criteria, in its order.
    pub fn are_on(&self, contract: &Contract) -> bool {
        self.all().map(|judged| &judged.criterion).eq(contract.criteria().map(|criterion| &criterion.text))
    }

    pub fn not_passing(&self) -> impl Iterator<Item = &CriterionResult> {
        std::iter::once(&self.kpi).chain(&self.guardrails).filter(|judged| judged.verdict.outcome() != Outcome::Pass)
    }

    pub fn broken_guardrails(&self) -> impl Iterator<Item = &CriterionResult> {
        self.guardrails.iter().filter(|judged| matches!(judged.verdict.outcome(), Outcome::Fail | Outcome::Invalid))
    }

    /// Guardrails, and the trigger, whose verdict is inconclusive.
    pub fn inconclusive_guards(&self) -> impl Iterator<Item = &CriterionResult> {
        let guards = self.guardrails.iter().chain(&self.trigger);
        guards.filter(|judged| judged.verdict.outcome() == Outcome::Inconclusive)
    }

    /// The worst outcome of KPI and guardrails; a fired trigger is a failure.
    pub fn overall(&self) -> Outcome {
        let worst = self.not_passing().map(|judged| judged.verdict.outcome()).max().unwrap_or(Outcome::Pass);
        if self.fired() { Outcome::Fail } else { worst }
    }
}

/// Whether the checked-out code contains a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InEffect {
    Yes,
    /// Its commit is not in the history.
    #[default]
    Absent,
    /// A later commit reverts it.
    Reverted,
    NoCommit,
}

/// What became of trying the rollback before it is needed.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rehearsal", rename_all = "snake_case")]
pub enum Rehearsal {
    /// `git revert` of the commits applies cleanly.
    Applies { commits: Vec<String> },
    /// It does not, in these files.
    Conflicts { paths: Vec<String> },
    /// There is no commit to revert (the delta is outside the repository, or there is no repository).
    NotApplicable,
    /// It reverts, but the project's checks fail on the result.
    ChecksFail { names: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFault {
    pub path: String,
    /// Whether it is missing; otherwise it is altered.
    pub missing: bool,
    /// Whether `HEAD` has the file as it was recorded.
    #[serde(default)]
    pub committed: bool,
    /// A commit that has it as recorded: `HEAD`, or else the newest of any branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Path of a copy with the recorded content, if an unrecorded file has taken its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// `path: missing` or `path: altered since it was recorded`.
impl fmt::Display for ArtifactFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, if self.missing { "missing" } else { "altered since it was recorded" })
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Bound to commits of a clean tree.
    Full,
    /// Bound to a digest of the files: there is no commit.
    Unversioned,
    /// Taken on a dirty tree by request: shows a tendency, proves nothing.
    Indicative,
}

/// A stage of the rollout.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A small share first
    Canary,
    /// A short window on everything
    Live,
    /// Everything, for good
    #[default]
    Full,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Live => "live",
            Self::Full => "full",
        }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    pub stage: Stage,
    /// Hours it has to last before the next may begin.
    pub soak_hours: f64,
}

/// What the config demands of a change. Frozen into the record at promotion; later configs may only demand more.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The rollout's stages in order; the last is always full.
    pub stages: Vec<StagePlan>,
    pub min_monitor_days: u32,
    pub require_attestation: bool,
    /// Whether the project's checks have to pass on the way back, too; `None` where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearse_checks: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_clean_git: Option<bool>,
}

/// Fewest days of monitoring, whatever the config says.
pub const MIN_DAYS: u32 = 3;

/// The weakest policy that any config can have.
impl Default for Policy {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            min_monitor_days: MIN_DAYS,
            require_attestation: false,
            rehearse_checks: None,
            require_clean_git: None,
        }
    }
}

impl Policy {
    /// Takes the stricter setting of both, except that the stages stay those of `self`.
    pub fn tightened_by(mut self, other: &Self) -> Self {
        self.min_monitor_days = self.min_monitor_days.max(other.min_monitor_days);
        self.require_attestation |= other.require_attestation;
        self.rehearse_checks = self.rehearse_checks.max(other.rehearse_checks);
        self.require_clean_git = self.require_clean_git.max(other.require_clean_git);
        self
    }

    /// Takes the stricter setting of both, with every stage of either and the longer soak time.
    pub fn joined_with(self, other: &Self) -> Self {
        let mut stages: Vec<StagePlan> = Vec::new();
        for plan in self.stages.iter().chain(&other.stages) {
            match stages.iter_mut().find(|known| known.stage == plan.stage) {
                Some(known) => known.soak_hours = known.soak_hours.max(plan.soak_hours),
                None => stages.push(*plan),
            }
        }
        stages.sort_by_key(|plan| plan.stage);
        Self { stages, ..self.tightened_by(other) }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedSnapshot {
    pub snapshot: Artifact,
    /// The KPI outputs it was read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpi_artifacts: Vec<Artifact>,
    pub revision: Revision,
    pub taken_at: DateTime<Utc>,
}

impl RecordedSnapshot {
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        std::iter::once(&self.snapshot).chain(&self.kpi_artifacts)
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    pub artifact: Artifact,
    /// Digest over everything that was reviewed (see [`crate::workflow::Change::review_digest`]).
    pub reviewed: crate::model::Digest,
    pub tool: String,
    pub reasoning_mode: String,
}

impl Attestation {
    /// Whether a text can name a reviewer or a model: neither blank nor one of the placeholders.
    pub fn is_name(text: &str) -> bool {
        text.contains(char::is_alphanumeric) && !PLACEHOLDERS.contains(&text.trim())
    }
}
