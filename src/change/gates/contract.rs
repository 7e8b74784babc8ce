//! Gate 1: the contract. Written before the baseline, frozen by it.

use crate::change::command::ContractFacts;
use crate::change::event::Kind;
use crate::change::gate::Gate;
use crate::change::gates;
use crate::change::refusal::Missing;
use crate::change::refusal::Refusal;
use crate::change::state::Change;
use crate::evidence::metric::MetricId;

/// Takes the parts given; a contract may be written in several steps, and is complete when no part is missing.
pub fn decide(change: &Change, facts: &ContractFacts) -> Result<Vec<Kind>, Refusal> {
    gates::enter(change, Gate::Contract)?;
    if change.baseline.is_some() || !change.rollout.is_empty() {
        return Err(Refusal::new(Gate::Contract, Missing::Frozen));
    }
    known(Gate::Contract, &facts.unknown)?;
    let contract = change.contract.clone().merged_with(facts.parts.clone());
    // A guardrail that is the KPI itself guards nothing.
    let doubled = contract.guardrails.iter().find(|guardrail| Some(*guardrail) == contract.kpi.as_ref());
    if let Some(criterion) = doubled {
        return Err(Refusal::new(Gate::Contract, Missing::ContractSense { criterion: criterion.to_string() }));
    }
    if let Some(effect) = contract.min_effect.filter(|effect| !(0.0..1.0).contains(effect)) {
        let criterion = format!("minimum effect {effect}");
        return Err(Refusal::new(Gate::Contract, Missing::ContractSense { criterion }));
    }
    if contract == change.contract { Ok(Vec::new()) } else { Ok(vec![Kind::ContractSet { contract }]) }
}

/// Demands that every metric of the contract can be measured.
pub(crate) fn known(gate: Gate, unknown: &[(MetricId, Option<MetricId>)]) -> Result<(), Refusal> {
    match unknown.first() {
        None => Ok(()),
        Some((metric, nearest)) => {
            Err(Refusal::new(gate, Missing::UnknownMetric { metric: metric.clone(), nearest: nearest.clone() }))
        }
    }
}

/// Demands that no part is missing, naming all that are.
pub(crate) fn complete(change: &Change, gate: Gate) -> Result<(), Refusal> {
    let parts = change.contract.missing();
    if parts.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Missing::ContractParts { parts })) }
}
