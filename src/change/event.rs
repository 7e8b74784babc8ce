//! The events of a record. Owns their shape on disk: variants and fields are never renamed. Must not interpret them.

use chrono::DateTime;
use chrono::NaiveDate;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;

use crate::change::class::Class;
use crate::change::contract::Contract;
use crate::change::facts::Attestation;
use crate::change::facts::Check;
use crate::change::facts::Delta;
use crate::change::facts::Judged;
use crate::change::facts::Policy;
use crate::change::facts::Rehearsal;
use crate::change::facts::Stage;
use crate::change::facts::Strength;
use crate::change::facts::Taken;
use crate::change::facts::Verdicts;
use crate::change::id::ChangeId;
use crate::evidence::artifact::Artifact;
use crate::evidence::digest::Digest;
use crate::evidence::revision::Revision;

/// One entry of a record's chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1 for the first, and so on without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Who recorded it (git's user), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What happened.
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
    /// The change was opened.
    Opened(Opened),
    /// The contract was written, or rewritten before the baseline.
    ContractSet {
        /// As it stands now.
        contract: Contract,
    },
    /// The baseline was captured.
    BaselineTaken {
        /// What was measured.
        taken: Taken,
        /// How far it reaches.
        strength: Strength,
    },
    /// The delta is there and every check passed.
    Validated {
        /// The code that was checked.
        revision: Revision,
        /// What changed since the baseline.
        delta: Delta,
        /// The checks.
        checks: Vec<Check>,
        /// The validation file.
        artifact: Artifact,
    },
    /// A check failed.
    ValidationFailed {
        /// What changed since the baseline.
        delta: Delta,
        /// The checks.
        checks: Vec<Check>,
        /// The validation file.
        artifact: Artifact,
        /// Whether the change is rejected for it.
        rejects: bool,
    },
    /// The state after the delta was captured.
    AfterTaken {
        /// What was measured.
        taken: Taken,
        /// The rollback action with the commit filled in.
        rollback: String,
    },
    /// The two were compared.
    Compared {
        /// The report.
        markdown: Artifact,
        /// Its data.
        json: Artifact,
        /// The paired measurement, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair: Option<Artifact>,
        /// The verdicts on the contract.
        verdicts: Verdicts,
    },
    /// It was promoted.
    Promoted {
        /// How the rollback was tried.
        rehearsal: Rehearsal,
        /// What is demanded from here on.
        policy: Policy,
        /// The rollback note.
        note: Artifact,
    },
    /// It was held: kept as an experiment, not promoted.
    Held {
        /// Why.
        reason: String,
    },
    /// It was rejected.
    Rejected {
        /// Why.
        reason: String,
    },
    /// A stage of the rollout began.
    RolledOut {
        /// Which.
        stage: Stage,
        /// What was measured.
        taken: Taken,
        /// The verdicts against the baseline; `None` for an emergency, which has none.
        verdicts: Option<Verdicts>,
        /// For an emergency, which is not promoted: what is demanded from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Policy>,
    },
    /// It was said for how many days the change is to be measured.
    MonitorStarted {
        /// So many UTC days.
        days: u32,
    },
    /// A monitored day was measured.
    Ticked {
        /// The UTC date.
        utc_date: NaiveDate,
        /// Day of the window: 0 is the day of the full rollout.
        day: u32,
        /// What was measured.
        taken: Taken,
        /// The day's report.
        report: Artifact,
        /// Guardrails that are violated and the trigger, if it fired.
        alarms: Vec<Judged>,
    },
    /// An alarm was looked into and judged harmless.
    AlarmResolved {
        /// Why.
        reason: String,
    },
    /// A review was attested.
    Attested {
        /// What was attested.
        attestation: Attestation,
    },
    /// An emergency's override was taken over by a proper change.
    FollowedUp {
        /// That change.
        by: ChangeId,
    },
    /// It was rolled back.
    RolledBack {
        /// Why.
        reason: String,
        /// The commit that reverts it, where the tool made one.
        commit: Option<String>,
    },
    /// A snapshot after the rollback told whether the baseline's values are back.
    RollbackConfirmed {
        /// What was measured.
        taken: Taken,
        /// Criteria that are not back at the baseline.
        not_back: Vec<Judged>,
    },
    /// It was verified.
    Verified {
        /// The observed result.
        summary: String,
    },
    /// Somebody wrote something down.
    Noted {
        /// What.
        text: String,
    },
    /// The change's commits were found again after a squash or rebase.
    Relinked {
        /// Old hash to new hash.
        commits: Vec<(String, String)>,
        /// How they were matched: `patch-id` or `tree`.
        by: String,
    },
    /// A day's decision was written down.
    DayDecided {
        /// The UTC date.
        utc_date: NaiveDate,
        /// `promote`, `hold`, `rollback`, or `undecided`.
        decision: String,
        /// Why.
        reason: String,
    },
}

/// How a change began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The id, repeated so that the chain covers it.
    pub change_id: ChangeId,
    /// One line.
    pub title: String,
    /// Its class.
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
    /// The experiment it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ChangeId>,
    /// An emergency's incident note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// When an emergency's override expires.
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
