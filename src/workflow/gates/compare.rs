//! Gate 5: the comparison, from the very files that were recorded.

use crate::model::{Gate, Kind};
use crate::workflow::{Change, CompareFacts, Missing, Refusal, gates};

/// May be made again until the change is decided; the newest stands, all are kept.
pub fn decide(change: &Change, facts: &CompareFacts) -> Result<Vec<Kind>, Refusal> {
    gates::enter(change, Gate::Compare)?;
    if change.promotion.is_some() {
        return Err(Refusal::new(Gate::Compare, Missing::AlreadyPassed));
    }
    gates::unaltered(Gate::Compare, &facts.faults)?;
    gates::same_definitions(Gate::Compare, &facts.redefined)?;
    let Some(compared) = facts.compared.clone() else { return Ok(Vec::new()) };
    Ok(vec![Kind::Compared {
        markdown: compared.markdown,
        json: compared.json,
        pair: compared.pair,
        verdicts: compared.verdicts,
    }])
}
