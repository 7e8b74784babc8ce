//! Audit findings: every kind with its code, facts and message. The fixes are in `fixes.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::audit::KeyChange;
use crate::model::text::cut;
use crate::model::{
    Artifact, ChangeId, Class, CommitName, Digest, FixContext, Gate, MetricId, Problem, Severity, Subject, Surface,
    count, few, fix, moment, short,
};

/// What was found. The name in upper snake case is the stable code.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Error)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FindingKind {
    #[error("the commit names no change{}", if *.newly_exempt { ", and only the head's config exempts it" } else { "" })]
    CommitWithoutId {
        /// Whether an exemption covers it that the range itself brought, which does not count for it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        newly_exempt: bool,
        /// Whether the range begins before there was a config, so that the commit may be older than the set-up.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        may_be_older: bool,
    },
    #[error("tuneables changed without a change: {}", few(.paths))]
    TuneablesUntracked { paths: Vec<String> },
    #[error("overrides by environment changed without a change: {}", few(.paths))]
    EnvOverrideUndocumented { paths: Vec<String> },
    #[error("invalid change id {:?} in the trailer", cut(.value, 100))]
    MalformedId { value: String },
    #[error("the commit names {id}, which has no record here")]
    UnknownId { id: ChangeId },
    #[error("the commit names {} changes ({}); one change, one commit", .ids.len(), few(.ids))]
    SeveralIds { ids: Vec<String> },
    #[error("{} commits name the same change ({}); one change, one commit", .commits.len(), hashes(.commits))]
    ManyCommits { commits: Vec<CommitName> },
    #[error("a {marker} commit was not squashed")]
    FixupLeft { marker: &'static str },
    #[error("{}: {}", merge_text(*.new_file, *.conflict, *.back), few(.paths))]
    MergeBringsContent {
        paths: Vec<String>,
        /// Whether a whole file is new in it: no resolution of a conflict adds one.
        new_file: bool,
        /// Whether merging its parents again conflicts in each of them, so that somebody had to decide.
        conflict: bool,
        /// Whether no commit of a change touches them: what was taken out comes back, or an exempt edit follows a move. Of a
        /// conflict: whether all that one of its sides did to them was taken back.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    #[error(
        "the commit says that it reverts {}, {}", short(.reverted),
        if *.unrelated { "which is not in its history" } else { "but does not exactly undo it" }
    )]
    RevertNotExact {
        reverted: String,
        /// Whether it is the reverse of a commit that is not in its history.
        unrelated: bool,
    },
    #[error(
        "a change of class {} touches {}: {}", .class.name(),
        .surface.map_or("code".to_owned(), |surface| format!("the {} surface", surface.name())), few(.paths)
    )]
    WrongClass {
        class: Class,
        /// The surface; `None` for code that is on none.
        #[serde(skip_serializing_if = "Option::is_none")]
        surface: Option<Surface>,
        paths: Vec<String>,
    },
    #[error("the contracts surface changed without {}: {}", lacking(*.docs, *.tests), few(.paths))]
    ContractWithoutDocs { paths: Vec<String>, docs: bool, tests: bool },
    #[error("the emergency's override expired on {} and is still in effect", moment(*.expired))]
    EnvOverrideExpired { expired: DateTime<Utc> },
    #[error("promoted on a benchmark alone: no rollout stage checks the guardrails")]
    PromotedWithoutLiveCheck { from: Option<ChangeId> },
    #[error("the record cannot be trusted: {problem}")]
    RecordUnreadable { problem: String, conflicted: bool, kept_in: Option<String> },
    /// A record holds events that its gates would not have let happen.
    #[error(
        "event {seq} {}",
        .gate.map_or("does not have the content that its gate records".to_owned(), |gate| format!("would have been refused by {gate}"))
    )]
    RecordUnlawful {
        seq: u64,
        /// The gate that would have refused; `None` where the event itself is not what the gate records.
        gate: Option<Gate>,
    },
    /// `seq` is the first event that is not the old one; `days` says whether all that is gone can be recorded behind what
    /// is there.
    #[error("the record was rewritten: event {seq} is not the one that was there before")]
    RecordRewritten { seq: u64, days: bool },
    /// Two branches continued a record with monitored days without an alarm, and a merge kept only one side; `seq` is
    /// the first event that only the side left out has.
    #[error(
        "two branches continued the record from event {seq} on, and a merge took one side; the other side's days are gone"
    )]
    RecordForked { seq: u64 },
    #[error("the record was removed")]
    RecordRemoved,
    #[error("the record is missing here, and the commit checked out has it")]
    RecordMissing,
    #[error("event {seq} claims {}, which is after the commit that holds it", moment(*.at))]
    RecordFromFuture { seq: u64, at: DateTime<Utc> },
    #[error(
        "event {seq} claims {}, but the record was committed without it at {}", moment(*.at), moment(*.committed)
    )]
    RecordBackdated { seq: u64, at: DateTime<Utc>, committed: DateTime<Utc> },
    #[error(
        "event {seq} claims {}, but names the commit {}, which was made at {}",
        moment(*.at), short(.commit), moment(*.made)
    )]
    RecordBeforeCommit { seq: u64, at: DateTime<Utc>, commit: String, made: DateTime<Utc> },
    /// Git cannot confirm monitored days.
    #[error("git does not confirm {}, {why}", few(&.days.iter().collect::<Vec<_>>()))]
    DaysUnwitnessed {
        /// The days; of those that were committed late, the day of the full rollout may be one.
        days: BTreeSet<NaiveDate>,
        #[serde(flatten)]
        why: Unwitnessed,
    },
    #[error(
        "evidence of the change that no event mentions: a run was killed, or the record was reset to an earlier \
         version"
    )]
    EvidenceSetAside,
    /// A change went past what the config demands, where it was validated as at the head.
    #[error("requirements were skipped that the config had when the change was validated and has now: {}", few(.what))]
    PolicyLoosened { what: Vec<&'static str> },
    #[error("the record was written by the Python tool and carries no evidence")]
    RecordUnproven,
    #[error("the change has not passed {missing}{}", .end.map(|end| format!(" and is {end}")).unwrap_or_default())]
    GateNotReached { missing: Gate, end: Option<&'static str> },
    #[error("{gate} is demanded, which a change of class {} never passes", .class.name())]
    ClassNeverPasses { class: Class, gate: Gate },
    #[error("{}", not_here(*.taken_back))]
    ChangeNotHere {
        /// Whether it was reverted before it was marked verified.
        taken_back: bool,
    },
    #[error("the change was {}, but its commit was not reverted", .end.replace('_', " "))]
    NotReverted {
        end: &'static str,
        /// Whether the tool can take the commit out by itself: the record knows it, or it is found by the change's id.
        known: bool,
    },
    #[error("the baseline (at {baseline}) is not before the commit")]
    BaselineNotFirst { baseline: String },
    #[error(
        "the baseline was measured at {}, after the commit was written at {}", moment(*.measured), moment(*.written)
    )]
    EvidenceAfterTheFact { measured: DateTime<Utc>, written: DateTime<Utc> },
    #[error("{}", not_validated(.validated, *.ended))]
    CommitNotValidated {
        /// None where the change was validated without any.
        validated: Vec<String>,
        /// How the change had ended before the commit, where it is that.
        #[serde(skip_serializing_if = "Option::is_none")]
        ended: Option<&'static str>,
    },
    #[error("the record says that this commit took the place of {}, but it is not the same change", short(.old))]
    RelinkUnproven { old: String },
    #[error("{}", if *.uncommitted { "evidence exists locally but is not committed" } else { "recorded evidence is missing" })]
    ArtifactMissing {
        /// Whether the work tree has it as it was recorded.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        uncommitted: bool,
        /// A commit that has it as it was recorded.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept_in: Option<String>,
    },
    #[error("evidence was altered: its digest is {}…, recorded was {}…", .found.short(), .recorded.short())]
    ArtifactAltered { recorded: Digest, found: Digest, kept_in: Option<String> },
    #[error("recorded verdicts do not follow from the evidence: {problem}")]
    VerdictsDiffer {
        /// What differs, or why they cannot be recomputed.
        problem: String,
    },
    /// A page that people read is not what the record and the raw evidence give.
    #[error("{}", report_differs(.other_version.as_deref()))]
    ReportDiffers {
        /// The version that wrote it, where that is another one.
        #[serde(skip_serializing_if = "Option::is_none")]
        other_version: Option<String>,
    },
    #[error("event {seq} is signed by nobody who may sign")]
    EventUnsigned { seq: u64 },
    /// `check --remeasure` measured otherwise than the record says, to the change's disadvantage.
    #[error("measured again, `{criterion}` gives {measured}; recorded was {recorded}")]
    RemeasuredDifferently { criterion: String, recorded: String, measured: String },
    #[error("measured again, nothing could be decided: {why}")]
    NotRemeasured { why: String },
    #[error("recorded evidence is ignored by git, so no clone will have it")]
    EvidenceIgnored,
    #[error("no record knows this evidence file")]
    EvidenceUnknown,
    /// What promoted changes cost together; it fails where that is more than the config allows.
    #[error(
        "{metric} is {:.1} % {} than at {since} over {} (budget: at most {:.1} % worse){}", .spent.abs() * 100.0,
        if *.spent < 0.0 { "better" } else { "worse" }, count(.changes.len() as u64, "change", "changes"),
        .at_most * 100.0,
        if *.unjudged > 0 { format!("; {} not judged", count(*.unjudged as u64, "change was", "changes were")) }
        else { String::new() }
    )]
    Budget {
        metric: MetricId,
        since: String,
        /// Shares.
        spent: f64,
        at_most: f64,
        /// Those that judged the metric, the one that costs most first.
        changes: Vec<ChangeId>,
        unjudged: usize,
    },
    /// The config demands, measures or judges otherwise than at the range's base.
    #[error(
        "{}: {}", if *.judged { "the change is judged by another config than at the range's base or its baseline" } else {
        "the config's demands changed in this range" }, few(.changes)
    )]
    PolicyChanged {
        /// The keys.
        what: Vec<String>,
        changes: Vec<KeyChange>,
        /// Whether a change of the same range is judged by it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        judged: bool,
    },
}

/// Why git cannot confirm a monitored day.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub(crate) enum Unwitnessed {
    #[error("committed too late (first at {})", moment(*.committed))]
    Late { committed: DateTime<Utc> },
    #[error("measured at a commit that is not in this history, with code that it does not have: no such day counts")]
    Elsewhere,
    #[error("measured with uncommitted work: no commit holds what was measured")]
    Uncommitted,
    #[error("measured at a commit that lacks code which had been committed more than a day before")]
    Behind,
}

fn not_here(taken_back: bool) -> &'static str {
    match taken_back {
        true => "the change was verified, though it had been taken back before",
        false => "the change was promoted, but no commit of it is in this history",
    }
}

fn hashes(commits: &[CommitName]) -> String {
    few(&commits.iter().map(|commit| short(&commit.id)).collect::<Vec<_>>())
}

fn merge_text(new_file: bool, conflict: bool, back: bool) -> &'static str {
    match (new_file, conflict) {
        (_, true) if back => {
            "the merge resolves conflicts with work that was taken back, so that it is content of its own"
        }
        _ if back => {
            "the merge changes files that no commit of a change touches: it brings back what was there before, or edits \
             of a file that needed no change before it was moved"
        }
        (true, _) => "the merge adds files that a clean merge of its parents does not have",
        (false, true) => "the merge contains resolved conflicts",
        (false, false) => "the merge differs from a clean merge of its parents",
    }
}

fn not_validated(validated: &[String], ended: Option<&str>) -> String {
    if let Some(end) = ended {
        return format!("the commit was made after the change was {}", end.replace('_', " "));
    }
    if validated.is_empty() {
        return "the change was validated without a commit, and this is not the code that was validated".to_owned();
    }
    let validated: Vec<String> = validated.iter().map(|sha| short(sha)).collect();
    format!("the commit is not the one that was validated ({})", few(&validated))
}

fn report_differs(other_version: Option<&str>) -> String {
    let version = other_version.map(|tool| format!(" in this version; it was written by {tool}"));
    format!("it is not what the record and the evidence give{}", version.unwrap_or_default())
}

fn lacking(docs: bool, tests: bool) -> &'static str {
    match (docs, tests) {
        (false, false) => "documents and tests",
        (false, true) => "documents",
        (true, _) => "tests",
    }
}

impl FindingKind {
    pub(crate) fn code(&self) -> String {
        fix::code(self)
    }

    /// A missing or altered evidence file; `kept_in` is a commit that has it as it was recorded.
    pub(crate) fn lost(artifact: &Artifact, found: Option<Digest>, kept_in: Option<String>) -> Self {
        match found {
            Some(found) => Self::ArtifactAltered { recorded: artifact.sha256.clone(), found, kept_in },
            None => Self::ArtifactMissing { uncommitted: false, kept_in },
        }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub level: Severity,
    #[serde(flatten)]
    pub what: FindingKind,
    #[cfg_attr(test, schemars(with = "Option<crate::schemas::CommitOrHash>"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// The file, where it is about one: from the project's root, with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the commit that it is about was taken back whole within the range: then it only warns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
    /// A change that was measured while this commit was in; the finding then stays a failure.
    #[serde(skip)]
    pub measured: Option<ChangeId>,
}

impl Finding {
    /// The message, preceded by the path that it is about unless it contains that.
    pub(crate) fn named(&self) -> String {
        let (path, sentence) = (self.path.as_deref().unwrap_or_default(), self.what.to_string());
        if sentence.contains(path) { sentence } else { format!("{path}: {sentence}") }
    }

    /// Converts the finding to a [`Problem`] with its fixes.
    pub(crate) fn problem(&self, ctx: &FixContext) -> Problem {
        let measured = |id: &ChangeId| format!(" (it was taken back, but {id} was measured with it)");
        let again = self.measured.as_ref().map(measured).unwrap_or_default();
        let again = if self.taken_back { " (and was taken back in the same range)" } else { &again };
        Problem {
            code: self.what.code(),
            severity: self.level,
            subject: Subject { commit: self.commit.clone(), change: self.change.clone(), path: self.path.clone() },
            message: format!("{}{again}", self.what),
            details: Vec::new(),
            fixes: if self.taken_back { Vec::new() } else { self.fixes(ctx) },
        }
    }

    pub(crate) fn fail(what: FindingKind) -> Self {
        Self { level: Severity::Fail, what, commit: None, change: None, path: None, taken_back: false, measured: None }
    }

    /// A failing finding about these files, located at the first; `None` without files.
    pub(crate) fn on_paths(paths: Vec<String>, what: impl FnOnce(Vec<String>) -> FindingKind) -> Option<Self> {
        let first = paths.first().cloned()?;
        Some(Self::fail(what(paths)).at(first))
    }

    pub(crate) fn warn(what: FindingKind) -> Self {
        Self { level: Severity::Warn, ..Self::fail(what) }
    }

    pub(crate) fn of_commit(self, commit: &CommitName) -> Self {
        Self { commit: Some(commit.clone()), ..self }
    }

    /// Marks the finding as about a reverted commit, which lowers it to a warning unless a change was measured with it.
    pub(crate) fn taken_back(self, measured: Option<ChangeId>) -> Self {
        let level = if measured.is_none() { self.level.min(Severity::Warn) } else { self.level };
        Self { level, taken_back: measured.is_none(), measured, ..self }
    }

    pub(crate) fn of_change(self, change: &ChangeId) -> Self {
        Self { change: Some(change.clone()), ..self }
    }

    pub(crate) fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }
}
