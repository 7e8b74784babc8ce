//! Gate 3: the delta is one commit (or changed tuneables), made after the baseline, and every check passes.

use crate::model::{Baseline, CheckKind, Class, Delta, DeltaCommit, Gate, Revision, Strength, Validation};
use crate::workflow::{Change, Reason, Refusal, World, gates};

const GATE: Gate = Gate::Validate;

/// Validating again is allowed until the change is decided: it forgets what was measured after.
pub fn may_enter(change: &Change, world: &World) -> Result<(), Refusal> {
    may_enter_with(change, &world.revision, &world.delta, world)
}

pub(crate) fn check(change: &Change, validation: &Validation, world: &World) -> Result<(), Refusal> {
    may_enter_with(change, &validation.revision, &validation.delta, world)?;
    if change.opened.class == Class::Code && !validation.checks.iter().any(|check| check.kind == CheckKind::Test) {
        return Err(Refusal::new(GATE, Reason::NoTests));
    }
    Ok(())
}

/// A failed validation may be recorded wherever one could have passed; its delta proves nothing.
pub(crate) fn may_fail(change: &Change) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    gates::is_undecided(change, GATE)
}

fn may_enter_with(change: &Change, revision: &Revision, delta: &Delta, world: &World) -> Result<(), Refusal> {
    may_fail(change)?;
    let Some(baseline) = &change.baseline else {
        return Err(Refusal::new(GATE, Reason::Earlier { gate: Gate::Baseline }));
    };
    follows_baseline(baseline, revision, delta, world)?;
    is_one_change(change, baseline, revision, delta, world)?;
    if change.opened.class == Class::Code && !world.has_tests {
        return Err(Refusal::new(GATE, Reason::NoTests));
    }
    Ok(())
}

/// Demands that the code was committed after the baseline, and is measured in the same way.
fn follows_baseline(baseline: &Baseline, revision: &Revision, delta: &Delta, world: &World) -> Result<(), Refusal> {
    if baseline.strength != Strength::Indicative {
        let own = delta.own_commits().next().map(|commit| commit.sha.as_str());
        gates::settled(GATE, revision, own, world.at_tip)?;
    }
    // Not knowing is no ancestry: a repository that went out of sight after the baseline proves nothing.
    let was_hidden = baseline.taken.revision.commit.is_none() && revision.commit.is_some();
    if was_hidden || (baseline.strength == Strength::Full && world.descends != Some(true)) {
        let commits = delta.own_commits().cloned().collect();
        let baseline = baseline.taken.revision.short();
        return Err(Refusal::new(GATE, Reason::BaselineNotAncestor { baseline, commits, at_tip: world.at_tip }));
    }
    gates::same_definitions(GATE, &world.redefined)
}

/// Demands that the delta is the one change that its class allows.
fn is_one_change(
    change: &Change,
    baseline: &Baseline,
    revision: &Revision,
    delta: &Delta,
    world: &World,
) -> Result<(), Refusal> {
    let refuse = |missing| Err(Refusal::new(GATE, missing));
    let class = change.opened.class;
    let own: Vec<DeltaCommit> = delta.own_commits().cloned().collect();
    let same_code = baseline.taken.revision.same_code(revision);
    let id = change.id().as_str();
    if let Some(commit) = own.iter().find(|c| !c.change_ids.is_empty() && !c.change_ids.iter().any(|i| i == id)) {
        return refuse(Reason::ForeignCommit { commit: commit.clone() });
    }
    // An empty commit is no change, and on commits a change is one commit or tuneables outside them.
    let no_commit = own.is_empty() && baseline.strength == Strength::Full;
    if delta.tuneables.is_empty() && (same_code || no_commit) {
        if !delta.outside.is_empty() {
            return refuse(Reason::OnlyOutside { commits: delta.outside.clone() });
        }
        return refuse(Reason::NoDelta { outputs: Vec::new() });
    }
    // A number that is written down is no change to what it measures.
    if !delta.files.is_empty() && delta.files.iter().all(|file| world.outputs.contains(file)) {
        return refuse(Reason::NoDelta { outputs: delta.files.clone() });
    }
    if no_commit && class == Class::Code {
        return refuse(Reason::NoCommit);
    }
    if own.len() > 1 {
        return refuse(Reason::ManyCommits { commits: own, at_tip: world.at_tip });
    }
    if delta.base.is_some() && !world.unattributed.is_empty() {
        return refuse(Reason::OthersCommitted { metrics: world.unattributed.clone() });
    }
    if class == Class::Tuneable && delta.tuneables.is_empty() {
        return refuse(Reason::NoTuneableChanged);
    }
    if class == Class::Tuneable && !delta.code.is_empty() {
        return refuse(Reason::CodeBeside { files: delta.code.clone() });
    }
    if let Some((surface, files)) = world.not_of_class.clone() {
        return refuse(Reason::WrongClass { class, surface, files });
    }
    if !delta.contract_surface.is_empty() && !delta.contract_docs {
        return refuse(Reason::ContractDocs { files: delta.contract_surface.clone(), owed: world.owed.clone() });
    }
    Ok(())
}
