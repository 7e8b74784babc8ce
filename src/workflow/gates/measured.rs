//! Gates 2, 4 and 5: what is measured of a change before it is decided: the baseline, the state after, the comparison.

use crate::model::{After, Baseline, Gate, Revision, Strength, WorkTree};
use crate::workflow::{Change, Reason, Refusal, World, gates};

/// Gate 2, the baseline, comes before the first commit of the change and freezes the contract. It may be taken again as long
/// as nothing was validated against it and no commit carries the id.
pub fn may_take_baseline(change: &Change, world: &World) -> Result<(), Refusal> {
    if change.is_open() && change.opened.class.owes(Gate::Baseline) {
        gates::complete_contract(change, Gate::Baseline)?;
    }
    gates::enter(change, Gate::Baseline)?;
    let refuse = |missing| Err(Refusal::new(Gate::Baseline, missing));
    if change.validation.is_some() || change.after.is_some() {
        return refuse(Reason::AlreadyPassed);
    }
    if !world.commits_with_id.is_empty() {
        let commits = world.commits_with_id.clone();
        return refuse(Reason::CommitsBeforeBaseline { commits, at_tip: world.at_tip });
    }
    gates::known_metrics(Gate::Baseline, world)?;
    if !world.own_sources.is_empty() {
        return refuse(Reason::OwnSource { sources: world.own_sources.clone() });
    }
    if !world.not_in_git.is_empty() {
        return refuse(Reason::NotInGit { paths: world.not_in_git.clone() });
    }
    clean_enough(&world.revision, world)?;
    match &world.uncommitted_config {
        Some((path, what)) if !world.allow_dirty => {
            refuse(Reason::ConfigUncommitted { path: path.clone(), what: what.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn baseline(change: &Change, baseline: &Baseline, world: &World) -> Result<(), Refusal> {
    may_take_baseline(change, world)?;
    // What counts is the code as it was when it was measured.
    clean_enough(&baseline.taken.revision, world)?;
    gates::all_measured(Gate::Baseline, world)
}

fn clean_enough(revision: &Revision, world: &World) -> Result<(), Refusal> {
    match strength(revision) {
        Strength::Indicative if world.allow_dirty => Ok(()),
        Strength::Full | Strength::Unversioned | Strength::Indicative => {
            gates::settled(Gate::Baseline, revision, None, false)
        }
    }
}

/// How far evidence on this code reaches.
pub(crate) fn strength(revision: &Revision) -> Strength {
    match &revision.work_tree {
        WorkTree::Dirty { .. } => Strength::Indicative,
        WorkTree::Unversioned => Strength::Unversioned,
        WorkTree::Clean | WorkTree::Unknown { .. } => Strength::Full,
    }
}

/// Gate 4, the state after, at the very code that was validated. It may be taken again until the change is decided.
pub fn may_take_after(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::enter(change, Gate::After)?;
    gates::is_undecided(change, Gate::After)?;
    is_validated_code(change, &world.revision, world)?;
    gates::validated_tuneables(Gate::After, change, &world.tuneables)?;
    gates::same_definitions(Gate::After, &world.redefined)
}

pub(crate) fn after(change: &Change, after: &After, world: &World) -> Result<(), Refusal> {
    may_take_after(change, world)?;
    // What counts is the code as it was when it was measured.
    is_validated_code(change, &after.taken.revision, world)?;
    gates::all_measured(Gate::After, world)
}

fn is_validated_code(change: &Change, revision: &Revision, world: &World) -> Result<(), Refusal> {
    let (Some(baseline), Some(validation)) = (&change.baseline, &change.validation) else {
        return Err(Refusal::new(Gate::After, Reason::Earlier { gate: Gate::Validate }));
    };
    if baseline.strength != Strength::Indicative {
        gates::settled(Gate::After, revision, change.commits().first().map(String::as_str), world.at_tip)?;
    }
    if !validation.revision.same_code(revision) {
        let (validated, here) = (validation.revision.short(), revision.short());
        return Err(Refusal::new(Gate::After, Reason::NotValidatedCode { validated, here }));
    }
    Ok(())
}

/// Gate 5, the comparison, from the very files that were recorded. It may be made again until the change is decided; the
/// newest stands, all are kept.
pub fn may_compare(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Compare;
    gates::enter(change, gate)?;
    gates::is_undecided(change, gate)?;
    gates::unaltered(gate, &world.faults)?;
    gates::same_definitions(gate, &world.redefined)?;
    // What is measured of a commit that is gone could never be promoted.
    gates::in_effect(gate, world)
}
