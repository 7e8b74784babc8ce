//! What an audit finds: a closed set of codes with their facts. Codes are stable, for configs and scripts of users;
//! the words and the healing command are made in `report/findings`. Must not look for anything itself.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::model::{ChangeId, Class, CommitName, Digest, Gate, Surface};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    /// Should be looked at; does not fail a check.
    Warn,
    Fail,
}

impl Level {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found. The name in upper snake case is the stable code.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum What {
    CommitWithoutId,
    /// A commit changes tuneables and names no change.
    TuneablesUntracked {
        paths: Vec<String>,
    },
    /// A commit changes overrides by environment and names no change.
    EnvOverrideUndocumented {
        paths: Vec<String>,
    },
    /// A trailer's value is no change id.
    MalformedId {
        value: String,
    },
    /// A trailer names a change that has no record here.
    UnknownId {
        id: ChangeId,
    },
    SeveralIds {
        ids: Vec<String>,
    },
    /// Several commits of the range name one change.
    ManyCommits {
        commits: Vec<CommitName>,
    },
    /// A commit that was meant to be squashed into another.
    FixupLeft {
        marker: &'static str,
    },
    /// A merge holds content that none of its parents has.
    MergeBringsContent {
        paths: Vec<String>,
        /// Whether a whole file is new in it: no resolution of a conflict adds one.
        new_file: bool,
        /// Whether merging its parents anew conflicts in each of them, so that somebody had to decide; `None` where
        /// that cannot be told.
        conflict: Option<bool>,
    },
    /// A commit says that it reverts another, and does something else.
    RevertNotExact {
        reverted: String,
    },
    /// A change touches a surface that its class does not.
    WrongClass {
        class: Class,
        /// The surface; `None` for code that is on none.
        #[serde(skip_serializing_if = "Option::is_none")]
        surface: Option<Surface>,
        paths: Vec<String>,
    },
    /// A contracts surface changed without its documents or its tests.
    ContractWithoutDocs {
        paths: Vec<String>,
        docs: bool,
        tests: bool,
    },
    EnvOverrideExpired {
        expired: DateTime<Utc>,
    },
    /// A benchmark's winner was promoted with no stage before full that checks guardrails live.
    PromotedWithoutLiveCheck {
        from: Option<ChangeId>,
    },
    /// A record cannot be read or trusted.
    RecordUnreadable {
        problem: String,
    },
    /// A record holds events that its gates would not have let happen.
    RecordUnlawful {
        seq: u64,
        /// The gate that would have refused; `None` where the event itself is not what the gate records.
        gate: Option<Gate>,
    },
    /// A record does not continue the one that was there before.
    RecordRewritten {
        /// The first event that is not the old one.
        seq: u64,
    },
    /// A record that was there before is gone.
    RecordRemoved,
    /// A record that the commit checked out has does not lie in the work tree.
    RecordMissing,
    /// A record claims a moment after the commit that holds it, or after now.
    RecordFromFuture {
        seq: u64,
        at: DateTime<Utc>,
    },
    /// An event claims a moment before the record was last committed without it.
    RecordBackdated {
        seq: u64,
        at: DateTime<Utc>,
        /// When the record was committed without it.
        committed: DateTime<Utc>,
    },
    /// An event claims a moment before the commit that it names was made.
    RecordBeforeCommit {
        seq: u64,
        at: DateTime<Utc>,
        commit: String,
        made: DateTime<Utc>,
    },
    /// Monitored days were committed so late that git is no witness of them.
    DaysUnwitnessed {
        /// The days, the day of the full rollout among them.
        days: Vec<NaiveDate>,
        committed: DateTime<Utc>,
    },
    /// Evidence of a change lies set aside, and no event of its record knows it.
    EvidenceSetAside,
    /// A change went past what the config demands, where it was validated as at the head.
    PolicyLoosened {
        what: Vec<&'static str>,
    },
    /// A record of the original that proves nothing.
    RecordUnproven,
    /// A change has not passed the gate that is demanded.
    GateNotReached {
        /// The first gate that is demanded and not passed.
        missing: Gate,
        /// How the change ended, where it did.
        end: Option<&'static str>,
    },
    /// A change belongs to a class that never passes the gate that is demanded.
    ClassNeverPasses {
        class: Class,
        gate: Gate,
    },
    /// A change was rejected or rolled back, and its commit is still there.
    NotReverted {
        end: &'static str,
        /// Whether the record knows the commit, so that the tool can take it out by itself.
        known: bool,
    },
    /// The baseline does not lie before the commit.
    BaselineNotFirst {
        /// The commit that the baseline was captured at.
        baseline: String,
    },
    /// The baseline was measured after the commit was made.
    EvidenceAfterTheFact {
        measured: DateTime<Utc>,
        written: DateTime<Utc>,
    },
    /// The commit is not the one that was validated.
    CommitNotValidated {
        validated: Vec<String>,
    },
    /// A record moved its change to this commit, which is not the same.
    RelinkUnproven {
        old: String,
    },
    ArtifactMissing {
        /// Whether it lies in the work tree as it was recorded, and was not committed.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        uncommitted: bool,
    },
    /// An evidence file is not what was recorded.
    ArtifactAltered {
        recorded: Digest,
        found: Digest,
    },
    /// Recorded verdicts do not come out of the evidence.
    VerdictsDiffer {
        /// What differs, or why they cannot be recomputed.
        problem: String,
    },
    /// A recorded evidence file is ignored by git, so that no clone will have it.
    EvidenceIgnored,
    /// An evidence file that no record knows.
    EvidenceUnknown,
    /// The settings of enforcement themselves changed in the range.
    PolicyChanged {
        what: Vec<&'static str>,
    },
}

impl What {
    /// The stable code.
    pub fn code(&self) -> String {
        // The tag of an internally tagged enum is always there.
        let value = serde_json::to_value(self).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub level: Level,
    #[serde(flatten)]
    pub what: What,
    /// The commit, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitName>,
    /// The change, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// The file, where it is about one: from the project's root, with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the commit that it is about was taken back whole within the range: then it only warns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

impl Finding {
    /// A finding that fails.
    pub fn fail(what: What) -> Self {
        Self { level: Level::Fail, what, commit: None, change: None, path: None, taken_back: false }
    }

    /// A finding that warns.
    pub fn warn(what: What) -> Self {
        Self { level: Level::Warn, ..Self::fail(what) }
    }

    /// About this commit.
    #[must_use]
    pub fn of_commit(self, commit: &CommitName) -> Self {
        Self { commit: Some(commit.clone()), ..self }
    }

    /// The same, taken back: nothing of it is left, which is worth knowing and no more.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self { level: self.level.min(Level::Warn), taken_back: true, ..self }
    }

    /// About this change.
    #[must_use]
    pub fn of_change(self, change: &ChangeId) -> Self {
        Self { change: Some(change.clone()), ..self }
    }

    /// At this path.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }
}

/// What an audit came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// Everything found, in the order of the audit.
    pub findings: Vec<Finding>,
    /// Commits that needed no change by the config, with the reason given there.
    pub exempted: Vec<Exempted>,
    pub commits: usize,
    pub records: usize,
}

/// A commit that needed no change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exempted {
    pub commit: CommitName,
    pub reason: String,
}

impl Audit {
    /// The gravest level found.
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// Whether nothing fails.
    pub fn passes(&self) -> bool {
        self.worst() < Some(Level::Fail)
    }
}
