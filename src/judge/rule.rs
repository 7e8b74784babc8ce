//! The decision rules: the verdict on a criterion, and whether a metric changed at all. Owns when an interval decides;
//! `effect` computes it.
//!
//! - A criterion **passes** when the whole interval satisfies it and **fails** when the whole interval violates it. For a
//!   KPI that is superiority, for a guardrail non-inferiority against its margin (G. Piaggio and others, "Reporting of
//!   noninferiority and equivalence randomized trials", JAMA 308 (2012) 2594–2604).
//! - A verdict that claims a change (one that no change at all would contradict) also needs the minimum effect.
//! - For a rate a signed percentage is in percentage points: `http.health.ok >= -1%` allows 99 % to become 98 %.
//! - `>= 1`, `>= 100%` and `== 1` for a rate mean that nothing may fail: one failure makes the criterion fail, and none
//!   makes it pass. `< 1` is the opposite.

use serde::{Deserialize, Serialize};

use crate::judge::{Circumstances, MetricReadings, Undecided, effect};
use crate::model::verdict::LEFT_OUT;
use crate::model::{
    Better, Bound, Criterion, Design, Doubt, Effect, Estimate, Flaw, MetricSpec, Op, Sampling, Unit, Verdict,
};
use crate::stats;

pub fn judge(criterion: &Criterion, measured: MetricReadings<'_>, known: &Circumstances) -> Verdict {
    let found = match &criterion.bound {
        Bound::Relative { share } => relative(measured, known).map(|finding| (finding, *share)),
        Bound::Absolute { value, unit } => bound_in_unit_of_metric(*value, unit.as_ref(), measured)
            .and_then(|bound| Ok((usable(effect::level(measured, known)?, measured, true)?, bound))),
    };
    match found {
        Ok((finding, bound)) => decide(criterion, finding, bound, is_rate(measured), known),
        Err(Undecided::Doubt(because)) => {
            Verdict::Inconclusive { finding: None, more_runs: missing_runs(&because), because }
        }
        Err(Undecided::Flaw(because)) => Verdict::Invalid { because },
    }
}

/// Refuses a comparison of the same code, unless it is paired or the metric is exact.
fn relative(measured: MetricReadings<'_>, known: &Circumstances) -> Result<Effect, Undecided> {
    let exact = measured.after.as_ref().is_ok_and(|series| series.spec.sampling == Sampling::Exact);
    if known.same_code && measured.paired.is_none() && !exact {
        return Err(Flaw::SameCode.into());
    }
    usable(effect::relative(measured, known)?, measured, false)
}

/// Names the unit of an estimate that is no share. Refuses one that is not finite, such as a share of values that are
/// hundreds of orders of magnitude apart.
fn usable(finding: Effect, measured: MetricReadings<'_>, is_level: bool) -> Result<Effect, Undecided> {
    let Estimate { value, low, high, confidence } = finding.estimate;
    if ![value, low, high, confidence].iter().all(|number| number.is_finite()) {
        return Err(Flaw::NotComparable { what: "the values are too far apart to compare".to_owned() }.into());
    }
    let has_unit = finding.from_zero || (is_level && !is_rate(measured));
    let unit = spec(measured).filter(|_| has_unit).map(|spec| spec.unit.clone());
    Ok(Effect { unit, ..finding })
}

fn is_rate(measured: MetricReadings<'_>) -> bool {
    spec(measured).is_some_and(|spec| spec.sampling == Sampling::Rate)
}

fn spec(measured: MetricReadings<'_>) -> Option<&MetricSpec> {
    match measured.paired {
        Some(Ok(series)) => Some(&series.spec),
        None | Some(Err(_)) => measured.after.as_ref().ok().map(|series| &series.spec),
    }
}

fn bound_in_unit_of_metric(value: f64, unit: Option<&Unit>, measured: MetricReadings<'_>) -> Result<f64, Undecided> {
    let (Some(written), Some(spec)) = (unit, spec(measured)) else { return Ok(value) };
    let what = || format!("unit: measured in {:?}, bound in {:?}", spec.unit.symbol(), written.symbol());
    let factor = written.factor_to(&spec.unit).ok_or_else(|| Flaw::NotComparable { what: what() })?;
    Ok(value * factor)
}

fn missing_runs(doubt: &Doubt) -> Option<u32> {
    if let Doubt::TooFew { have, need } = doubt { Some(need.saturating_sub(*have).max(1)) } else { None }
}

/// Whether the criterion holds on the whole interval or nowhere in it; `None` if on a part.
fn on_interval(op: Op, interval: &Estimate, bound: f64) -> Option<bool> {
    let (low, high) = (op.holds(interval.low, bound), op.holds(interval.high, bound));
    match op {
        Op::Eq => match (low && high, bound < interval.low || bound > interval.high) {
            (true, _) => Some(true),
            (false, outside) => outside.then_some(false),
        },
        Op::Le | Op::Lt | Op::Ge | Op::Gt => (low == high).then_some(low),
    }
}

fn decide(criterion: &Criterion, finding: Effect, bound: f64, rate: bool, known: &Circumstances) -> Verdict {
    let estimate = finding.estimate;
    if rate && !criterion.is_relative() && bound >= 1.0 && matches!(criterion.op, Op::Ge | Op::Eq | Op::Lt) {
        let holds = criterion.op.holds(estimate.value, bound);
        return if holds { Verdict::Pass(finding) } else { Verdict::Fail(finding) };
    }
    let irreducible = if rate { 0.0 } else { irreducible(&finding, criterion.is_relative(), known) };
    let held = if criterion.is_relative() { finding.as_share_bounds() } else { estimate };
    let Some(holds) = on_interval(criterion.op, &held, bound) else {
        let more_runs = runs_to_clear(&finding, bound, criterion.is_relative(), irreducible);
        return Verdict::Inconclusive { finding: Some(finding), because: Doubt::Straddles, more_runs };
    };
    let claims_change = criterion.is_relative() && criterion.op.holds(0.0, bound) != holds;
    if claims_change && !finding.counts() {
        let more_runs = runs_to_count(&finding, irreducible);
        return Verdict::Inconclusive { finding: Some(finding), because: Doubt::BelowMinEffect, more_runs };
    }
    if holds { Verdict::Pass(finding) } else { Verdict::Fail(finding) }
}

/// The part of an interval's half-width that more runs cannot reduce, the difference between sessions: on the
/// logarithmic scale for a share, otherwise in the unit of the estimate.
fn irreducible(finding: &Effect, relative: bool, known: &Circumstances) -> f64 {
    match finding.design {
        Design::Paired | Design::Exact => 0.0,
        Design::Unpaired if relative => effect::drift(known).unwrap_or(f64::INFINITY),
        Design::Unpaired => finding.estimate.value.abs() * known.session_floor,
    }
}

/// Estimates how many more samples move the interval off `bound`: its end beyond the bound must come as close to the
/// estimate as the bound is. `None` if no number would.
fn runs_to_clear(finding: &Effect, bound: f64, relative: bool, irreducible: f64) -> Option<u32> {
    if relative && finding.from_zero {
        return None;
    }
    // If anything is irreducible, the interval of a share was widened on the logarithmic scale.
    let scale = |at: f64| if relative && irreducible > 0.0 && at > -1.0 { at.ln_1p() } else { at };
    let Estimate { value, low, high, .. } = finding.estimate;
    let end = if bound >= value { high } else { low };
    let reach = (scale(end) - scale(value)).abs() - irreducible;
    stats::more_for_half_width(samples(finding), reach.max(0.0), (scale(bound) - scale(value)).abs() - irreducible)
}

/// Estimates how many more samples show whether the change counts: its interval must exclude everything up to half the
/// minimum effect or, if the estimate is smaller than that effect, lie within it. `None` if no number would.
fn runs_to_count(finding: &Effect, irreducible: f64) -> Option<u32> {
    let (Estimate { value, low, high, .. }, least) = (finding.estimate, finding.least());
    if value.abs() >= least {
        return runs_to_clear(finding, (least * LEFT_OUT).copysign(value), true, irreducible);
    }
    let reach = (high - value).max(value - low) - irreducible;
    stats::more_for_half_width(samples(finding), reach.max(0.0), least - value.abs() - irreducible)
}

fn samples(finding: &Effect) -> usize {
    finding.n_before.min(finding.n_after).max(1) as usize
}

/// Whether a metric changed, by what the samples say and by no bound.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum MetricChange {
    /// It changed for the better, by the minimum effect at least.
    Improved(Effect),
    /// It changed for the worse, by the minimum effect at least.
    Regressed(Effect),
    /// It changed by less than the minimum effect, if at all: the whole interval lies within it.
    NoDifference(Effect),
    /// Neither; about `more_runs` more pairs (or runs a side) would settle it at the present noise.
    Inconclusive { finding: Option<Effect>, because: Doubt, more_runs: Option<u32> },
    /// Nothing can be concluded, and more runs would not help.
    Invalid { because: Flaw },
}

impl MetricChange {
    pub fn finding(&self) -> Option<&Effect> {
        match self {
            Self::Improved(finding) | Self::Regressed(finding) | Self::NoDifference(finding) => Some(finding),
            Self::Inconclusive { finding, .. } => finding.as_ref(),
            Self::Invalid { .. } => None,
        }
    }

    /// Whether more runs could settle it.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Inconclusive { .. })
    }
}

/// Whether a metric changed by enough to count ([`Effect::counts`]), or certainly by less ([`Effect::is_ruled_out`]).
pub fn change(measured: MetricReadings<'_>, better: Better, known: &Circumstances) -> MetricChange {
    let finding = match relative(measured, known) {
        Ok(finding) => finding,
        Err(Undecided::Doubt(because)) => {
            return MetricChange::Inconclusive { finding: None, more_runs: missing_runs(&because), because };
        }
        Err(Undecided::Flaw(because)) => return MetricChange::Invalid { because },
    };
    if finding.counts() {
        let worse = (finding.estimate.value > 0.0) == (better == Better::Lower);
        return if worse { MetricChange::Regressed(finding) } else { MetricChange::Improved(finding) };
    }
    if finding.is_ruled_out() {
        return MetricChange::NoDifference(finding);
    }
    let moved = finding.estimate.low > 0.0 || finding.estimate.high < 0.0;
    let because = if moved { Doubt::BelowMinEffect } else { Doubt::Straddles };
    let irreducible = if is_rate(measured) { 0.0 } else { irreducible(&finding, true, known) };
    let more_runs = runs_to_count(&finding, irreducible);
    MetricChange::Inconclusive { finding: Some(finding), because, more_runs }
}

#[cfg(test)]
mod tests {
    use crate::judge::{PairSample, PairedReading, PairedSeries, Reading, Series};
    use crate::model::{MetricId, MetricKind, Outcome, Unusable};
    use crate::stats::LookPlan;

    use super::*;

    fn series(sampling: Sampling, unit: &str, samples: &[f64]) -> Reading {
        let (id, unit) = (MetricId::new("m"), Unit::new(unit));
        Ok(Series { spec: MetricSpec { id, unit, better: Better::Lower, sampling }, samples: samples.to_vec() })
    }

    fn sampled(samples: &[f64]) -> Reading {
        series(Sampling::Sampled, "s", samples)
    }

    /// `n` pairs around a ratio, with noise of half a percent and one outlier in ten.
    fn pairs(ratio: f64, n: u32) -> PairedReading {
        let sample = |i: u32| {
            let noise = f64::from((i * 7) % 11) / 1000.0 - 0.005;
            let wild = if i % 10 == 9 { 1.5 } else { 1.0 };
            PairSample { before: 2.0, after: 2.0 * ratio * (1.0 + noise) * wild }
        };
        pairs_of((0..n).map(sample).collect())
    }

    fn pairs_of(pairs: Vec<PairSample>) -> PairedReading {
        let (id, unit) = (MetricId::new("m"), Unit::seconds());
        let spec = MetricSpec { id, unit, better: Better::Lower, sampling: Sampling::Sampled };
        Ok(PairedSeries { spec, plan: LookPlan::default(), pairs, machines: Vec::new() })
    }

    fn known() -> Circumstances {
        Circumstances { session_floor: 0.02, min_effect: 0.01, ..Circumstances::default() }
    }

    fn missing() -> Reading {
        Err(Unusable::NotMeasured)
    }

    fn of_pairs(text: &str, paired: &PairedReading) -> Verdict {
        judge(&Criterion::parse(text).unwrap(), MetricReadings::of_pairs(paired), &known())
    }

    fn of_sides(text: &str, before: &Reading, after: &Reading, known: &Circumstances) -> Verdict {
        judge(&Criterion::parse(text).unwrap(), MetricReadings { before, after, paired: None }, known)
    }

    #[test]
    fn a_kpi_passes_when_the_whole_interval_is_beyond_its_bound() {
        assert_eq!(of_pairs("m <= -10%", &pairs(0.85, 20)).outcome(), Outcome::Pass);
        assert_eq!(of_pairs("m <= -10%", &pairs(1.0, 20)).outcome(), Outcome::Fail);
        let Verdict::Inconclusive { because: Doubt::Straddles, more_runs: Some(more), .. } =
            of_pairs("m <= -10%", &pairs(0.9005, 20))
        else {
            panic!("an estimate this near to the bound settles nothing");
        };
        assert!(more > 20, "{more}");
    }

    #[test]
    fn a_guardrail_passes_when_the_whole_interval_is_within_its_margin() {
        assert_eq!(of_pairs("m <= +5%", &pairs(1.02, 20)).outcome(), Outcome::Pass);
        assert_eq!(of_pairs("m <= +5%", &pairs(1.08, 20)).outcome(), Outcome::Fail);
    }

    #[test]
    fn a_change_below_the_minimum_effect_is_not_claimed() {
        let verdict = of_pairs("m < +0%", &pairs(0.994, 60));
        assert!(matches!(verdict, Verdict::Inconclusive { because: Doubt::BelowMinEffect, .. }), "{verdict:?}");
        assert_eq!(of_pairs("m < +0%", &pairs(0.98, 60)).outcome(), Outcome::Pass);
    }

    #[test]
    fn an_interval_that_barely_excludes_zero_is_no_change_however_large_its_estimate() {
        let noisy = |shift: f64| -> PairedReading {
            let spread = [-0.026, -0.021, -0.012, -0.008, -0.003, 0.004, 0.007, 0.013, 0.019, 0.027];
            let sample = |at: &f64| PairSample { before: 1.0, after: 1.0 + shift + at };
            let pairs: Vec<PairSample> = spread.iter().map(sample).collect();
            pairs_of(pairs)
        };
        let open = change_of(&noisy(0.0225));
        let MetricChange::Inconclusive { finding: Some(finding), because: Doubt::BelowMinEffect, more_runs: Some(_) } =
            open
        else {
            panic!("{open:?}");
        };
        assert!(finding.estimate.low > 0.0 && finding.estimate.value > finding.min_effect, "{finding:?}");
        assert!(matches!(change_of(&noisy(0.04)), MetricChange::Regressed(_)));
    }

    #[test]
    fn fewer_than_six_pairs_never_decide() {
        for n in 1..6 {
            let verdict = of_pairs("m <= -10%", &pairs(0.1, n));
            assert!(
                matches!(verdict, Verdict::Inconclusive { because: Doubt::TooFew { need: 6, .. }, more_runs: Some(more), .. } if more == 6 - n),
                "{verdict:?}"
            );
        }
        assert_eq!(of_pairs("m <= -10%", &pairs(0.1, 6)).outcome(), Outcome::Pass);
    }

    #[test]
    fn reproducible_counts_detect_a_fifth_of_a_percent_in_three_runs_per_side() {
        let mut lot = 1_u64;
        let mut counts = |share: f64, jitter: f64| {
            let side = (0..3).map(|_| {
                lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                6e6 * (1.0 + share) * (1.0 + jitter * ((lot >> 33) as f64 / f64::from(1_u32 << 31)))
            });
            Ok(Series { spec: MetricKind::Instructions.spec("t"), samples: side.collect() })
        };
        // Two sessions of a machine that drifted say the same as one.
        let known = Circumstances { min_effect: 0.001, reference_ratio: Some(1.3), ..known() };
        let mut change = |share: f64, jitter: f64| {
            let (before, after) = (counts(0.0, jitter), counts(share, jitter));
            super::change(MetricReadings { before: &before, after: &after, paired: None }, Better::Lower, &known)
        };
        for _ in 0..200 {
            for jitter in [0.0, 0.0002] {
                assert!(matches!(change(0.0, jitter), MetricChange::NoDifference(_)), "{jitter}");
                assert!(matches!(change(0.002, jitter), MetricChange::Regressed(_)), "{jitter}");
            }
        }
        let varies = change(0.002, 1.0);
        assert!(matches!(
            varies,
            MetricChange::Inconclusive { because: Doubt::Drift { .. } | Doubt::TooFew { .. }, .. }
        ));
    }

    #[test]
    fn one_run_a_side_never_decides() {
        let verdict = of_sides("m <= +5%", &sampled(&[1.0]), &sampled(&[99.0]), &known());
        assert!(
            matches!(verdict, Verdict::Inconclusive { because: Doubt::TooFew { have: 1, need: 4 }, .. }),
            "{verdict:?}"
        );
        let verdict = of_sides("m <= 12s", &sampled(&[1.0]), &sampled(&[1.0]), &known());
        assert!(
            matches!(verdict, Verdict::Inconclusive { because: Doubt::TooFew { have: 1, need: 6 }, .. }),
            "{verdict:?}"
        );
    }

    #[test]
    fn drift_widens_the_interval_of_two_sessions_and_voids_it_past_the_limit() {
        let before: Vec<f64> = (0..10).map(|i| 1.0 + f64::from(i) / 1000.0).collect();
        let after: Vec<f64> = before.iter().map(|b| b * 1.08).collect();
        let verdict = |ratio: Option<f64>| {
            let known = Circumstances { reference_ratio: ratio, ..known() };
            of_sides("m <= +2%", &sampled(&before), &sampled(&after), &known)
        };
        assert_eq!(verdict(None).outcome(), Outcome::Fail);
        assert!(matches!(verdict(Some(1.07)), Verdict::Inconclusive { because: Doubt::Straddles, .. }));
        assert!(matches!(verdict(Some(0.8)), Verdict::Inconclusive { because: Doubt::Drift { .. }, .. }));
        assert!(matches!(verdict(Some(0.0)), Verdict::Inconclusive { because: Doubt::Drift { .. }, .. }));
    }

    #[test]
    fn more_runs_are_not_suggested_if_they_cannot_settle_two_sessions() {
        let around = |centre: f64| sampled(&(0..40).map(|i| centre + f64::from(i) / 2000.0).collect::<Vec<_>>());
        let apart = Circumstances { session_floor: 0.10, ..known() };
        let more = |after: f64| {
            let verdict = of_sides("m <= +2%", &around(1.0), &around(after), &apart);
            let Verdict::Inconclusive { because: Doubt::Straddles, more_runs, .. } = verdict else {
                panic!("{verdict:?}")
            };
            more_runs
        };
        assert_eq!(more(1.0), None);
        assert!(more(0.925).is_some_and(|more| more < 100_000), "{:?}", more(0.925));
        let (before, after) = (around(1.0), around(1.0));
        let measured = MetricReadings { before: &before, after: &after, paired: None };
        assert!(matches!(change(measured, Better::Lower, &apart), MetricChange::Inconclusive { more_runs: None, .. }));
    }

    #[test]
    fn one_value_decides_about_an_exact_metric() {
        let exact = |value: f64| series(Sampling::Exact, "B", &[value]);
        assert_eq!(of_sides("m <= 2KiB", &exact(1.0), &exact(2048.0), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m <= 2KiB", &exact(1.0), &exact(2049.0), &known()).outcome(), Outcome::Fail);
        assert_eq!(of_sides("m <= +10%", &exact(1000.0), &exact(1100.0), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m <= +0%", &exact(1000.0), &exact(1001.0), &known()).outcome(), Outcome::Fail);
        let twice = series(Sampling::Exact, "B", &[1.0, 2.0]);
        let verdict = of_sides("m <= 2KiB", &exact(1.0), &twice, &known());
        assert!(matches!(verdict, Verdict::Inconclusive { because: Doubt::NotExact, .. }));
    }

    #[test]
    fn an_interval_without_an_end_is_never_a_finding() {
        let exact = |value: f64| series(Sampling::Exact, "", &[value]);
        let spread: Vec<f64> = (0..8).map(|i| if i % 2 == 0 { 1e-300 } else { 1e300 }).collect();
        for (before, after) in [(exact(1e-300), exact(1e300)), (sampled(&[1e-300; 8]), sampled(&spread))] {
            let verdict = of_sides("m <= +5%", &before, &after, &known());
            let text = serde_json::to_string(&verdict).unwrap();
            assert!(!text.contains("\"high\":null") && !text.contains("\"value\":null"), "{text}");
            assert!(matches!(verdict, Verdict::Invalid { because: Flaw::NotComparable { .. } }), "{verdict:?}");
        }
    }

    #[test]
    fn different_values_for_the_same_code_are_not_exact() {
        let exact = |value: f64| series(Sampling::Exact, "", &[value]);
        let known = Circumstances { same_code: true, ..known() };
        for text in ["m <= 5", "m <= +5%"] {
            let verdict = of_sides(text, &exact(1.0), &exact(1.01), &known);
            assert!(matches!(verdict, Verdict::Inconclusive { because: Doubt::NotExact, .. }), "{text}: {verdict:?}");
        }
        let many = sampled(&[1.0; 8]);
        assert_eq!(of_sides("m <= +5%", &many, &many, &known), Verdict::Invalid { because: Flaw::SameCode });
    }

    #[test]
    fn what_is_missing_is_invalid_and_never_zero() {
        let many = sampled(&[1.0; 8]);
        let before = of_sides("m <= +5%", &missing(), &many, &known());
        assert_eq!(before, Verdict::Invalid { because: Flaw::Before { reason: Unusable::NotMeasured } });
        let after = of_sides("m <= 5s", &many, &missing(), &known());
        assert_eq!(after, Verdict::Invalid { because: Flaw::After { reason: Unusable::NotMeasured } });
    }

    #[test]
    fn units_convert_or_make_it_invalid() {
        let many = sampled(&[0.3; 8]);
        assert_eq!(of_sides("m <= 350ms", &many, &many, &known()).outcome(), Outcome::Pass);
        let verdict = of_sides("m <= 5MiB", &many, &many, &known());
        assert!(matches!(verdict, Verdict::Invalid { because: Flaw::NotComparable { .. } }));
        let milli = series(Sampling::Sampled, "ms", &[300.0; 8]);
        assert_eq!(of_sides("m <= +5%", &milli, &many, &known()).outcome(), Outcome::Pass);
        let other = series(Sampling::Sampled, "B", &[300.0; 8]);
        let verdict = of_sides("m <= +5%", &other, &many, &known());
        assert!(matches!(verdict, Verdict::Invalid { because: Flaw::NotComparable { .. } }));
    }

    #[test]
    fn from_zero_any_difference_is_more_than_any_share() {
        let exact = |value: f64| series(Sampling::Exact, "", &[value]);
        for (criterion, after, outcome) in [
            ("m <= +5%", 3.0, Outcome::Fail),
            ("m <= +5%", -3.0, Outcome::Pass),
            ("m >= +5%", 3.0, Outcome::Pass),
            ("m <= -5%", 0.0, Outcome::Fail),
        ] {
            assert_eq!(
                of_sides(criterion, &exact(0.0), &exact(after), &known()).outcome(),
                outcome,
                "{criterion} {after}"
            );
        }
        let (before, after) = (exact(0.0), exact(12.0));
        let measured = MetricReadings { before: &before, after: &after, paired: None };
        let MetricChange::Regressed(finding) = change(measured, Better::Lower, &known()) else {
            panic!("no regression")
        };
        assert_eq!((finding.estimate, finding.from_zero, finding.share()), (Estimate::exact(12.0), true, None));
        assert_eq!(of_sides("m <= +5%", &exact(0.0), &exact(0.0), &known()).outcome(), Outcome::Pass);
        let sampled_from_zero = |after: [f64; 8]| of_sides("m <= +5%", &sampled(&[0.0; 8]), &sampled(&after), &known());
        assert_eq!(sampled_from_zero([1.0; 8]).outcome(), Outcome::Fail);
        assert_eq!(sampled_from_zero([0.0; 8]).outcome(), Outcome::Pass);
        let mixed = sampled_from_zero([0.0, 1.0, 0.0, -1.0, 0.0, 1.0, -1.0, 0.0]);
        assert_eq!(mixed.outcome(), Outcome::Inconclusive);
    }

    #[test]
    fn another_machine_makes_samples_invalid_but_not_sizes() {
        let known = Circumstances { other_machine: vec!["CPU model".into()], ..known() };
        let many = sampled(&[1.0; 8]);
        let verdict = of_sides("m <= +5%", &many, &many, &known);
        assert!(matches!(verdict, Verdict::Invalid { because: Flaw::OtherMachine { .. } }));
        let size = series(Sampling::Exact, "B", &[8.0]);
        assert_eq!(of_sides("m <= +5%", &size, &size, &known).outcome(), Outcome::Pass);
    }

    #[test]
    fn rates_are_judged_as_proportions_in_points() {
        let rate = |ok: usize, of: usize| {
            let samples: Vec<f64> = (0..of).map(|i| if i < ok { 1.0 } else { 0.0 }).collect();
            series(Sampling::Rate, "", &samples)
        };
        assert_eq!(of_sides("m >= 100%", &rate(5, 5), &rate(5, 5), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m >= 1", &rate(5, 5), &rate(4, 5), &known()).outcome(), Outcome::Fail);
        assert_eq!(of_sides("m < 1", &rate(5, 5), &rate(5, 5), &known()).outcome(), Outcome::Fail);
        assert_eq!(of_sides("m < 100%", &rate(5, 5), &rate(4, 5), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m >= 99%", &rate(5, 5), &rate(5, 5), &known()).outcome(), Outcome::Inconclusive);
        assert_eq!(of_sides("m >= 99%", &rate(5, 5), &rate(1000, 1000), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m >= -5%", &rate(200, 200), &rate(198, 200), &known()).outcome(), Outcome::Pass);
        assert_eq!(of_sides("m >= -5%", &rate(200, 200), &rate(150, 200), &known()).outcome(), Outcome::Fail);
    }

    fn change_of(paired: &PairedReading) -> MetricChange {
        change(MetricReadings::of_pairs(paired), Better::Lower, &known())
    }

    #[test]
    fn a_change_is_named_by_its_direction_and_the_metrics() {
        assert!(matches!(change_of(&pairs(1.03, 20)), MetricChange::Regressed(_)));
        assert!(matches!(change_of(&pairs(0.97, 20)), MetricChange::Improved(_)));
        assert!(matches!(change_of(&pairs(1.0, 20)), MetricChange::NoDifference(_)));
        let open = change_of(&pairs(1.007, 10));
        assert!(matches!(open, MetricChange::Inconclusive { more_runs: Some(_), .. }), "{open:?}");
    }

    #[test]
    fn values_of_zero_and_below_are_compared_by_their_differences() {
        let pairs = (0..12).map(|i| PairSample { before: -2.0, after: -1.5 - 0.001 * f64::from(i) });
        let paired = pairs_of(pairs.collect());
        let Verdict::Pass(finding) = of_pairs("m >= +20%", &paired) else { panic!("from -2 to -1.5 is +25 %") };
        assert!((finding.estimate.value - 0.247).abs() < 0.005, "{finding:?}");
    }
}
