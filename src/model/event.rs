//! The events of a record. Owns their shape on disk: variants and fields are never renamed. Must not interpret them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{
    Artifact, Attestation, ChangeId, Check, Class, Contract, Delta, Digest, Judged, Policy, Rehearsal, Revision, Stage,
    Strength, Taken, Verdicts,
};

/// One entry of a record's chain.
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
    /// Digest over this event's canonical JSON without this field.
    pub digest: Digest,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    Opened(Opened),
    /// The contract was written, or rewritten before the baseline.
    ContractSet {
        contract: Contract,
    },
    BaselineTaken {
        taken: Taken,
        strength: Strength,
    },
    /// The delta is there and every check passed.
    Validated {
        revision: Revision,
        delta: Delta,
        checks: Vec<Check>,
        artifact: Artifact,
    },
    ValidationFailed {
        delta: Delta,
        checks: Vec<Check>,
        artifact: Artifact,
        /// Whether the change is rejected for it.
        rejects: bool,
    },
    /// The state after the delta was captured.
    AfterTaken {
        taken: Taken,
        /// The rollback action with the commit filled in.
        rollback: String,
    },
    Compared {
        markdown: Artifact,
        json: Artifact,
        /// The paired measurement, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair: Option<Artifact>,
        verdicts: Verdicts,
    },
    Promoted {
        rehearsal: Rehearsal,
        policy: Policy,
        note: Artifact,
    },
    /// It was held: kept as an experiment, not promoted.
    Held {
        reason: String,
    },
    Rejected {
        reason: String,
    },
    RolledOut {
        stage: Stage,
        taken: Taken,
        /// The verdicts against the baseline; `None` for an emergency, which has none.
        verdicts: Option<Verdicts>,
        /// For an emergency, which is not promoted: what is demanded from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Policy>,
    },
    /// It was said for how many days the change is to be measured.
    MonitorStarted {
        days: u32,
    },
    Ticked {
        utc_date: NaiveDate,
        /// Day of the window: 0 is the day of the full rollout.
        day: u32,
        taken: Taken,
        report: Artifact,
        /// Guardrails that are violated and the trigger, if it fired.
        alarms: Vec<Judged>,
    },
    /// An alarm was looked into and judged harmless.
    AlarmResolved {
        reason: String,
    },
    Attested {
        attestation: Attestation,
    },
    /// An emergency's override was taken over by a proper change.
    FollowedUp {
        by: ChangeId,
    },
    RolledBack {
        reason: String,
        /// The commit that reverts it, where the tool made one.
        commit: Option<String>,
    },
    /// A snapshot after the rollback told whether the baseline's values are back.
    RollbackConfirmed {
        taken: Taken,
        /// Criteria that are not back at the baseline.
        not_back: Vec<Judged>,
    },
    Verified {
        summary: String,
    },
    Noted {
        text: String,
    },
    /// The change's commits were found again after a squash or rebase.
    Relinked {
        commits: Vec<(String, String)>,
        /// How they were matched: `patch-id` or `tree`.
        by: String,
    },
    DayDecided {
        utc_date: NaiveDate,
        decision: String,
        reason: String,
    },
}

/// How a change began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The id, repeated so that the chain covers it.
    pub change_id: ChangeId,
    pub title: String,
    pub class: Class,
    /// What could go wrong, in the original's words "risk".
    #[serde(default)]
    pub risk: String,
    /// Plan for validation today (the original's field).
    #[serde(default)]
    pub validation_today: String,
    /// Plan for validation in the next days (the original's field).
    #[serde(default)]
    pub validation_next_days: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ChangeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
    /// Digest of the original's record that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Digest>,
}

impl Kind {
    /// The evidence files that were recorded with this event.
    pub fn artifacts(&self) -> Vec<&Artifact> {
        let taken =
            self.taken().into_iter().flat_map(|taken| std::iter::once(&taken.snapshot).chain(&taken.kpi_artifacts));
        let own: Vec<&Artifact> = match self {
            Self::Validated { artifact, .. } | Self::ValidationFailed { artifact, .. } => vec![artifact],
            Self::Compared { markdown, json, pair, .. } => [markdown, json].into_iter().chain(pair).collect(),
            Self::Promoted { note, .. } => vec![note],
            Self::Ticked { report, .. } => vec![report],
            Self::Attested { attestation } => vec![&attestation.artifact],
            _ => Vec::new(),
        };
        taken.chain(own).collect()
    }

    /// What was measured for this event, where something was.
    pub fn taken(&self) -> Option<&Taken> {
        match self {
            Self::BaselineTaken { taken, .. }
            | Self::AfterTaken { taken, .. }
            | Self::RolledOut { taken, .. }
            | Self::Ticked { taken, .. }
            | Self::RollbackConfirmed { taken, .. } => Some(taken),
            _ => None,
        }
    }
}
