//! Gate 6: promotion. Every demand holds or it does not happen; there is no override.

use crate::model::{Gate, Judged, Promotion, Rehearsal};
use crate::workflow::{Change, Reason, Refusal, World, gates};

const GATE: Gate = Gate::Decide;

/// Evidence complete and unaltered, KPI and guardrails pass, and what was compared is what is there.
pub fn may_enter(change: &Change, world: &World) -> Result<(), Refusal> {
    gates::enter(change, GATE)?;
    gates::is_undecided(change, GATE)?;
    let refuse = |missing| Err(Refusal::new(GATE, missing));
    gates::unaltered(GATE, &world.faults)?;
    if change.is_indicative() {
        return refuse(Reason::OnlyIndicative);
    }
    let Some(comparison) = &change.comparison else {
        return refuse(Reason::Earlier { gate: Gate::Compare });
    };
    // Verdicts on something else than the contract never came out of a comparison of this change.
    if !world.reproduced || !comparison.verdicts.are_on(&change.contract) {
        return refuse(Reason::NotReproduced);
    }
    let judged: Vec<Judged> = comparison.verdicts.not_passing().cloned().collect();
    if !judged.is_empty() {
        return refuse(Reason::Verdicts { judged });
    }
    if let Some(judged) = comparison.verdicts.trigger.clone().filter(|_| comparison.verdicts.fired()) {
        return refuse(Reason::TriggerFired { judged });
    }
    gates::in_effect(GATE, world)
}

pub(crate) fn check(change: &Change, promotion: &Promotion, world: &World) -> Result<(), Refusal> {
    may_enter(change, world)?;
    match &promotion.rehearsal {
        Rehearsal::Applies { .. } | Rehearsal::NotApplicable => Ok(()),
        rehearsal @ (Rehearsal::Conflicts { .. } | Rehearsal::ChecksFail { .. }) => {
            Err(Refusal::new(GATE, Reason::Rollback { rehearsal: rehearsal.clone() }))
        }
    }
}
