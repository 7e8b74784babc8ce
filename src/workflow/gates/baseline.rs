//! Gate 2: the baseline. Comes before the first commit of the change; freezes the contract.

use crate::model::{Gate, Kind, Revision, Strength, WorkTree};
use crate::workflow::gates::{self, contract};
use crate::workflow::{BaselineFacts, Change, Missing, Refusal};

/// A baseline may be taken again as long as nothing was validated against it and no commit carries the id.
pub fn decide(change: &Change, facts: &BaselineFacts) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Baseline;
    if change.is_open() && change.opened.class.owes(gate) {
        contract::complete(change, gate)?;
    }
    gates::enter(change, gate)?;
    if change.validation.is_some() || change.after.is_some() {
        return Err(Refusal::new(gate, Missing::AlreadyPassed));
    }
    if !facts.commits_with_id.is_empty() {
        return Err(Refusal::new(gate, Missing::CommitsBeforeBaseline { commits: facts.commits_with_id.clone() }));
    }
    contract::known(gate, &facts.unknown)?;
    if !facts.own_sources.is_empty() {
        return Err(Refusal::new(gate, Missing::OwnSource { sources: facts.own_sources.clone() }));
    }
    strength(&facts.revision, facts.allow_dirty)?;
    let Some(measured) = &facts.measured else { return Ok(Vec::new()) };
    // What counts is the code as it was when it was measured.
    let strength = strength(&measured.taken.revision, facts.allow_dirty)?;
    if !measured.unmeasured.is_empty() {
        return Err(Refusal::new(gate, gates::unmeasured(measured)));
    }
    Ok(vec![Kind::BaselineTaken { taken: measured.taken.clone(), strength }])
}

fn strength(revision: &Revision, allow_dirty: bool) -> Result<Strength, Refusal> {
    match &revision.work_tree {
        WorkTree::Dirty { .. } if allow_dirty => Ok(Strength::Indicative),
        WorkTree::Unversioned => Ok(Strength::Unversioned),
        _ => gates::settled(Gate::Baseline, revision, None).map(|()| Strength::Full),
    }
}
