//! Gates 0 and 1: opening a change and writing its contract, which the baseline freezes.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::model::{Better, Bound, Class, Contract, Criterion, Gate, MetricId, Op, Opened};
use crate::workflow::{Change, Reason, Refusal, World, gates, proof, window};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum VacuousCriterion {
    #[error("demands no improvement as KPI")]
    NoImprovement,
    #[error("is met by the baseline already, and demands no improvement as KPI")]
    MetAlready,
    #[error("holds wherever the KPI does: it guards nothing")]
    LooserThanKpi,
    #[error("holds whatever is measured: it guards nothing")]
    CannotFail,
    #[error("would fire as rollback trigger although nothing got worse")]
    FiresOnGood,
    #[error("can never hold, whatever is measured")]
    CannotHold { kpi: bool },
    #[error("can never fire as rollback trigger")]
    CannotFire,
    #[error("names a commit, but an emergency has no commit: give the command that removes the override")]
    NoCommit,
    #[error("is not a share between 0 % and 100 %")]
    NoShare,
}

/// Checks a contract, which may still be incomplete, as it can be written in several steps.
pub(crate) fn check(change: &Change, contract: &Contract, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Contract;
    gates::enter(change, gate)?;
    gates::require(gate, change.baseline.is_none() && change.rollout.is_empty(), || Reason::Frozen)?;
    gates::known_metrics(gate, world)?;
    let vacuous = |criterion: String, why| Err(Refusal::new(gate, Reason::ContractSense { criterion, why }));
    if let Some(effect) = contract.min_effect.filter(|effect| !(0.0..1.0).contains(effect)) {
        return vacuous(format!("minimum effect {effect}"), VacuousCriterion::NoShare);
    }
    if let Some((criterion, why)) = demands_nothing(contract, &world.better) {
        return vacuous(criterion.to_string(), why);
    }
    // Records of earlier versions may have this and stay valid; on replay, `better` is empty.
    let emergency = change.opened.class == Class::Emergency && !world.better.is_empty();
    if emergency && contract.rollback.contains(proof::COMMIT_PLACEHOLDER) {
        return vacuous(contract.rollback.clone(), VacuousCriterion::NoCommit);
    }
    Ok(())
}

/// The first criterion that demands nothing, or that nothing can meet. Skips metrics whose better direction is unknown.
fn demands_nothing<'c>(
    contract: &'c Contract,
    better: &BTreeMap<MetricId, Better>,
) -> Option<(&'c Criterion, VacuousCriterion)> {
    let kpi = contract.kpi.as_ref();
    let known = |criterion: &Criterion| better.contains_key(&criterion.metric);
    if let Some(criterion) = contract.criteria().find(|criterion| known(criterion) && never_holds(criterion)) {
        let is_trigger = contract.measured_trigger() == Some(criterion);
        let cannot_hold = VacuousCriterion::CannotHold { kpi: kpi == Some(criterion) };
        return Some((criterion, if is_trigger { VacuousCriterion::CannotFire } else { cannot_hold }));
    }
    if let Some(kpi) = kpi
        && better.get(&kpi.metric).is_some_and(|better| !improves(kpi, *better))
    {
        return Some((kpi, VacuousCriterion::NoImprovement));
    }
    if let Some(trigger) = contract.measured_trigger()
        && let Some(better) = better.get(&trigger.metric)
        && (fires_on_good(trigger, *better) || kpi.is_some_and(|kpi| follows_from(trigger, kpi)))
    {
        return Some((trigger, VacuousCriterion::FiresOnGood));
    }
    contract.guardrails.iter().find_map(|guardrail| {
        let known = known(guardrail);
        if kpi.is_some_and(|kpi| guardrail == kpi || known && follows_from(guardrail, kpi)) {
            Some((guardrail, VacuousCriterion::LooserThanKpi))
        } else {
            (known && always_holds(guardrail)).then_some((guardrail, VacuousCriterion::CannotFail))
        }
    })
}

/// Whether an operator limits a metric in the direction in which it gets worse.
fn bounds_worse(op: Op, better: Better) -> bool {
    matches!((op, better), (Op::Le | Op::Lt, Better::Lower) | (Op::Ge | Op::Gt, Better::Higher))
}

/// Whether a KPI demands an improvement of its metric; true for every absolute bound.
fn improves(kpi: &Criterion, better: Better) -> bool {
    let Bound::Relative { share } = kpi.bound else { return true };
    let wanted = if better == Better::Lower { share < 0.0 } else { share > 0.0 };
    if kpi.op == Op::Eq { wanted } else { bounds_worse(kpi.op, better) && !kpi.op.holds(0.0, share) }
}

/// Whether a trigger holds for the baseline's value and every better one.
fn fires_on_good(trigger: &Criterion, better: Better) -> bool {
    let Bound::Relative { share } = trigger.bound else { return false };
    bounds_worse(trigger.op, better) && trigger.op.holds(0.0, share)
}

/// Whether a criterion holds whenever the KPI does: the same metric and direction, with a bound at least as loose.
fn follows_from(guardrail: &Criterion, kpi: &Criterion) -> bool {
    if guardrail.metric != kpi.metric {
        return false;
    }
    let (guarded, wanted) = match (&guardrail.bound, &kpi.bound) {
        (Bound::Relative { share: guarded }, Bound::Relative { share: wanted }) => (*guarded, *wanted),
        (Bound::Absolute { value: guarded, unit: a }, Bound::Absolute { value: wanted, unit: b }) if a == b => {
            (*guarded, *wanted)
        }
        (Bound::Relative { .. } | Bound::Absolute { .. }, Bound::Relative { .. } | Bound::Absolute { .. }) => {
            return false;
        }
    };
    match guardrail.op {
        Op::Le | Op::Lt => matches!(kpi.op, Op::Le | Op::Lt) && guarded >= wanted,
        Op::Ge | Op::Gt => matches!(kpi.op, Op::Ge | Op::Gt) && guarded <= wanted,
        Op::Eq => false,
    }
}

/// The least and the greatest possible value of a metric, and the bound, all in terms of the bound: durations, sizes
/// and rates are never negative, and no rate exceeds 1. `None` for a KPI, whose range is unknown.
fn range(criterion: &Criterion) -> Option<(f64, f64, f64)> {
    criterion.metric.kind()?;
    Some(match &criterion.bound {
        Bound::Relative { share } => (-1.0, f64::INFINITY, *share),
        Bound::Absolute { value, unit } => {
            let percent = unit.as_ref().is_some_and(|unit| unit.symbol() == "%");
            let most = if criterion.metric.is_rate() { 1.0 } else { f64::INFINITY };
            (0.0, most, if percent { value / 100.0 } else { *value })
        }
    })
}

fn always_holds(criterion: &Criterion) -> bool {
    let holds = |(least, _, bound)| criterion.op.holds(least, bound);
    matches!(criterion.op, Op::Ge | Op::Gt) && range(criterion).is_some_and(holds)
}

fn never_holds(criterion: &Criterion) -> bool {
    range(criterion).is_some_and(|(least, most, bound)| match criterion.op {
        Op::Lt | Op::Le => !criterion.op.holds(least, bound),
        Op::Gt | Op::Ge => !criterion.op.holds(most, bound),
        Op::Eq => bound < least || bound > most,
    })
}

/// Allows one undecided change at a time, as the effects of two could not be told apart, unless parallel changes were
/// requested (`world.undecided` is empty then).
pub fn may_open(opened: &Opened, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    let demand = |met: bool, reason: Reason| gates::require(Gate::Open, met, || reason);
    if opened.class == Class::Emergency {
        demand(opened.incident.as_deref().is_some_and(|note| !note.trim().is_empty()), Reason::IncidentNote)?;
        demand(opened.expires.is_some_and(|at| at > now), Reason::Expiry)?;
        if let Some(days) = world.max_emergency_days {
            let latest = longest(now, days);
            demand(opened.expires.is_some_and(|at| at <= latest), Reason::ExpiryTooLate { latest, days })?;
        }
    } else {
        demand(world.undecided.is_empty(), Reason::OtherOpen { ids: world.undecided.clone() })?;
    }
    demand(opened.class != Class::Tuneable || world.tuneables_configured, Reason::TuneablesUnknown)
}

/// The latest expiry of an override opened at `opened_at`.
pub fn longest(opened_at: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    window::later(opened_at, Duration::days(i64::from(days)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trigger;

    fn said(kpi: &str, guardrail: &str, better: Better) -> Option<VacuousCriterion> {
        let contract = Contract {
            kpi: Some(Criterion::parse(kpi).unwrap()),
            guardrails: vec![Criterion::parse(guardrail).unwrap()],
            ..Contract::default()
        };
        let known = contract.criteria().map(|criterion| (criterion.metric.clone(), better)).collect();
        demands_nothing(&contract, &known).map(|(_, why)| why)
    }

    #[test]
    fn a_contract_that_demands_nothing_is_refused() {
        let lower = |kpi, guardrail| said(kpi, guardrail, Better::Lower);
        for kpi in ["kpi.v <= +1000%", "kpi.v <= +0%", "kpi.v >= -10%", "kpi.v == +0%"] {
            assert_eq!(lower(kpi, "size.lib <= +1%"), Some(VacuousCriterion::NoImprovement), "{kpi}");
        }
        for kpi in ["kpi.v <= -10%", "kpi.v < +0%", "kpi.v <= 1000"] {
            assert_eq!(lower(kpi, "size.lib <= +1%"), None, "{kpi}");
        }
        assert_eq!(said("kpi.v <= -10%", "kpi.w >= -1%", Better::Higher), Some(VacuousCriterion::NoImprovement));
        assert_eq!(said("kpi.v >= +10%", "kpi.w >= -1%", Better::Higher), None);
        assert_eq!(lower("kpi.v <= -10%", "kpi.v <= +5%"), Some(VacuousCriterion::LooserThanKpi));
        assert_eq!(lower("kpi.v <= -10%", "kpi.v >= -90%"), None, "a bound on the other side guards something");
        for guardrail in ["size.lib >= 0", "timing.t.wall > -1s", "size.lib >= -100%"] {
            assert_eq!(lower("kpi.v <= -10%", guardrail), Some(VacuousCriterion::CannotFail), "{guardrail}");
        }
        assert_eq!(lower("kpi.v <= -10%", "kpi.w >= 0"), None, "a KPI may be negative");
    }

    #[test]
    fn a_criterion_that_no_value_can_meet_is_refused_in_every_role() {
        let holds_never = |text: &str| never_holds(&Criterion::parse(text).unwrap());
        for text in
            ["timing.t.wall < 0", "timing.t.wall <= -200%", "size.src <= -150%", "size.src < -100%", "http.a.ok > 100%"]
        {
            assert!(holds_never(text), "{text}");
        }
        for text in ["size.src <= 0", "timing.t.wall <= -99%", "kpi.v < 0", "kpi.v <= -200%", "timing.t.ok >= 100%"] {
            assert!(!holds_never(text), "{text}");
        }
        let lower = |kpi, guardrail| said(kpi, guardrail, Better::Lower);
        assert_eq!(lower("timing.t.wall < 0", "kpi.w <= 1"), Some(VacuousCriterion::CannotHold { kpi: true }));
        assert_eq!(lower("kpi.w < 1", "size.src <= -150%"), Some(VacuousCriterion::CannotHold { kpi: false }));
    }

    #[test]
    fn a_trigger_that_fires_without_a_regression_is_refused() {
        let fires = |trigger: &str, better| fires_on_good(&Criterion::parse(trigger).unwrap(), better);
        for trigger in ["kpi.v <= +20%", "kpi.v < +1%", "kpi.v <= +0%"] {
            assert!(fires(trigger, Better::Lower) && !fires(trigger, Better::Higher), "{trigger}");
        }
        for trigger in ["kpi.v > +20%", "kpi.v > -5%", "kpi.v < -90%", "kpi.v <= 3"] {
            assert!(!fires(trigger, Better::Lower), "{trigger}");
        }
        assert!(fires("kpi.v >= -5%", Better::Higher));
        let with_trigger = |trigger: &str| {
            let kpi = Criterion::parse("kpi.v <= -10%").unwrap();
            let known = BTreeMap::from([(kpi.metric.clone(), Better::Lower)]);
            let trigger = Some(Trigger::Measured(Criterion::parse(trigger).unwrap()));
            let contract = Contract { kpi: Some(kpi), trigger, ..Contract::default() };
            demands_nothing(&contract, &known).map(|(_, why)| why)
        };
        assert_eq!(with_trigger("kpi.v < -10%"), Some(VacuousCriterion::FiresOnGood), "a slip of the sign");
        assert_eq!(with_trigger("kpi.v > +10%"), None);
    }
}
