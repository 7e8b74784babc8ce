//! Holding a metric against a criterion: the four verdicts, and whether a metric changed at all. Owns when an interval
//! decides; must not compute one (see `effect`).
//!
//! - A criterion **passes** when the whole interval satisfies it and **fails** when the whole interval violates it. For a
//!   KPI that is superiority, for a guardrail non-inferiority against its margin (G. Piaggio and others, "Reporting of
//!   noninferiority and equivalence randomized trials", JAMA 308 (2012) 2594–2604).
//! - A verdict that claims a change (no change at all would have given another) also needs the minimum effect.
//! - For a rate a signed percentage is in points of the rate: `http.health.ok >= -1%` allows 99 % to become 98 %.
//! - `>= 1`, `>= 100%` and `== 1` of a rate mean that nothing may fail: one failure decides against it, none decides for it.

use serde::Deserialize;
use serde::Serialize;

use crate::evidence::criterion::Bound;
use crate::evidence::criterion::Criterion;
use crate::evidence::criterion::Op;
use crate::evidence::effect;
use crate::evidence::effect::Circumstances;
use crate::evidence::effect::Undecided;
use crate::evidence::metric::Better;
use crate::evidence::metric::Reading;
use crate::evidence::metric::Sampling;
use crate::evidence::series::PairedReading;
use crate::evidence::stats::power;
use crate::evidence::unit::Unit;
use crate::evidence::verdict::Design;
use crate::evidence::verdict::Doubt;
use crate::evidence::verdict::Estimate;
use crate::evidence::verdict::Finding;
use crate::evidence::verdict::Flaw;
use crate::evidence::verdict::Verdict;

/// Everything a metric was measured as.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// In the baseline's snapshot.
    pub before: &'a Reading,
    /// In the snapshot after the change.
    pub after: &'a Reading,
    /// In alternating pairs, where there were any; preferred to the snapshots for everything but exact metrics.
    pub paired: Option<&'a PairedReading>,
}

/// Holds a metric against a criterion.
pub fn judge(criterion: &Criterion, measured: Measured<'_>, known: &Circumstances) -> Verdict {
    let found = match &criterion.bound {
        Bound::Relative { share } => compare_code(measured, known)
            .and_then(|()| effect::relative(measured.before, measured.after, measured.paired, known))
            .map(|finding| (finding, *share)),
        Bound::Absolute { value, unit } => bound_in_unit_of_metric(*value, unit.as_ref(), measured).and_then(|bound| {
            let finding = effect::level(measured.before, measured.after, measured.paired, known)?;
            Ok((finding, bound))
        }),
    };
    match found {
        Ok((finding, bound)) => decide(criterion, finding, bound, is_rate(measured)),
        Err(Undecided::Doubt(because)) => {
            let more_runs = missing_runs(&because);
            Verdict::Inconclusive { finding: None, because, more_runs }
        }
        Err(Undecided::Flaw(because)) => Verdict::Invalid { because },
    }
}

/// The same code twice shows no change, unless pairs or an exact metric say that it does.
fn compare_code(measured: Measured<'_>, known: &Circumstances) -> Result<(), Undecided> {
    let exact = measured.after.as_ref().is_ok_and(|series| series.sampling == Sampling::Exact);
    if known.same_code && measured.paired.is_none() && !exact { Err(Flaw::SameCode.into()) } else { Ok(()) }
}

fn is_rate(measured: Measured<'_>) -> bool {
    sampling_and_unit(measured).is_some_and(|(sampling, _)| sampling == Sampling::Rate)
}

fn sampling_and_unit(measured: Measured<'_>) -> Option<(Sampling, &Unit)> {
    match measured.paired {
        Some(Ok(series)) => Some((series.sampling, &series.unit)),
        _ => measured.after.as_ref().ok().map(|series| (series.sampling, &series.unit)),
    }
}

fn bound_in_unit_of_metric(value: f64, unit: Option<&Unit>, measured: Measured<'_>) -> Result<f64, Undecided> {
    let (Some(written), Some((_, own))) = (unit, sampling_and_unit(measured)) else { return Ok(value) };
    let what = || format!("unit: measured in {:?}, bound in {:?}", own.symbol(), written.symbol());
    let factor = written.factor_to(own).ok_or_else(|| Flaw::NotComparable { what: what() })?;
    Ok(value * factor)
}

fn missing_runs(doubt: &Doubt) -> Option<u32> {
    match doubt {
        Doubt::TooFew { have, need } => Some(need.saturating_sub(*have).max(1)),
        _ => None,
    }
}

/// Whether the criterion holds on the whole interval, nowhere in it, or neither.
fn on_interval(op: Op, interval: &Estimate, bound: f64) -> Option<bool> {
    let (low, high) = (op.holds(interval.low, bound), op.holds(interval.high, bound));
    match op {
        Op::Eq => match (low && high, bound < interval.low || bound > interval.high) {
            (true, _) => Some(true),
            (false, outside) => outside.then_some(false),
        },
        _ => (low == high).then_some(low),
    }
}

fn decide(criterion: &Criterion, finding: Finding, bound: f64, rate: bool) -> Verdict {
    let estimate = finding.estimate;
    if rate && !criterion.is_relative() && bound >= 1.0 && matches!(criterion.op, Op::Ge | Op::Eq) {
        let holds = criterion.op.holds(estimate.value, bound);
        return if holds { Verdict::Pass(finding) } else { Verdict::Fail(finding) };
    }
    let Some(holds) = on_interval(criterion.op, &estimate, bound) else {
        let more_runs = runs_to_clear(&finding, bound);
        return Verdict::Inconclusive { finding: Some(finding), because: Doubt::Straddles, more_runs };
    };
    let claims_change = criterion.is_relative() && criterion.op.holds(0.0, bound) != holds;
    if claims_change && finding.design != Design::Exact && estimate.value.abs() < finding.min_effect {
        let more_runs = runs_to_bound(&finding, finding.min_effect - estimate.value.abs());
        return Verdict::Inconclusive { finding: Some(finding), because: Doubt::BelowMinEffect, more_runs };
    }
    if holds { Verdict::Pass(finding) } else { Verdict::Fail(finding) }
}

/// About how many more samples clear `bound`: the end of the interval that lies beyond it has to come as close to the
/// estimate as the bound is.
fn runs_to_clear(finding: &Finding, bound: f64) -> Option<u32> {
    let estimate = &finding.estimate;
    let reach = if bound >= estimate.value { estimate.high - estimate.value } else { estimate.value - estimate.low };
    power::more_for_half_width(samples(finding), reach, (bound - estimate.value).abs())
}

fn runs_to_bound(finding: &Finding, wanted: f64) -> Option<u32> {
    let estimate = &finding.estimate;
    let reach = (estimate.high - estimate.value).max(estimate.value - estimate.low);
    power::more_for_half_width(samples(finding), reach, wanted)
}

fn samples(finding: &Finding) -> usize {
    finding.n_before.min(finding.n_after).max(1) as usize
}

/// Whether a metric changed, by what the samples say and by no bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It changed for the better, by the minimum effect at least.
    Improved(Finding),
    /// It changed for the worse, by the minimum effect at least.
    Regressed(Finding),
    /// It changed by less than the minimum effect, if at all: the whole interval lies within it.
    NoDifference(Finding),
    /// Not settled.
    Inconclusive {
        /// What is known, where anything is.
        finding: Option<Finding>,
        /// Why nothing can be concluded.
        because: Doubt,
        /// About how many more pairs (or runs a side) would settle it at the present noise.
        more_runs: Option<u32>,
    },
    /// Nothing can be concluded, and more runs would not help.
    Invalid {
        /// Why.
        because: Flaw,
    },
}

impl Change {
    /// The numbers behind it, where there are any.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Improved(finding) | Self::Regressed(finding) | Self::NoDifference(finding) => Some(finding),
            Self::Inconclusive { finding, .. } => finding.as_ref(),
            Self::Invalid { .. } => None,
        }
    }

    /// Whether more runs could still settle it.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Inconclusive { .. })
    }
}

/// Whether a metric changed: its interval leaves out zero and it moved by the minimum effect, or it lies within ± the
/// minimum effect (equivalence in the sense of D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15
/// (1987) 657–680, by the interval).
pub fn change(measured: Measured<'_>, better: Better, known: &Circumstances) -> Change {
    let found = compare_code(measured, known)
        .and_then(|()| effect::relative(measured.before, measured.after, measured.paired, known));
    let finding = match found {
        Ok(finding) => finding,
        Err(Undecided::Doubt(because)) => {
            let more_runs = missing_runs(&because);
            return Change::Inconclusive { finding: None, because, more_runs };
        }
        Err(Undecided::Flaw(because)) => return Change::Invalid { because },
    };
    let Estimate { value, low, high, .. } = finding.estimate;
    let least = if finding.design == Design::Exact { 0.0 } else { finding.min_effect };
    let moved = low > 0.0 || high < 0.0;
    if moved && value.abs() >= least {
        let worse = (value > 0.0) == (better == Better::Lower);
        return if worse { Change::Regressed(finding) } else { Change::Improved(finding) };
    }
    if low >= -least && high <= least {
        return Change::NoDifference(finding);
    }
    let because = if moved { Doubt::BelowMinEffect } else { Doubt::Straddles };
    let apart = if value.abs() >= least { runs_to_clear(&finding, 0.0) } else { None };
    let more_runs = apart.or_else(|| runs_to_bound(&finding, least - value.abs()));
    Change::Inconclusive { finding: Some(finding), because, more_runs }
}
