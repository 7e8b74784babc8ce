//! The events of a record and their format on disk: variants and fields are never renamed. Does not interpret them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{
    Artifact, Attestation, ChangeId, Check, Class, Contract, CriterionResult, Delta, Digest, Policy, RecordedSnapshot,
    Rehearsal, Revision, Stage, Strength, Verdicts,
};

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1 for the first, and so on without gaps.
    pub seq: u64,
    pub at: DateTime<Utc>,
    /// Who recorded it (git's user), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    pub what: Kind,
    /// Digest of the event before; `None` for the first.
    pub prev: Option<Digest>,
    /// Digest over this event's canonical JSON without this field and the signature.
    pub digest: Digest,
    /// The signature: a signed git commit object whose message is the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The change was begun.
    Opened(Opened),
    /// The contract was written, or rewritten before the baseline.
    ContractSet { contract: Contract },
    /// The state before the change was measured, which freezes the contract.
    BaselineTaken(Baseline),
    /// The delta is there and every check passed.
    Validated(Validation),
    /// At least one check failed; `rejects` tells whether the change is rejected for it.
    ValidationFailed { delta: Delta, checks: Vec<Check>, artifact: Artifact, rejects: bool },
    /// The state after the change was measured.
    AfterTaken(After),
    /// Both states were compared, and the contract's criteria judged.
    Compared(Compared),
    /// It was decided to roll it out, and what that demands from here on is fixed.
    Promoted(Promotion),
    /// It was kept as an experiment and not promoted.
    Held { reason: String },
    /// It was given up.
    Rejected { reason: String },
    /// A stage of the rollout began.
    RolledOut(RolloutStage),
    /// The number of days to monitor was set.
    MonitorStarted { days: u32 },
    /// A day after the rollout was measured.
    Ticked(Tick),
    /// An alarm was looked into and judged harmless.
    AlarmResolved { reason: String },
    /// A review was put on record.
    Attested { attestation: Attestation },
    /// A follow-up change replaced an emergency's override.
    FollowedUp { by: ChangeId },
    /// It was rolled back; `commit` is the revert, if the tool made one.
    RolledBack { reason: String, commit: Option<String> },
    /// A snapshot after the rollback told which criteria are not back at the baseline.
    RollbackConfirmed { taken: RecordedSnapshot, not_back: Vec<CriterionResult> },
    /// Everything demanded of it is met.
    Verified { summary: String },
    /// Somebody wrote a note.
    Noted { text: String },
    /// The change's commits were found again after a squash or rebase, by `pick` (earlier `patch-id`) or `tree`.
    Relinked { commits: Vec<(String, String)>, by: String },
    /// The decision at the end of a day.
    DayDecided { utc_date: NaiveDate, decision: String, reason: String },
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The id, repeated so that the chain covers it.
    pub change_id: ChangeId,
    pub title: String,
    pub class: Class,
    /// What could go wrong, which the Python tool calls "risk".
    #[serde(default)]
    pub risk: String,
    #[serde(default)]
    pub validation_today: String,
    #[serde(default)]
    pub validation_next_days: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ChangeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
    /// Digest of the Python tool's record that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Digest>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub taken: RecordedSnapshot,
    pub strength: Strength,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    pub revision: Revision,
    pub delta: Delta,
    pub checks: Vec<Check>,
    pub artifact: Artifact,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct After {
    pub taken: RecordedSnapshot,
    /// The rollback action with the commit filled in.
    pub rollback: String,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    pub markdown: Artifact,
    pub json: Artifact,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Artifact>,
    pub verdicts: Verdicts,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    pub rehearsal: Rehearsal,
    pub policy: Policy,
    pub note: Artifact,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutStage {
    pub stage: Stage,
    pub taken: RecordedSnapshot,
    /// The verdicts against the baseline; `None` for an emergency, which has none.
    pub verdicts: Option<Verdicts>,
    /// For an emergency, which is not promoted: what is demanded from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The stage's own check, which passed, with secrets masked; empty where it has none. Earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    pub utc_date: NaiveDate,
    /// Day of the window: 0 is the day of the full rollout.
    pub day: u32,
    pub taken: RecordedSnapshot,
    pub report: Artifact,
    /// Guardrails that are violated and the trigger, if it fired.
    pub alarms: Vec<CriterionResult>,
}

impl Event {
    /// The content of an event that does not depend on the events before it: a monitored day, a note, a day's decision,
    /// a review; `None` for other kinds. If two clones extended the same record, one can append such events of the
    /// other.
    pub fn standalone_content(&self) -> Option<serde_json::Value> {
        let standalone_content =
            matches!(self.what, Kind::Ticked(_) | Kind::Noted { .. } | Kind::DayDecided { .. } | Kind::Attested { .. });
        standalone_content.then(|| serde_json::json!({ "at": self.at, "actor": self.actor, "what": self.what }))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotPurpose {
    Baseline,
    After,
    Stage(Stage),
    Day(u32),
    /// To confirm that a rollback restored the baseline's values.
    Rollback,
}

impl SnapshotPurpose {
    /// The snapshot's role in the change, which the names of its files have, too.
    pub fn role(self) -> String {
        match self {
            Self::Baseline => "before".to_owned(),
            Self::After => "after".to_owned(),
            Self::Stage(stage) => stage.name().to_owned(),
            Self::Day(day) => format!("day{day}"),
            Self::Rollback => "rollback".to_owned(),
        }
    }
}

impl Kind {
    /// The evidence files recorded with this event.
    pub fn artifacts(&self) -> Vec<&Artifact> {
        let (measured, own, _) = self.evidence();
        measured.into_iter().flat_map(|(_, taken)| taken.artifacts()).chain(own).collect()
    }

    /// The hashes of all commits in this event.
    pub fn commits(&self) -> impl Iterator<Item = &String> {
        let (measured, _, named) = self.evidence();
        measured.and_then(|(_, taken)| taken.revision.commit.as_ref()).into_iter().chain(named)
    }

    /// The measurement recorded with this event, if any.
    pub fn recorded_snapshot(&self) -> Option<&RecordedSnapshot> {
        self.measured().map(|(_, taken)| taken)
    }

    /// The measurement recorded with this event, and its purpose.
    pub fn measured(&self) -> Option<(SnapshotPurpose, &RecordedSnapshot)> {
        self.evidence().0
    }

    /// The measurement of this event, its other files, and its commits other than the measured one.
    fn evidence(&self) -> (Option<(SnapshotPurpose, &RecordedSnapshot)>, Vec<&Artifact>, Vec<&String>) {
        fn shas(delta: &Delta) -> impl Iterator<Item = &String> {
            delta.commits.iter().map(|commit| &commit.sha)
        }
        let measured = |what, taken, files| (Some((what, taken)), files, Vec::new());
        let files = |files| (None, files, Vec::new());
        match self {
            Self::BaselineTaken(baseline) => measured(SnapshotPurpose::Baseline, &baseline.taken, Vec::new()),
            Self::AfterTaken(after) => measured(SnapshotPurpose::After, &after.taken, Vec::new()),
            Self::RolledOut(begun) => measured(SnapshotPurpose::Stage(begun.stage), &begun.taken, Vec::new()),
            Self::Ticked(tick) => measured(SnapshotPurpose::Day(tick.day), &tick.taken, vec![&tick.report]),
            Self::RollbackConfirmed { taken, .. } => measured(SnapshotPurpose::Rollback, taken, Vec::new()),
            Self::Validated(Validation { revision, delta, artifact, .. }) => {
                (None, vec![artifact], revision.commit.iter().chain(shas(delta)).collect())
            }
            Self::ValidationFailed { delta, artifact, .. } => (None, vec![artifact], shas(delta).collect()),
            Self::Compared(compared) => files(compared.artifacts().collect()),
            Self::Promoted(promotion) => files(vec![&promotion.note]),
            Self::Attested { attestation } => files(vec![&attestation.artifact]),
            Self::Relinked { commits, .. } => (None, Vec::new(), commits.iter().map(|(_, new)| new).collect()),
            Self::RolledBack { commit, .. } => (None, Vec::new(), commit.iter().collect()),
            Self::Opened(_)
            | Self::ContractSet { .. }
            | Self::Held { .. }
            | Self::Rejected { .. }
            | Self::MonitorStarted { .. }
            | Self::AlarmResolved { .. }
            | Self::FollowedUp { .. }
            | Self::Verified { .. }
            | Self::Noted { .. }
            | Self::DayDecided { .. } => files(Vec::new()),
        }
    }
}

impl Compared {
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        [&self.markdown, &self.json].into_iter().chain(&self.pair)
    }
}
