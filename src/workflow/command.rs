//! What can be asked of a change, with the facts that the asker gathered. Plain data; must not decide.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::{
    Artifact, ArtifactFault, Attestation, Better, ChangeId, Check, Contract, Delta, InEffect, Judged, MetricId, Opened,
    Other, Policy, Rehearsal, Revision, Stage, Taken, TuneableChange, Verdicts,
};
use crate::workflow::VerifyFacts;

/// A request on an open change.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one command lives at a time, and only briefly")]
pub enum Command {
    /// Write the contract, or parts of it.
    SetContract(ContractFacts),
    Baseline(BaselineFacts),
    Validate(ValidateFacts),
    After(AfterFacts),
    Compare(CompareFacts),
    Promote(PromoteFacts),
    Hold {
        reason: String,
    },
    Reject {
        reason: String,
    },
    Rollout(RolloutFacts),
    /// Say for how many days the change is to be measured.
    StartMonitor {
        days: u32,
    },
    Tick(TickFacts),
    ResolveAlarms {
        reason: String,
    },
    Attest(Attestation),
    /// Name the change that takes an emergency over.
    FollowUp {
        by: ChangeId,
    },
    Rollback {
        reason: String,
        /// The reverting commit, where the tool made one.
        commit: Option<String>,
    },
    /// Record whether the baseline's values are back.
    ConfirmRollback(ConfirmFacts),
    Verify {
        summary: String,
        facts: VerifyFacts,
    },
    Note {
        text: String,
    },
    Relink {
        commits: Vec<(String, String)>,
        by: String,
    },
    DecideDay {
        decision: String,
        reason: String,
    },
}

/// To open a change.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenFacts {
    pub opened: Opened,
    pub others: Vec<Other>,
    /// Whether a second undecided change is wanted.
    pub parallel: bool,
    pub tuneables_configured: bool,
    /// The most days for which an emergency's override may be opened; `None` where that is not known any more.
    pub max_emergency_days: Option<u32>,
}

/// To write the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractFacts {
    pub parts: Contract,
    pub measurable: Vec<MetricId>,
    /// Which direction is an improvement, for those of the contract as far as it is known.
    pub better: BTreeMap<MetricId, Better>,
    /// Metrics of `parts` that it does not, each with the nearest that it does.
    pub unknown: Vec<(MetricId, Option<MetricId>)>,
}

/// To record the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineFacts {
    pub revision: Revision,
    /// Commits in the history that carry this id already.
    pub commits_with_id: Vec<crate::model::DeltaCommit>,
    pub allow_dirty: bool,
    /// Metrics of the contract that the config does not measure (any more).
    pub unknown: Vec<(MetricId, Option<MetricId>)>,
    /// What the config measures by, or from, the tool's own files: `KEY (PATH)`.
    pub own_sources: Vec<String>,
    /// The measurement; `None` to ask whether the gate would open.
    pub measured: Option<Measured>,
}

/// A measurement for a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub taken: Taken,
    /// Metrics of the contract without a usable value.
    pub unmeasured: Vec<MetricId>,
    /// Why they have none, in words, in their order.
    pub why: Vec<String>,
}

/// To validate.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidateFacts {
    pub revision: Revision,
    /// Whether the baseline's commit is an ancestor of it; `None` where there are no commits.
    pub descends: Option<bool>,
    pub delta: Delta,
    /// What the config measures in another way than the baseline did.
    pub redefined: Vec<String>,
    /// Whether the config has a test to run.
    pub has_tests: bool,
    /// Whether a failure keeps the change open.
    pub retry: bool,
    /// The checks and their file; `None` to ask whether the gate would open.
    pub outcome: Option<(Vec<Check>, Artifact)>,
}

/// To record the state after.
#[derive(Debug, Clone, PartialEq)]
pub struct AfterFacts {
    pub revision: Revision,
    pub tuneables: Vec<TuneableChange>,
    /// What the config measures in another way than the baseline did.
    pub redefined: Vec<String>,
    /// The measurement; `None` to ask whether the gate would open.
    pub measured: Option<Measured>,
}

/// To record a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareFacts {
    /// What the config measures in another way than the baseline did.
    pub redefined: Vec<String>,
    /// Evidence files that are not what was recorded.
    pub faults: Vec<ArtifactFault>,
    /// The comparison; `None` to ask whether the gate would open.
    pub compared: Option<Compared>,
}

/// A comparison's files and verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub markdown: Artifact,
    pub json: Artifact,
    pub pair: Option<Artifact>,
    pub verdicts: Verdicts,
}

/// To promote.
#[derive(Debug, Clone, PartialEq)]
pub struct PromoteFacts {
    /// Evidence files that are not what was recorded.
    pub faults: Vec<ArtifactFault>,
    /// Whether the recorded verdicts come out of the evidence again.
    pub reproduced: bool,
    pub policy: Policy,
    /// The rehearsal and the rollback note; `None` to ask whether the gate would open.
    pub rehearsed: Option<(Rehearsal, Artifact)>,
}

/// To begin a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutFacts {
    pub stage: Stage,
    /// What the config demands (an emergency freezes it here).
    pub policy: Policy,
    pub revision: Revision,
    pub in_effect: InEffect,
    pub tuneables: Vec<TuneableChange>,
    /// Evidence files that are not what was recorded.
    pub faults: Vec<ArtifactFault>,
    /// The measurement and its verdicts; `None` to ask whether the gate would open.
    pub measured: Option<(Taken, Option<Verdicts>)>,
}

/// To confirm a rollback.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfirmFacts {
    /// What of the change is in effect as if it had never been taken back: its commits, or tuneables with their values.
    pub still: Vec<String>,
    /// What was measured and what is not back; `None` to ask whether it may be.
    pub measured: Option<(Taken, Vec<Judged>)>,
}

/// To record a monitored day.
#[derive(Debug, Clone, PartialEq)]
pub struct TickFacts {
    pub taken: Taken,
    pub report: Artifact,
    /// Guardrails violated and the trigger, if it fired.
    pub alarms: Vec<Judged>,
    /// The moment, whose UTC date is the day's.
    pub at: DateTime<Utc>,
}
