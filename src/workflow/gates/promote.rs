//! Gate 6: promotion. Every demand holds or it does not happen; there is no override.

use crate::model::{Gate, Judged, Kind, Rehearsal, Strength};
use crate::workflow::{Change, Missing, PromoteFacts, Refusal, gates};

/// Evidence complete and unaltered, KPI and guardrails pass, rollback rehearsed.
pub fn decide(change: &Change, facts: &PromoteFacts) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Decide;
    gates::enter(change, gate)?;
    let refuse = |missing| Err(Refusal::new(gate, missing));
    if change.promotion.is_some() {
        return refuse(Missing::AlreadyPassed);
    }
    gates::unaltered(gate, &facts.faults)?;
    if change.baseline.as_ref().is_some_and(|baseline| baseline.strength == Strength::Indicative) {
        return refuse(Missing::OnlyIndicative);
    }
    let Some(comparison) = &change.comparison else {
        return refuse(Missing::Earlier { gate: Gate::Compare });
    };
    // Verdicts on something else than the contract never came out of a comparison of this change.
    if !facts.reproduced || !comparison.verdicts.are_on(&change.contract) {
        return refuse(Missing::NotReproduced);
    }
    let judged: Vec<Judged> = comparison.verdicts.not_passing().cloned().collect();
    if !judged.is_empty() {
        return refuse(Missing::Verdicts { judged });
    }
    if let Some(judged) = comparison.verdicts.trigger.clone().filter(|_| comparison.verdicts.fired()) {
        return refuse(Missing::TriggerFired { judged });
    }
    let Some((rehearsal, note)) = facts.rehearsed.clone() else { return Ok(Vec::new()) };
    match rehearsal {
        Rehearsal::Applies { .. } | Rehearsal::NotApplicable => {
            Ok(vec![Kind::Promoted { rehearsal, policy: facts.policy.clone(), note }])
        }
        rehearsal => refuse(Missing::Rollback { rehearsal }),
    }
}
