//! The reasons for a refusal, each with its code, facts, message and fixes. Longer fixes are in `fixes.rs`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::model::{
    ArtifactFault, ChangeId, Class, CommandLine, CriterionResult, DeltaCommit, Fix, Gate, MetricId, Part, Rehearsal,
    Stage, Surface, WHAT_HAPPENED, count, fix, joined, moment, short,
};
use crate::workflow::demand_fixes::{decisions, restore, take_out, taken_out};
use crate::workflow::fixes::RefusalFixes;
use crate::workflow::refusal::{foreign, no_delta, redefined, rehearsed};
use crate::workflow::refusal::{other_criterion, other_names};
use crate::workflow::window::unmet;
use crate::workflow::{Demand, VacuousCriterion};

/// The snake-case name of a variant is its stable code.
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
    #[error("{}", unknown(self.unknown_metrics()))]
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
        /// The change's own commit, if there is one.
        own: Option<String>,
        /// Whether that commit may still be rewritten; likewise in the other variants.
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("git could not say whether the work tree is clean: {reason}")]
    UnknownState { reason: String },
    #[error("{} of the contract could not be measured", count(.metrics.len() as u64, "metric", "metrics"))]
    Unmeasured {
        metrics: Vec<MetricId>,
        /// The explanations, in the order of the metrics; empty if unknown.
        why: Vec<String>,
    },
    #[error("the config measures from the tool's own files, whose changes do not count: {}", joined(.sources))]
    OwnSource { sources: Vec<String> },
    #[error("{path} differs from the committed config and is uncommitted: {}", joined(.what))]
    ConfigUncommitted { path: String, what: Vec<String> },
    #[error("the contract names sizes of paths that git does not track, so a commit cannot change them: {}", joined(.paths))]
    NotInGit { paths: Vec<String> },
    #[error("{}", redefined(.what))]
    Redefined {
        /// Prefixes of metric names, such as `timing.tests`; `tuneables` for the files that these are read from; config
        /// keys, such as `commands.test`.
        what: Vec<String>,
        /// Whether only the config changed since the baseline.
        #[serde(skip)]
        alone: bool,
    },
    #[error("a change of class code needs a commit, and there is none since the baseline")]
    NoCommit,
    #[error(
        "{} the value that was validated: {}",
        if .keys.len() == 1 { "a tuneable does not have" } else { "tuneables do not have" }, joined(.keys)
    )]
    OtherTuneables { keys: Vec<String> },
    #[error("{}", taken_out(*.reverted, .files))]
    NotInEffect {
        /// Whether it was reverted; otherwise its commit is not in the history.
        reverted: bool,
        /// If only part of it was reverted, the files that are as before it, or that contain nothing of it any more.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
    },
    #[error("what is committed is not in effect: files of the change differ from it: {}", joined(.files))]
    NotAsCommitted { files: Vec<String> },
    #[error("{}", no_delta(.outputs, .unnamed))]
    NoDelta {
        /// The changed files, if all of them are files that KPIs are read from.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<String>,
        /// Commits without an id, one of which may be the change's.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unnamed: Vec<DeltaCommit>,
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
    CodeBeside {
        files: Vec<String>,
        #[serde(skip)]
        own: Option<String>,
    },
    #[error("the change is of class {}, and touches the {} surface", .class.name(), .surface.name())]
    WrongClass { class: Class, surface: Surface, files: Vec<String> },
    #[error("{} commits since the baseline; a change is one commit, or effects cannot be told apart", .commits.len())]
    ManyCommits {
        commits: Vec<DeltaCommit>,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("{}", foreign(.commit, *.shared))]
    ForeignCommit {
        commit: DeltaCommit,
        /// Whether it names this change too.
        #[serde(skip)]
        shared: bool,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error("others committed since the baseline, and their effect on {} cannot be told from the change's", joined(.metrics))]
    OthersCommitted { metrics: Vec<MetricId> },
    #[error("the baseline's commit {baseline} is not in the history of the present one")]
    BaselineNotAncestor {
        baseline: String,
        /// The change's own commits since the histories diverged.
        #[serde(skip)]
        commits: Vec<DeltaCommit>,
        #[serde(skip)]
        at_tip: bool,
    },
    #[error(
        "{} changed without its {}",
        count(.files.len() as u64, "file of the contracts surface", "files of the contracts surface"),
        joined(.owed)
    )]
    ContractDocs {
        files: Vec<String>,
        /// What has to change with them, and the config's paths for it.
        owed: Vec<String>,
        #[serde(skip)]
        own: Option<String>,
    },
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
    Verdicts { judged: Vec<CriterionResult> },
    #[error("the rollback trigger fired")]
    TriggerFired { judged: CriterionResult },
    #[error("{}", rehearsed(.rehearsal))]
    Rollback { rehearsal: Rehearsal },
    #[error("a reason in words is needed")]
    Reason { verb: &'static str },
    #[error("the rollout's plan has no such stage; it has {}", joined(.planned.iter().map(|stage| stage.name())))]
    NoSuchStage { planned: Vec<Stage> },
    #[error("the stage {} comes first", .next.name())]
    StageOrder { next: Stage },
    #[error("the stage {} has to last until {}", .stage.name(), moment(*.until))]
    Soak { stage: Stage, until: DateTime<Utc> },
    #[error("{} violated or cannot be judged", count(.judged.len() as u64, "guardrail is", "guardrails are"))]
    StageGuardrails { judged: Vec<CriterionResult> },
    #[error("a summary of what was observed is needed")]
    Summary,
    #[error("{}", unmet(.demands))]
    Unverified { demands: Vec<Demand> },
    #[error("the rollback was recorded, but what it takes back is still in effect: {}", joined(.what))]
    StillInEffect {
        /// The change's commits, or its tuneables with their values.
        what: Vec<String>,
    },
    #[error("there is nothing to roll back: no delta was ever checked")]
    NothingToRollBack,
    #[error("no alarm is open")]
    NoAlarm,
    #[error("the change is not fully rolled out, so there is nothing to monitor")]
    NotRolledOut,
    #[error("only an emergency is followed up, by a change of class code or tuneable that was opened after it")]
    FollowUp,
}

pub fn unknown<'a>(metrics: impl Iterator<Item = (&'a MetricId, Option<&'a MetricId>)>) -> String {
    let one = |(metric, nearest): (&MetricId, Option<&MetricId>)| {
        let nearest = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        format!("unknown metric `{metric}`{nearest}")
    };
    metrics.map(one).collect::<Vec<_>>().join(", and ")
}

impl Reason {
    /// Whether the fixes depend on uncommitted or stashed files.
    pub(crate) fn is_of_uncommitted(&self) -> bool {
        let is_of_tree = matches!(self, Self::Dirty { .. } | Self::NotAsCommitted { .. } | Self::NoDelta { .. });
        is_of_tree || matches!(self, Self::CommitsBeforeBaseline { .. } | Self::Unmeasured { .. })
    }

    /// The fixes, in the order to apply them.
    #[expect(clippy::too_many_lines, reason = "one exhaustive match")]
    pub(crate) fn fixes(&self, with: &RefusalFixes<'_>) -> Vec<Fix> {
        let (change, ctx, id) = (with.change, with.ctx, with.change.id());
        let hold = fix::with_reason(id, "hold");
        let go_back = take_out(change, None);
        match self {
            Self::Ended { .. } | Self::NotInClass { .. } => with.other_change(),
            Self::Earlier { gate } => vec![Fix::next("", with.pass(with.due(*gate)))],
            // If opening is refused, there is no change yet; those fixes are in `refusal.rs`.
            Self::OtherOpen { .. }
            | Self::IncidentNote
            | Self::Expiry
            | Self::ExpiryTooLate { .. }
            | Self::TuneablesUnknown
            | Self::NoAlarm
            | Self::FollowUp => vec![with.status("")],
            Self::AlreadyPassed => with.passed_already(),
            Self::Frozen => vec![with.status("continue with it"), with.reject("start over with another contract")],
            Self::ContractParts { parts } => vec![Fix::next("", with.contract(parts))],
            Self::UnknownMetric { .. } => vec![
                Fix::next(
                    "see what the config measures, or add the metric to it",
                    CommandLine::tool("doctor --format text"),
                ),
                Fix::or("name another metric", other_names(change, self.unknown_metrics(), ctx)),
            ],
            Self::ContractSense { criterion, why } => {
                let other = Fix::next("", other_criterion(Some(change), criterion, *why, ctx));
                let again = (with.gate == Gate::Baseline).then(|| with.again(""));
                std::iter::once(other).chain(again).collect()
            }
            Self::CommitsBeforeBaseline { commits, at_tip } => with.too_early(commits, *at_tip),
            Self::Dirty { own, at_tip, .. } => with.dirty(own.as_deref(), *at_tip),
            Self::UnknownState { .. } => {
                vec![Fix::next("see what git says", CommandLine::git("status")), with.again("")]
            }
            Self::Unmeasured { metrics, .. } => with.unmeasured(metrics),
            Self::OwnSource { .. } => {
                vec![Fix::next(
                    "move the files elsewhere, name them there in the config, commit, then",
                    fix::baseline(id),
                )]
            }
            Self::ConfigUncommitted { path, .. } => {
                let commit = CommandLine::git("commit -m").word("Set up the measurement").word("--").word(path);
                let both = CommandLine::git("add -f").word(path).and(commit);
                vec![Fix::next("commit it by itself", both), with.again("")]
            }
            Self::NotInGit { .. } => with.not_in_git(),
            Self::Redefined { alone, .. } => with.redefined(*alone),
            Self::OtherTuneables { .. } => with.other_tuneables(),
            Self::NotInEffect { reverted, files } => with.in_effect_again(*reverted, files),
            Self::NotAsCommitted { files } => with.undone(files),
            Self::NoDelta { unnamed, .. } if !unnamed.is_empty() => with.named_none(unnamed),
            Self::NoDelta { .. } | Self::NoTuneableChanged | Self::NoCommit => with.nothing_made(),
            Self::OnlyOutside { .. } => vec![
                Fix::next("open it in the project that holds these files", fix::with_reason(id, "reject")),
                Fix::or("make the change in this project", ctx.commit(id)),
            ],
            Self::CodeBeside { files, own } => with.without_code(files, own.as_deref()),
            Self::WrongClass { surface, .. } => with.in_another_class(*surface),
            Self::ManyCommits { commits, at_tip } => with.one_of_many(commits, *at_tip),
            Self::OthersCommitted { .. } => with.start_over("start over on what is there now"),
            Self::ForeignCommit { commit, shared: true, at_tip } => with.shared(commit, *at_tip),
            Self::ForeignCommit { commit, .. } => with.foreign(commit),
            // The baseline's commit was amended or rebased, so a new baseline is taken on the present history.
            Self::BaselineNotAncestor { commits, .. } if commits.is_empty() => {
                vec![Fix::next("take the baseline again on what is there now", fix::baseline(id))]
            }
            Self::BaselineNotAncestor { commits, at_tip: true, .. } => with.too_early(commits, true),
            Self::BaselineNotAncestor { .. } => with.start_over("start over on this history"),
            Self::ContractDocs { own, .. } if !ctx.uncommitted.may_amend(own.as_deref(), Some(id)) => {
                with.start_over("start over, with these in the commit")
            }
            Self::ContractDocs { owed, .. } => {
                // `git add` includes new files.
                let amend = with.ctx.uncommitted.add_all().and(CommandLine::git("commit --amend --no-edit"));
                vec![
                    Fix::next(format!("change {} too, and add that to the commit", joined(owed)), amend),
                    with.again(""),
                ]
            }
            Self::NoTests => {
                vec![Fix::next("find and enter the test command", CommandLine::tool("onboard")), with.again("")]
            }
            Self::NotValidatedCode { .. } => vec![Fix::next("", with.pass(Gate::Validate))],
            Self::OnlyIndicative => {
                vec![Fix::next("keep it as an experiment", hold), with.reject("drop it and start over on a clean tree")]
            }
            Self::Evidence { faults } => restore(faults, change, ctx, Some(with.again(""))),
            Self::NotReproduced => vec![Fix::next("", with.pass(Gate::Compare))],
            Self::Verdicts { judged } => decisions(change, judged, ctx),
            Self::TriggerFired { .. } | Self::StageGuardrails { .. } => {
                let mut steps = ctx.causes.steps();
                let what = "put right what it was, and begin the stage again";
                let again = (!steps.is_empty()).then(|| Fix::decide(fix::How::Then, what));
                let back = Fix::or("go back", go_back);
                steps.extend(again.into_iter().chain([back]));
                steps.first_mut().into_iter().for_each(|first| first.how = fix::How::Next);
                steps
            }
            Self::Rollback { rehearsal } => {
                let rest = [Fix::or("keep it as an experiment", hold), with.reject("drop it")];
                std::iter::once(with.unrehearsed(rehearsal)).chain(rest).collect()
            }
            Self::Reason { verb: "note" } => vec![Fix::next("", fix::on(id, "change note").placeholder(WHAT_HAPPENED))],
            Self::Reason { verb } => vec![Fix::next("", fix::with_reason(id, verb))],
            Self::NoSuchStage { planned } => {
                let next = planned.get(change.rollout.len()).or(planned.last());
                next.map(|stage| Fix::next("", fix::rollout(id, *stage))).into_iter().collect()
            }
            Self::StageOrder { next } => vec![Fix::next("", fix::rollout(id, *next))],
            Self::Soak { .. } => {
                vec![with.status("watch it meanwhile"), Fix::or("go back", go_back)]
            }
            Self::Summary => vec![Fix::next("", fix::verify(id))],
            Self::Unverified { demands } => {
                let unmet = demands.iter().filter(|demand| !demand.met);
                unmet.flat_map(|demand| demand.fixes(change, ctx)).collect()
            }
            Self::StillInEffect { .. } => with.taken_back(),
            Self::NothingToRollBack => with.end_instead(),
            Self::NotRolledOut => vec![Fix::next("", with.pass(with.due(Gate::Rollout)))],
        }
    }

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
