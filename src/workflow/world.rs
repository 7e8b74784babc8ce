//! The facts outside the record that gates depend on: the checked-out code, the config, the evidence files.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::model::{
    ArtifactFault, Better, ChangeId, CriterionResult, Delta, DeltaCommit, InEffect, Kind, MetricId, Policy, Revision,
    RolloutStage, StagePlan, Strength, Surface, TuneableChange,
};
use crate::workflow::Change;

/// A metric that the config does not measure, with the nearest one that it does.
pub type UnknownMetric = (MetricId, Option<MetricId>);

/// Gathered by a command before it asks a gate. The defaults stand for unknown, and refuse wherever a field can.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub revision: Revision,
    pub allow_dirty: bool,
    /// Undecided changes whose effects would mix with those of a new one.
    pub undecided: Vec<ChangeId>,
    pub tuneables_configured: bool,
    /// The most days that an emergency's override may last; `None` if unknown, as on replay.
    pub max_emergency_days: Option<u32>,
    /// The better direction of metrics, as far as it is known.
    pub better: BTreeMap<MetricId, Better>,
    pub unknown: Vec<UnknownMetric>,
    /// Commits in the history that already carry this id.
    pub commits_with_id: Vec<DeltaCommit>,
    /// Paths whose size the contract names but that git does not track, with the reason.
    pub not_in_git: Vec<String>,
    /// The path of the config, and its uncommitted differences that matter for the change.
    pub uncommitted_config: Option<(String, Vec<String>)>,
    /// Files that the contract's metrics are read from, relative to the project root.
    pub outputs: Vec<String>,
    /// Config entries that measure with or from the tool's own files: `KEY (PATH)`.
    pub own_sources: Vec<String>,
    /// Metrics of the contract without a usable value in the measurement, with the reason.
    pub unmeasured: Vec<(MetricId, String)>,
    /// Whether the baseline already meets the KPI.
    pub met_already: bool,
    /// Whether the baseline's commit is an ancestor of the revision; `None` if there are no commits.
    pub descends: Option<bool>,
    pub delta: Delta,
    /// Where the change has no commit: those of its author that name none and are on other branches or a remote, too.
    pub unnamed: Vec<DeltaCommit>,
    /// A surface that a change of this class must not touch, with the changed files on it.
    pub not_of_class: Option<(Surface, Vec<String>)>,
    /// What has to change with the contracts surface but did not, with its paths.
    pub owed: Vec<String>,
    /// Whether the change's commits are the last ones and on no remote, so that they may still be rewritten.
    pub at_tip: bool,
    /// Whether a commit may name this change alone; a record that is there already may have one that names several.
    pub one_id_each: bool,
    /// Metrics of the contract that cannot be measured on the change's commit and its parent.
    pub unattributed: Vec<MetricId>,
    pub tuneables: Vec<TuneableChange>,
    /// The definitions by which the config measures differently from the baseline.
    pub redefined: Vec<String>,
    pub has_tests: bool,
    pub faults: Vec<ArtifactFault>,
    pub reproduced: bool,
    pub in_effect: InEffect,
    /// The number of recorded days when measuring began; if there are more now, another process was faster. `None` if
    /// the day is recorded in any case.
    pub days: Option<usize>,
    /// Files of the change that are reverted at `HEAD`.
    pub taken_back: Vec<String>,
    /// Files of the change with uncommitted edits.
    pub undone: Vec<String>,
    /// What of a rolled back change is still in effect.
    pub still_in_effect: Vec<String>,
    /// The present policy of the config, raised by flags.
    pub policy: Policy,
    pub review_counts: bool,
    /// Why the attested review does not count, if known.
    pub review_objection: Option<String>,
    /// Whether the work tree is clean; `None` if that is not demanded.
    pub clean_git: Option<bool>,
    /// Whether the emergency's follow-up is a tuneable or code change that was opened after it and promoted.
    pub follow_up_promoted: bool,
    /// The KPI, if it failed on every monitored day.
    pub kpi_lost: Option<CriterionResult>,
    /// From when the change was last in effect again after something had taken it out of the checked-out history.
    pub brought_back: Option<DateTime<Utc>>,
    /// Monitored days that do not count, as nothing in the checked-out history shows what was measured.
    pub elsewhere: BTreeSet<NaiveDate>,
}

impl World {
    /// The most permissive world in which `event` may have been recorded.
    pub fn granted(change: &Change, event: &Kind) -> Self {
        let demanded = change.frozen_policy().cloned().unwrap_or_default();
        let mut world = Self {
            tuneables_configured: true,
            descends: Some(true),
            has_tests: true,
            reproduced: true,
            in_effect: InEffect::Yes,
            review_counts: true,
            follow_up_promoted: true,
            policy: demanded.clone(),
            ..Self::default()
        };
        if let Some(taken) = event.recorded_snapshot() {
            world.revision = taken.revision.clone();
        }
        if let Kind::BaselineTaken(baseline) = event {
            world.allow_dirty = baseline.strength == Strength::Indicative;
        }
        if let Kind::RolledOut(RolloutStage { stage, policy, .. }) = event {
            // A stage that is not in the frozen plan was added by a stricter config.
            let only = Policy { stages: vec![StagePlan { stage: *stage, soak_hours: 0.0 }], ..Policy::default() };
            world.policy = policy.clone().unwrap_or_else(|| demanded.joined_with(&only));
        }
        if let (Kind::AlarmResolved { .. }, Some(kpi)) = (event, &change.comparison) {
            world.kpi_lost = Some(kpi.verdicts.kpi.clone());
        }
        if let Some(validation) = &change.validation {
            world.tuneables = validation.delta.tuneables.clone();
        }
        world
    }
}
