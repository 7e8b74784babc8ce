//! Gate 4: the state after, at the very code that was validated. Fills the commit into the rollback action.

use crate::model::{Gate, Kind, Strength};
use crate::workflow::{AfterFacts, Change, Missing, Refusal, gates, rollback_text};

/// May be taken again until the change is decided.
pub fn decide(change: &Change, facts: &AfterFacts) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::After;
    gates::enter(change, gate)?;
    if change.promotion.is_some() {
        return Err(Refusal::new(gate, Missing::AlreadyPassed));
    }
    let (Some(baseline), Some(validation)) = (&change.baseline, &change.validation) else {
        return Err(Refusal::new(gate, Missing::Earlier { gate: Gate::Validate }));
    };
    // What counts is the code as it was when it was measured.
    let measured = facts.measured.as_ref().map(|measured| &measured.taken.revision);
    for revision in std::iter::once(&facts.revision).chain(measured) {
        if baseline.strength != Strength::Indicative {
            gates::settled(gate, revision, change.commits().first().map(String::as_str))?;
        }
        if !validation.revision.same_code(revision) {
            let (validated, here) = (validation.revision.short(), revision.short());
            return Err(Refusal::new(gate, Missing::NotValidatedCode { validated, here }));
        }
    }
    gates::validated_tuneables(gate, change, &facts.tuneables)?;
    gates::same_definitions(gate, &facts.redefined)?;
    let Some(measured) = &facts.measured else { return Ok(Vec::new()) };
    if !measured.unmeasured.is_empty() {
        return Err(Refusal::new(gate, gates::unmeasured(measured)));
    }
    let rollback = rollback_text::filled(&change.contract.rollback, &change.commits(), &validation.delta);
    Ok(vec![Kind::AfterTaken { taken: measured.taken.clone(), rollback }])
}
