//! Gate 4: the state after, at the very code that was validated.

use crate::model::{After, Gate, Revision, Strength};
use crate::workflow::{Change, Reason, Refusal, World, gates};

const GATE: Gate = Gate::After;

/// May be taken again until the change is decided.
pub fn may_enter(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    gates::is_undecided(change, GATE)?;
    is_validated_code(change, &world.revision, world)?;
    gates::validated_tuneables(GATE, change, &world.tuneables)?;
    gates::same_definitions(GATE, &world.redefined)
}

pub(crate) fn check(change: &Change, after: &After, world: &World) -> Result<(), Refusal> {
    may_enter(change, world)?;
    // What counts is the code as it was when it was measured.
    is_validated_code(change, &after.taken.revision, world)?;
    gates::all_measured(GATE, world)
}

fn is_validated_code(change: &Change, revision: &Revision, world: &World) -> Result<(), Refusal> {
    let (Some(baseline), Some(validation)) = (&change.baseline, &change.validation) else {
        return Err(Refusal::new(GATE, Reason::Earlier { gate: Gate::Validate }));
    };
    if baseline.strength != Strength::Indicative {
        gates::settled(GATE, revision, change.commits().first().map(String::as_str), world.at_tip)?;
    }
    if !validation.revision.same_code(revision) {
        let (validated, here) = (validation.revision.short(), revision.short());
        return Err(Refusal::new(GATE, Reason::NotValidatedCode { validated, here }));
    }
    Ok(())
}
