//! Gates 2 to 5, before the decision: baseline, validation, after snapshot, comparison.

use crate::model::own::ROOT_CONFIGS;
use crate::model::{
    After, Baseline, CheckKind, Class, Delta, DeltaCommit, Gate, Revision, Strength, Validation, WorkTree,
};
use crate::workflow::gates::{enter, is_undecided, require};
use crate::workflow::{Change, Reason, Refusal, VacuousCriterion, World, gates};

/// Gate 2: the baseline, which precedes the first commit of the change and freezes the contract. It may be taken again
/// until something is validated against it or a commit carries the id.
pub fn may_take_baseline(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Baseline;
    if change.is_open() && change.opened.class.owes(gate) {
        gates::complete_contract(change, gate)?;
    }
    enter(change, gate)?;
    require(gate, change.validation.is_none() && change.after.is_none(), || Reason::AlreadyPassed)?;
    let commits = &world.commits_with_id;
    require(gate, commits.is_empty(), || Reason::CommitsBeforeBaseline {
        commits: commits.clone(),
        at_tip: world.at_tip,
    })?;
    gates::known_metrics(gate, world)?;
    require(gate, world.own_sources.is_empty(), || Reason::OwnSource { sources: world.own_sources.clone() })?;
    require(gate, world.not_in_git.is_empty(), || Reason::NotInGit { paths: world.not_in_git.clone() })?;
    clean_enough(&world.revision, world)?;
    match &world.uncommitted_config {
        Some((path, what)) if !world.allow_dirty => {
            Err(Refusal::new(gate, Reason::ConfigUncommitted { path: path.clone(), what: what.clone() }))
        }
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn baseline(change: &Change, baseline: &Baseline, world: &World) -> Result<(), Refusal> {
    may_take_baseline(change, world)?;
    // The revision at the time of measuring counts, not that of the first check.
    clean_enough(&baseline.taken.revision, world)?;
    gates::all_measured(Gate::Baseline, world)?;
    match &change.contract.kpi {
        Some(kpi) if world.met_already => {
            let (criterion, why) = (kpi.to_string(), VacuousCriterion::MetAlready);
            Err(Refusal::new(Gate::Baseline, Reason::ContractSense { criterion, why }))
        }
        Some(_) | None => Ok(()),
    }
}

fn clean_enough(revision: &Revision, world: &World) -> Result<(), Refusal> {
    if world.allow_dirty && strength(revision) == Strength::Indicative {
        return Ok(());
    }
    gates::require_committed(Gate::Baseline, revision, None, false)
}

pub(crate) fn strength(revision: &Revision) -> Strength {
    match &revision.work_tree {
        WorkTree::Dirty { .. } => Strength::Indicative,
        WorkTree::Unversioned => Strength::Unversioned,
        WorkTree::Clean | WorkTree::Unknown { .. } => Strength::Full,
    }
}

/// Gate 3: the delta is one commit (or changed tuneables), made after the baseline. Validating again is allowed until
/// the decision, and discards the after snapshot and the comparison.
pub fn may_validate(change: &Change, world: &World) -> Result<(), Refusal> {
    may_validate_with(change, &world.revision, &world.delta, world)
}

pub(crate) fn validated(change: &Change, validation: &Validation, world: &World) -> Result<(), Refusal> {
    may_validate_with(change, &validation.revision, &validation.delta, world)?;
    let is_tested = validation.checks.iter().any(|check| check.kind == CheckKind::Test);
    require(Gate::Validate, is_tested || change.opened.class != Class::Code, || Reason::NoTests)
}

/// A failed validation may be recorded regardless of its delta, which proves nothing.
pub(crate) fn may_fail(change: &Change) -> Result<(), Refusal> {
    enter(change, Gate::Validate)?;
    is_undecided(change, Gate::Validate)
}

fn may_validate_with(change: &Change, revision: &Revision, delta: &Delta, world: &World) -> Result<(), Refusal> {
    may_fail(change)?;
    let Some(baseline) = &change.baseline else {
        return Err(Refusal::new(Gate::Validate, Reason::Earlier { gate: Gate::Baseline }));
    };
    follows_baseline(baseline, revision, delta, world)?;
    is_one_change(change, baseline, revision, delta, world)?;
    require(Gate::Validate, world.has_tests || change.opened.class != Class::Code, || Reason::NoTests)
}

/// Demands that the revision descends from the baseline's commit, and that the config measures in the same way.
fn follows_baseline(baseline: &Baseline, revision: &Revision, delta: &Delta, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Validate;
    if baseline.strength != Strength::Indicative {
        let own = delta.own_commits().next().map(|commit| commit.sha.as_str());
        gates::require_committed(gate, revision, own, world.at_tip)?;
    }
    // A baseline without a commit in a repository that has commits now proves no ancestry.
    let was_hidden = baseline.taken.revision.commit.is_none() && revision.commit.is_some();
    let descends = baseline.strength != Strength::Full || world.descends == Some(true);
    require(gate, descends && !was_hidden, || Reason::BaselineNotAncestor {
        baseline: baseline.taken.revision.short(),
        commits: delta.own_commits().cloned().collect(),
        at_tip: world.at_tip,
    })?;
    let is_config = |path: &String| ROOT_CONFIGS.contains(&path.as_str());
    let alone = delta.files.iter().all(is_config) && delta.tuneables.is_empty();
    gates::same_definitions(gate, &world.redefined, alone)
}

/// Demands that the delta is a single change, of a kind that its class allows.
fn is_one_change(
    change: &Change,
    baseline: &Baseline,
    revision: &Revision,
    delta: &Delta,
    world: &World,
) -> Result<(), Refusal> {
    let demand = |met: bool, reason: Reason| require(Gate::Validate, met, || reason);
    let class = change.opened.class;
    let own: Vec<DeltaCommit> = delta.own_commits().cloned().collect();
    let is_shared = |it: &DeltaCommit| it.change_ids.contains(&change.id().to_string());
    let is_foreign = |it: &&DeltaCommit| {
        let others = it.change_ids.iter().any(|id| id != change.id().as_str());
        others && (world.one_id_each || !is_shared(it))
    };
    if let Some(commit) = own.iter().find(is_foreign).cloned() {
        let shared = is_shared(&commit);
        return demand(false, Reason::ForeignCommit { commit, shared, at_tip: world.at_tip });
    }
    // In git, a change is one commit or tuneables outside of commits; an empty commit is no change.
    let no_commit = own.is_empty() && baseline.strength == Strength::Full;
    let no_tuneable = delta.tuneables.is_empty();
    if no_tuneable && (no_commit || baseline.taken.revision.same_code(revision)) {
        demand(delta.outside.is_empty(), Reason::OnlyOutside { commits: delta.outside.clone() })?;
        return demand(false, Reason::NoDelta { outputs: Vec::new(), unnamed: world.unnamed.clone() });
    }
    // Editing the file that a number is read from does not change the code that it measures.
    let is_code = delta.files.is_empty() || !delta.files.iter().all(|file| world.outputs.contains(file));
    demand(is_code, Reason::NoDelta { outputs: delta.files.clone(), unnamed: Vec::new() })?;
    demand(class != Class::Code || !no_commit, Reason::NoCommit)?;
    demand(own.len() <= 1, Reason::ManyCommits { commits: own, at_tip: world.at_tip })?;
    let only = || delta.own_commits().next().map(|commit| commit.sha.clone());
    let is_attributed = delta.base.is_none() || world.unattributed.is_empty();
    demand(is_attributed, Reason::OthersCommitted { metrics: world.unattributed.clone() })?;
    if class == Class::Tuneable {
        demand(!no_tuneable, Reason::NoTuneableChanged)?;
        demand(delta.code.is_empty(), Reason::CodeBeside { files: delta.code.clone(), own: only() })?;
    }
    if let Some((surface, files)) = world.not_of_class.clone() {
        return demand(false, Reason::WrongClass { class, surface, files });
    }
    let files = delta.contract_surface.clone();
    let owed = world.owed.clone();
    demand(delta.contract_docs || files.is_empty(), Reason::ContractDocs { files, owed, own: only() })
}

/// Gate 4: the after snapshot, of exactly the validated code. It may be taken again until the decision.
pub fn may_take_after(change: &Change, world: &World) -> Result<(), Refusal> {
    enter(change, Gate::After)?;
    is_undecided(change, Gate::After)?;
    is_validated_code(change, &world.revision, world)?;
    gates::validated_tuneables(Gate::After, change, &world.tuneables)?;
    gates::same_definitions(Gate::After, &world.redefined, false)
}

pub(crate) fn after(change: &Change, after: &After, world: &World) -> Result<(), Refusal> {
    may_take_after(change, world)?;
    // The revision at the time of measuring counts, not that of the first check.
    is_validated_code(change, &after.taken.revision, world)?;
    gates::all_measured(Gate::After, world)
}

fn is_validated_code(change: &Change, revision: &Revision, world: &World) -> Result<(), Refusal> {
    let (Some(baseline), Some(validation)) = (&change.baseline, &change.validation) else {
        return Err(Refusal::new(Gate::After, Reason::Earlier { gate: Gate::Validate }));
    };
    if baseline.strength != Strength::Indicative {
        gates::require_committed(Gate::After, revision, change.commits().first().map(String::as_str), world.at_tip)?;
    }
    let validated = &validation.revision;
    require(Gate::After, validated.same_code(revision), || Reason::NotValidatedCode {
        validated: validated.short(),
        here: revision.short(),
    })
}

/// Gate 5: the comparison, from the recorded files. It may be repeated until the decision; the newest counts, and all
/// are kept.
pub fn may_compare(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Compare;
    enter(change, gate)?;
    is_undecided(change, gate)?;
    gates::unaltered(gate, &world.faults)?;
    gates::same_definitions(gate, &world.redefined, false)?;
    // A commit that is not in the history could never be promoted.
    gates::in_effect(gate, world)
}
