//! Gate 2: the baseline. Comes before the first commit of the change; freezes the contract.

use crate::model::{Baseline, Gate, Revision, Strength, WorkTree};
use crate::workflow::{Change, Reason, Refusal, World, gates};

const GATE: Gate = Gate::Baseline;

/// A baseline may be taken again as long as nothing was validated against it and no commit carries the id.
pub fn may_enter(change: &Change, world: &World) -> Result<(), Refusal> {
    if change.is_open() && change.opened.class.owes(GATE) {
        gates::complete_contract(change, GATE)?;
    }
    gates::enter(change, GATE)?;
    let refuse = |missing| Err(Refusal::new(GATE, missing));
    if change.validation.is_some() || change.after.is_some() {
        return refuse(Reason::AlreadyPassed);
    }
    if !world.commits_with_id.is_empty() {
        let commits = world.commits_with_id.clone();
        return refuse(Reason::CommitsBeforeBaseline { commits, at_tip: world.at_tip });
    }
    gates::known_metrics(GATE, world)?;
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

pub(crate) fn check(change: &Change, baseline: &Baseline, world: &World) -> Result<(), Refusal> {
    may_enter(change, world)?;
    // What counts is the code as it was when it was measured.
    clean_enough(&baseline.taken.revision, world)?;
    gates::all_measured(GATE, world)
}

fn clean_enough(revision: &Revision, world: &World) -> Result<(), Refusal> {
    match strength(revision) {
        Strength::Indicative if world.allow_dirty => Ok(()),
        Strength::Full | Strength::Unversioned | Strength::Indicative => gates::settled(GATE, revision, None, false),
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
