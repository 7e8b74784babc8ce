//! Refusals: which gate, and why it stays shut: every reason with its code, its facts and its sentence. What to do about
//! each is in `fixes.rs`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::judge::compare;
use crate::model::text::{count, joined, moment, short};
use crate::model::{
    ArtifactFault, ChangeId, Class, DeltaCommit, Gate, Judged, MetricId, Outcome, Part, Rehearsal, Stage,
};
use crate::workflow::Demand;

/// A gate that stays shut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub gate: Gate,
    pub missing: Reason,
}

/// Why a gate stays shut. The name of a variant in snake case is its stable code.
#[derive(Debug, Clone, PartialEq, Serialize, Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    #[error("{} open and undecided: {}", if .ids.len() == 1 { "another change is" } else { "other changes are" }, joined(.ids))]
    OtherOpen { ids: Vec<ChangeId> },
    #[error("an emergency needs a note on the incident")]
    IncidentNote,
    #[error("an emergency needs a moment in the future at which its override expires")]
    Expiry,
    #[error(
        "an emergency's override may hold for {} (enforcement.max_emergency_days), which is until {}",
        count(*.days, "day", "days"), moment(*.latest)
    )]
    ExpiryTooLate { latest: DateTime<Utc>, days: u32 },
    #[error("a change of class tuneable needs `tuneables` in the config, so that changed keys can be seen")]
    TuneablesUnknown,
    #[error("the change has ended: {}", .end.replace('_', " "))]
    Ended { end: &'static str },
    #[error("a change of class {} does not pass this gate", .class.name())]
    NotInClass { class: Class },
    #[error("{gate} has not been passed")]
    Earlier { gate: Gate },
    #[error("it was passed already, and later steps rest on it")]
    AlreadyPassed,
    #[error("the contract is frozen since the baseline")]
    Frozen,
    #[error(
        "{} missing: {}",
        count(.parts.len() as u64, "part of the contract is", "parts of the contract are"), joined(.parts)
    )]
    ContractParts { parts: Vec<Part> },
    #[error("{}", unknown(self))]
    UnknownMetric {
        metric: MetricId,
        nearest: Option<MetricId>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        more: Vec<(MetricId, Option<MetricId>)>,
    },
    #[error("{criterion} {why}")]
    ContractSense { criterion: String, why: VacuousCriterion },
    #[error(
        "{} this change's id already, and a baseline has to come before the change",
        count(.commits.len() as u64, "commit carries", "commits carry")
    )]
    CommitsBeforeBaseline {
        commits: Vec<DeltaCommit>,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("{} outside the tool's own files", count(*.paths, "uncommitted file", "uncommitted files"))]
    Dirty {
        paths: u32,
        /// The change's own commit, where there is one already.
        own: Option<String>,
        /// Whether that may still be made over; here and below.
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("git could not say whether the work tree is clean: {reason}")]
    UnknownState { reason: String },
    #[error("{} of the contract could not be measured", count(.metrics.len() as u64, "metric", "metrics"))]
    Unmeasured {
        metrics: Vec<MetricId>,
        /// Why not, in words, in the order of the metrics; empty where it is not known.
        why: Vec<String>,
    },
    #[error("the config measures from the tool's own files, whose changes do not count: {}", joined(.sources))]
    OwnSource { sources: Vec<String> },
    #[error("the contract names sizes of paths that git does not track, so a commit cannot change them: {}", joined(.paths))]
    NotInGit { paths: Vec<String> },
    /// The config measures, builds or checks something in another way than at the baseline.
    #[error("{}", redefined(.what))]
    Redefined {
        /// Beginnings of metrics' names, such as `timing.tests`; `tuneables` for where these are read from; keys of the
        /// config, such as `commands.test`.
        what: Vec<String>,
    },
    #[error("a change of class code needs a commit, and there is none since the baseline")]
    NoCommit,
    #[error(
        "{} the value that was validated: {}",
        if .keys.len() == 1 { "a tuneable does not have" } else { "tuneables do not have" }, joined(.keys)
    )]
    OtherTuneables { keys: Vec<String> },
    #[error("{}", if *.reverted {
        "a later commit took the change back"
    } else {
        "the change's commit is not in the history of what is checked out"
    })]
    NotInEffect {
        /// Whether it was there and was taken back; else its commit is not in the history.
        reverted: bool,
    },
    #[error("the change is not in effect: files of it are not as they are committed: {}", joined(.files))]
    NotAsCommitted { files: Vec<String> },
    #[error("{}", no_delta(.outputs))]
    NoDelta {
        /// What it changes, where that is nothing but what the KPIs are read from.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<String>,
    },
    #[error(
        "{} only files outside the project's directory, which are not compared: {}",
        if .commits.len() == 1 { "the change's commit touches" } else { "the change's commits touch" },
        joined(.commits.iter().map(|sha| short(sha)))
    )]
    OnlyOutside { commits: Vec<String> },
    #[error("the change is of class tuneable, and no tuneable changed its value")]
    NoTuneableChanged,
    #[error(
        "the change is of class tuneable, and {} changed beside the tuneables",
        count(.files.len() as u64, "file of code", "files of code")
    )]
    CodeBeside { files: Vec<String> },
    #[error("{} commits since the baseline; a change is one commit, or effects cannot be told apart", .commits.len())]
    ManyCommits {
        commits: Vec<DeltaCommit>,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("the commit since the baseline belongs to another change ({})", joined(&.commit.change_ids))]
    ForeignCommit { commit: DeltaCommit },
    #[error("others committed since the baseline, and their effect on {} cannot be told from the change's", joined(.metrics))]
    OthersCommitted { metrics: Vec<MetricId> },
    #[error("the baseline's commit {baseline} is not in the history of the present one")]
    BaselineNotAncestor {
        baseline: String,
        /// The change's own since the histories part.
        #[serde(skip)]
        commits: Vec<DeltaCommit>,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error(
        "{} changed without its docs and tests",
        count(.files.len() as u64, "file of the contracts surface", "files of the contracts surface")
    )]
    ContractDocs { files: Vec<String> },
    #[error("a change of class code needs a test to run, and the config has none")]
    NoTests,
    #[error("the code here ({here}) is not the code that was validated ({validated})")]
    NotValidatedCode { validated: String, here: String },
    #[error("the baseline was taken on a dirty tree: it is indicative only, so the change cannot be promoted")]
    OnlyIndicative,
    #[error("{} not what was recorded", count(.faults.len() as u64, "evidence file is", "evidence files are"))]
    Evidence { faults: Vec<ArtifactFault> },
    #[error("the recorded verdicts cannot be reproduced from the evidence")]
    NotReproduced,
    #[error("{} not pass", count(.judged.len() as u64, "criterion does", "criteria do"))]
    Verdicts { judged: Vec<Judged> },
    #[error("the rollback trigger fired")]
    TriggerFired { judged: Judged },
    #[error("{}", rehearsed(.rehearsal))]
    Rollback { rehearsal: Rehearsal },
    #[error("a reason in words is needed")]
    Reason,
    #[error("the rollout's plan has no such stage; it has {}", joined(.planned.iter().map(|stage| stage.name())))]
    NoSuchStage { planned: Vec<Stage> },
    #[error("the stage {} comes first", .next.name())]
    StageOrder { next: Stage },
    #[error("the stage {} has to last until {}", .stage.name(), moment(*.until))]
    Soak { stage: Stage, until: DateTime<Utc> },
    #[error("{} violated or cannot be judged", count(.judged.len() as u64, "guardrail is", "guardrails are"))]
    StageGuardrails { judged: Vec<Judged> },
    #[error("a summary of what was observed is needed")]
    Summary,
    #[error("{}", unmet(.demands))]
    Unverified { demands: Vec<Demand> },
    /// The change was rolled back on record alone.
    #[error("the rollback was recorded, but what it takes back is still in effect: {}", joined(.what))]
    StillInEffect {
        /// Its commits, or its tuneables with their values.
        what: Vec<String>,
    },
    #[error("there is nothing to roll back: no delta was ever checked")]
    NothingToRollBack,
    #[error("no alarm is open")]
    NoAlarm,
    #[error("the change is not fully rolled out, so there is nothing to monitor")]
    NotRolledOut,
    #[error("only an emergency is followed up, and not by itself")]
    FollowUp,
}

/// What is wrong with a criterion of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum VacuousCriterion {
    #[error("is KPI and guardrail at once: it guards nothing")]
    Doubled,
    #[error("would demand nothing as KPI: it holds without any improvement")]
    NoImprovement,
    #[error("holds wherever the KPI does: it guards nothing")]
    LooserThanKpi,
    #[error("holds whatever is measured: it guards nothing")]
    CannotFail,
    #[error("would fire as rollback trigger although nothing got worse")]
    FiresOnGood,
    #[error("can never hold, whatever is measured")]
    CannotHold { kpi: bool },
    #[error("can never fire as rollback trigger")]
    CannotFire,
    #[error("names a commit, but an emergency has no commit: give the command that removes the override")]
    NoCommit,
    #[error("is not a share between 0 % and 100 %")]
    NoShare,
}

impl Reason {
    /// The metrics that the config does not measure, each with the nearest that it does.
    pub fn unknown_metrics(&self) -> impl Iterator<Item = (&MetricId, Option<&MetricId>)> + Clone {
        let mut first = None;
        let mut more = [].as_slice();
        if let Self::UnknownMetric { metric, nearest, more: others } = self {
            first = Some((metric, nearest.as_ref()));
            more = others;
        }
        first.into_iter().chain(more.iter().map(|(metric, nearest)| (metric, nearest.as_ref())))
    }
}

impl Refusal {
    /// A refusal at `gate`.
    pub fn new(gate: Gate, missing: Reason) -> Self {
        Self { gate, missing }
    }

    /// Whether the change is not, or not as it was validated, in what is checked out.
    pub fn is_of_effect(&self) -> bool {
        matches!(
            self.missing,
            Reason::NotInEffect { .. } | Reason::NotAsCommitted { .. } | Reason::OtherTuneables { .. }
        )
    }

    /// Whether waiting or more measuring may open the gate: nothing is wrong yet.
    pub fn is_not_yet(&self) -> bool {
        if let Reason::Unverified { demands } = &self.missing {
            // What a person has to do may be done at once: waiting does not bring it.
            return demands.iter().filter(|demand| !demand.met).all(|demand| demand.kind.comes_with_time());
        }
        if let Reason::Verdicts { judged } = &self.missing {
            return judged.iter().all(|judged| judged.verdict.outcome() == Outcome::Inconclusive);
        }
        matches!(self.missing, Reason::Soak { .. })
    }
}

fn unknown(reason: &Reason) -> String {
    let one = |(metric, nearest): (&MetricId, Option<&MetricId>)| {
        let nearest = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        format!("unknown metric `{metric}`{nearest}")
    };
    reason.unknown_metrics().map(one).collect::<Vec<_>>().join(", and ")
}

fn no_delta(outputs: &[String]) -> String {
    if outputs.is_empty() {
        return "nothing has changed since the baseline: no commit, tuneable or file of this change".to_owned();
    }
    format!(
        "the change alters only the file that its KPI is read from ({}), not the code that produces it",
        joined(outputs)
    )
}

fn unmet(demands: &[Demand]) -> String {
    let open = demands.iter().filter(|demand| !demand.met).count();
    format!("{open} of {} demands {} not met", demands.len(), if open == 1 { "is" } else { "are" })
}

fn redefined(what: &[String]) -> String {
    let (general, measured): (Vec<&String>, Vec<&String>) = what.iter().partition(|key| compare::is_general(key));
    let measured = (!measured.is_empty()).then(|| {
        let names = joined(measured);
        format!("the config measures {names} in another way than the baseline did, so the two cannot be compared")
    });
    let general = (!general.is_empty()).then(|| {
        let are = if general.len() == 1 { "is" } else { "are" };
        let keys = joined(general);
        format!("{keys} of the config {are} not as at the baseline, which fixed how the change is built and checked")
    });
    measured.into_iter().chain(general).collect::<Vec<_>>().join("; ")
}

fn rehearsed(rehearsal: &Rehearsal) -> String {
    match rehearsal {
        Rehearsal::Applies { .. } => "the rollback applies".to_owned(),
        Rehearsal::NotApplicable => "there is no commit to revert".to_owned(),
        Rehearsal::Conflicts { paths } => {
            let paths = count(paths.len() as u64, "path", "paths");
            format!("the rollback does not apply: `git revert` conflicts in {paths}")
        }
        Rehearsal::ChecksFail { names } => format!(
            "the rollback applies, but in a clean checkout of its result, which holds only what git tracks, checks fail: {}",
            joined(names)
        ),
    }
}
