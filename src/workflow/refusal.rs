//! Refusals: which gate, and what is missing. Closed enums that carry the facts; `report/refusal.rs` has the words.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{ArtifactFault, ChangeId, Class, DeltaCommit, Gate, Judged, MetricId, Part, Rehearsal, Stage};
use crate::workflow::Demand;

/// A gate that stays shut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub gate: Gate,
    pub missing: Missing,
}

/// What a gate misses.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Missing {
    OtherOpen {
        ids: Vec<ChangeId>,
    },
    /// An emergency needs a note on the incident.
    IncidentNote,
    /// An emergency needs a moment at which its override expires, in the future.
    Expiry,
    /// An emergency's override would hold for longer than the config allows.
    ExpiryTooLate {
        latest: DateTime<Utc>,
        days: u32,
    },
    /// A tuneable change needs tuneables in the config.
    TuneablesUnknown,
    Ended {
        end: &'static str,
    },
    /// A class does not pass this gate.
    NotInClass {
        class: Class,
    },
    /// An earlier gate has not been passed.
    Earlier {
        gate: Gate,
    },
    /// The gate was passed and may not be passed again.
    AlreadyPassed,
    /// The contract is frozen since the baseline.
    Frozen,
    ContractParts {
        parts: Vec<Part>,
    },
    /// A criterion names a metric that the config does not measure.
    UnknownMetric {
        metric: MetricId,
        nearest: Option<MetricId>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        more: Vec<(MetricId, Option<MetricId>)>,
    },
    /// A part of the contract demands nothing, or can never hold.
    ContractSense {
        criterion: String,
        why: Senseless,
    },
    /// Commits carry the id before there is a baseline: it is too late for one.
    CommitsBeforeBaseline {
        commits: Vec<DeltaCommit>,
    },
    /// Work lies uncommitted outside the tool's own files.
    Dirty {
        paths: u32,
        /// The change's own commit, where there is one already.
        own: Option<String>,
    },
    /// Git could not say what state the work tree is in.
    UnknownState {
        reason: String,
    },
    /// A metric of the contract could not be measured.
    Unmeasured {
        metrics: Vec<MetricId>,
        /// Why not, in words, in the order of the metrics; empty where it is not known.
        why: Vec<String>,
    },
    /// The config measures from the tool's own files, whose changes count as nothing.
    OwnSource {
        sources: Vec<String>,
    },
    /// The config measures, builds or checks something in another way than at the baseline.
    Redefined {
        /// Beginnings of metrics' names, such as `timing.tests`; `tuneables` for where these are read from; keys of the
        /// config, such as `commands.test`.
        what: Vec<String>,
    },
    NoCommit,
    /// Tuneables do not have the values that were validated.
    OtherTuneables {
        keys: Vec<String>,
    },
    /// The change is not in what is checked out.
    NotInEffect {
        /// Whether it was there and was taken back; else its commit is not in the history.
        reverted: bool,
    },
    NoDelta,
    /// The change's commits touch files outside the project alone.
    OnlyOutside {
        commits: Vec<String>,
    },
    /// A tuneable change that changed no tuneable.
    NoTuneableChanged,
    /// A tuneable change that changed code as well.
    CodeBeside {
        files: Vec<String>,
    },
    /// More than one commit since the baseline.
    ManyCommits {
        commits: Vec<DeltaCommit>,
    },
    /// The commit since the baseline belongs to another change.
    ForeignCommit {
        commit: DeltaCommit,
    },
    /// The baseline's commit is not in the history of the present one.
    BaselineNotAncestor {
        baseline: String,
    },
    /// A contracts surface was touched without docs and tests.
    ContractDocs {
        files: Vec<String>,
    },
    /// The config has no test to run.
    NoTests,
    /// The code is not the code that was validated.
    NotValidatedCode {
        validated: String,
        here: String,
    },
    /// The emergency's or the baseline's evidence was taken on a dirty tree.
    OnlyIndicative,
    Evidence {
        faults: Vec<ArtifactFault>,
    },
    /// The recorded verdicts cannot be reproduced from the evidence.
    NotReproduced,
    Verdicts {
        judged: Vec<Judged>,
    },
    TriggerFired {
        judged: Judged,
    },
    Rollback {
        rehearsal: Rehearsal,
    },
    Reason,
    /// The stage is not in the rollout's plan.
    NoSuchStage {
        planned: Vec<Stage>,
    },
    StageOrder {
        next: Stage,
    },
    /// The stage before has not lasted long enough.
    Soak {
        stage: Stage,
        until: DateTime<Utc>,
    },
    /// A guardrail is violated or cannot be judged at this stage.
    StageGuardrails {
        judged: Vec<Judged>,
    },
    /// A summary of what was observed is needed.
    Summary,
    /// Demands of verification that are not met.
    Unverified {
        demands: Vec<Demand>,
    },
    /// The change was rolled back on record alone.
    StillInEffect {
        /// Its commits, or its tuneables with their values.
        what: Vec<String>,
    },
    NothingToRollBack,
    NoAlarm,
    /// Nothing is rolled out, so there is nothing to monitor.
    NotRolledOut,
    /// A change cannot follow itself up, and only an emergency is followed up.
    FollowUp,
}

/// What is wrong with a criterion of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Senseless {
    /// It is KPI and guardrail at once.
    Doubled,
    /// As a KPI it holds without any improvement.
    NoImprovement,
    /// As a guardrail it holds whenever the KPI does.
    LooserThanKpi,
    CannotFail,
    /// As a trigger it fires where nothing got worse, and the more so the better it gets.
    FiresOnGood,
    /// As a KPI or a guardrail it holds for no value that its metric can have.
    CannotHold {
        kpi: bool,
    },
    /// As a trigger it holds for no value that its metric can have.
    CannotFire,
    /// As an emergency's rollback it names a commit, and no gate of an emergency fills one in.
    NoCommit,
    /// It is no share between 0 % and 100 %.
    NoShare,
}

impl Missing {
    /// The metrics that the config does not measure, each with the nearest that it does.
    pub fn unknown_metrics(&self) -> impl Iterator<Item = (&MetricId, Option<&MetricId>)> + Clone {
        let (first, more) = match self {
            Self::UnknownMetric { metric, nearest, more } => (Some((metric, nearest.as_ref())), more.as_slice()),
            _ => (None, [].as_slice()),
        };
        first.into_iter().chain(more.iter().map(|(metric, nearest)| (metric, nearest.as_ref())))
    }
}

impl Refusal {
    /// A refusal at `gate`.
    pub fn new(gate: Gate, missing: Missing) -> Self {
        Self { gate, missing }
    }

    /// Whether waiting or more measuring may open the gate: nothing is wrong yet.
    pub fn is_not_yet(&self) -> bool {
        use crate::model::Outcome;
        match &self.missing {
            Missing::Soak { .. } => true,
            Missing::Unverified { demands } => {
                // What a person has to do may be done at once: waiting does not bring it.
                demands.iter().filter(|demand| !demand.met).all(|demand| demand.kind.comes_with_time())
            }
            Missing::Verdicts { judged } => judged.iter().all(|j| j.verdict.outcome() == Outcome::Inconclusive),
            _ => false,
        }
    }
}
