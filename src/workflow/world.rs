//! What gates ask of the world besides the record: the code checked out, the config, the evidence files.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::{
    ArtifactFault, Better, ChangeId, Delta, DeltaCommit, InEffect, Judged, Kind, MetricId, Policy, Revision,
    RolloutStage, StagePlan, Strength, Surface, TuneableChange,
};
use crate::workflow::Change;

/// A metric that the config does not measure, with the nearest that it does.
pub type UnknownMetric = (MetricId, Option<MetricId>);

/// Gathered by a command before it asks a gate. The default is what nobody looked at: where a field can refuse, it does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub revision: Revision,
    pub allow_dirty: bool,
    /// Undecided changes that a new one would be mixed up with.
    pub undecided: Vec<ChangeId>,
    pub tuneables_configured: bool,
    /// The most days for which an emergency's override may be opened; `None` where that is not known any more.
    pub max_emergency_days: Option<u32>,
    /// Which direction is an improvement, as far as it is known.
    pub better: BTreeMap<MetricId, Better>,
    pub unknown: Vec<UnknownMetric>,
    /// Commits in the history that carry this id already.
    pub commits_with_id: Vec<DeltaCommit>,
    /// Paths whose size the contract names, and of which git holds nothing, with why.
    pub not_in_git: Vec<String>,
    /// The config in force and what it defines otherwise than the committed one, of what the change rests on.
    pub uncommitted_config: Option<(String, Vec<String>)>,
    /// Files that the contract's metrics are read from, from the project's root.
    pub outputs: Vec<String>,
    /// What the config measures by, or from, the tool's own files: `KEY (PATH)`.
    pub own_sources: Vec<String>,
    /// Metrics of the contract without a usable value in the measurement, and why.
    pub unmeasured: Vec<(MetricId, String)>,
    /// Whether the baseline meets the KPI by itself.
    pub met_already: bool,
    /// Whether the baseline's commit is an ancestor of the revision; `None` where there are no commits.
    pub descends: Option<bool>,
    pub delta: Delta,
    /// A surface that a change of its class leaves alone, with the changed files on it.
    pub not_of_class: Option<(Surface, Vec<String>)>,
    /// What did not change with the contracts surface and has to, with where it may be.
    pub owed: Vec<String>,
    /// Whether the change's commits are the last ones, and on no remote: then they may still be made over.
    pub at_tip: bool,
    /// Metrics of the contract that cannot be measured on the change's commit and its parent.
    pub unattributed: Vec<MetricId>,
    pub tuneables: Vec<TuneableChange>,
    /// What the config measures in another way than the baseline did.
    pub redefined: Vec<String>,
    pub has_tests: bool,
    pub faults: Vec<ArtifactFault>,
    pub reproduced: bool,
    pub in_effect: InEffect,
    /// How many days the record had when one was measured; more of them, and another process was faster. `None` where it
    /// is measured all the same.
    pub days: Option<usize>,
    /// Files of the change that are at the head what they were before it.
    pub taken_back: Vec<String>,
    /// Files of the change that are not as they are committed.
    pub undone: Vec<String>,
    /// What of a rolled back change is in effect as if it had never been taken back.
    pub still_in_effect: Vec<String>,
    /// What the config (and a raising flag) demands now.
    pub policy: Policy,
    pub review_counts: bool,
    /// Why the attested review does not, where that is known.
    pub review_objection: Option<String>,
    /// Whether the work tree is clean; `None` where that is not demanded.
    pub clean_git: Option<bool>,
    /// Whether the follow-up of an emergency exists, was opened after it, is a tuneable or code change, and was promoted.
    pub follow_up_promoted: bool,
    /// The KPI, where it failed on every monitored day.
    pub kpi_lost: Option<Judged>,
    /// When the change was last taken back or brought back, in the history that is checked out.
    pub brought_back: Option<DateTime<Utc>>,
}

impl World {
    /// The best that the world can have been when `event` was recorded on `change`.
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
        if let Some(taken) = event.taken() {
            world.revision = taken.revision.clone();
        }
        if let Kind::BaselineTaken(baseline) = event {
            world.allow_dirty = baseline.strength == Strength::Indicative;
        }
        if let Kind::RolledOut(RolloutStage { stage, policy, .. }) = event {
            // A stage more than was frozen is one that a stricter config added.
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
