//! The effect of a change on a metric, with its interval: from alternating pairs on one machine or several, from two
//! separate sessions, or exact.
//! Owns which method applies to which samples and by how much an interval is widened; knows no bounds.

use serde::{Deserialize, Serialize};

use crate::judge::{Caveat, MetricReadings, PairSample, PairedReading, PairedSeries, Reading, Series, series};
use crate::model::{Design, Doubt, Effect, Estimate, Flaw, MetricId, MetricKind, PairSession, Sampling, Unusable};
use crate::stats::{
    CONFIDENCE, Interval, Successes, looks, median, median_interval, normal, pooled, proportion, rank_sum, winsorized,
};

/// Fewest samples per side for comparing two separate sessions: with 4 and 4 the smallest two-sided p-value of the
/// rank-sum test is 2/70 = 0.029, with 3 and 3 it is 0.1.
pub const FEWEST_UNPAIRED: u32 = 4;

/// Fewest instruction counts per side that show whether they are reproducible.
pub const FEWEST_REPEATED: usize = 3;

/// Counts of one side are reproducible if they differ by at most this share.
const MOST_APART: f64 = 0.001;

/// Fewest samples whose median has a 95 % interval.
pub const FEWEST_LEVEL: u32 = 6;

/// Assumed difference between sessions, as a share, without a calibration of this machine: medians of ten runs taken a
/// minute apart differed by up to 13 % in nine of ten cases (`docs/measurement.md`).
pub const DEFAULT_SESSION_FLOOR: f64 = 0.10;

/// If the reference workload moved by more than this share between two sessions, they cannot be compared.
pub const MOST_DRIFT: f64 = 0.10;

/// The I² from which machines are reported to disagree.
const DISAGREE: f64 = 0.5;

/// What is known about the circumstances of a comparison.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Parts of the machine's fingerprint that differ between the snapshots; empty on one machine.
    pub other_machine: Vec<String>,
    /// Whether both sides are known to be the same code with the same tuneables.
    pub same_code: bool,
    /// Median time of the reference workload, after over before; `None` where it was not recorded on both sides.
    pub reference_ratio: Option<f64>,
    /// How far one session may differ from the next, as a share ([`DEFAULT_SESSION_FLOOR`] where not calibrated).
    pub session_floor: f64,
    /// The smallest change, as a share, that counts (the larger of the noise floor and the contract's).
    pub min_effect: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Undecided {
    Doubt(Doubt),
    Flaw(Flaw),
}

impl From<Flaw> for Undecided {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

/// The change relative to the baseline, as a share (0.05 is +5 %); for a rate, the difference (from 0.99 to 0.94:
/// −0.05).
pub fn relative(measured: MetricReadings<'_>, known: &Circumstances) -> Result<Effect, Undecided> {
    let Some(series) = pairs(measured)? else {
        let (before, after) = both_sides(measured, known)?;
        return match after.spec.sampling {
            Sampling::Exact => exact_relative(before, after, known),
            Sampling::Rate => rate_difference(before, after, Design::Unpaired, known),
            Sampling::Sampled => unpaired_relative(before, after, known),
        };
    };
    let (before, after) = sides(series);
    match series.spec.sampling {
        Sampling::Exact => exact_relative(&before, &after, known),
        Sampling::Rate => rate_difference(&before, &after, Design::Paired, known),
        Sampling::Sampled => paired_relative(series, known),
    }
}

/// The pairs; `None` if they do not have the metric, so that the snapshots are used instead.
fn pairs(measured: MetricReadings<'_>) -> Result<Option<&PairedSeries>, Undecided> {
    match measured.paired {
        Some(Ok(series)) => Ok(Some(series)),
        None
        | Some(Err(Flaw::Before { reason: Unusable::NotMeasured } | Flaw::After { reason: Unusable::NotMeasured })) => {
            Ok(None)
        }
        Some(Err(flaw)) => Err(flaw.clone().into()),
    }
}

fn sides(series: &PairedSeries) -> (Series, Series) {
    let side = |of: fn(&PairSample) -> f64| Series { spec: series.spec.clone(), samples: series.side(of) };
    (side(|pair| pair.before), side(|pair| pair.after))
}

/// The value after the change, in the metric's own unit; for a rate, a share from 0 to 1.
pub fn level(measured: MetricReadings<'_>, known: &Circumstances) -> Result<Effect, Undecided> {
    let Some(series) = pairs(measured)? else {
        let after = measured.after.as_ref().map_err(|reason| Flaw::After { reason: reason.clone() })?;
        if after.spec.sampling == Sampling::Exact {
            return exact_level(measured.before, after, known);
        }
        check_machine(known)?;
        return level_of(after, Design::Unpaired, known, Some((CONFIDENCE, known.session_floor)));
    };
    let (before, after) = sides(series);
    if series.spec.sampling == Sampling::Exact {
        return exact_level(&Ok(before), &after, known);
    }
    if !series.machines.is_empty() && series.spec.sampling == Sampling::Sampled {
        let what = "an absolute bound holds on one machine, and several measured this; a bound with a sign is relative";
        return Err(Flaw::NotComparable { what: what.to_owned() }.into());
    }
    let level = series.plan.level(after.samples.len());
    level_of(&after, Design::Paired, known, level.map(|level| (1.0 - level, 0.0)))
}

fn both_sides<'a>(measured: MetricReadings<'a>, known: &Circumstances) -> Result<(&'a Series, &'a Series), Flaw> {
    let before = measured.before.as_ref().map_err(|reason| Flaw::Before { reason: reason.clone() })?;
    let after = measured.after.as_ref().map_err(|reason| Flaw::After { reason: reason.clone() })?;
    let (old, new) = (&before.spec, &after.spec);
    let differs = |what: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| Flaw::NotComparable {
        what: format!("{what}: {a:?} before, {b:?} after"),
    };
    if old.sampling != new.sampling {
        return Err(differs("sampling", &old.sampling, &new.sampling));
    }
    if old.better != new.better {
        return Err(differs("better direction", &old.better, &new.better));
    }
    if old.unit.factor_to(&new.unit).is_none() {
        return Err(differs("unit", &old.unit.symbol(), &new.unit.symbol()));
    }
    if new.sampling == Sampling::Sampled {
        check_machine(known)?;
    }
    Ok((before, after))
}

fn check_machine(known: &Circumstances) -> Result<(), Flaw> {
    if known.other_machine.is_empty() {
        return Ok(());
    }
    Err(Flaw::OtherMachine { parts: known.other_machine.clone() })
}

/// The samples of `before` in the unit of `after`.
fn converted(before: &Series, after: &Series) -> Vec<f64> {
    let factor = before.spec.unit.factor_to(&after.spec.unit).unwrap_or(1.0);
    before.samples.iter().map(|sample| sample * factor).collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Converts an interval of log-ratios to shares of the baseline.
fn shares_of(logs: Interval) -> Interval {
    Interval { value: logs.value.exp_m1(), low: logs.low.exp_m1(), high: logs.high.exp_m1(), ..logs }
}

/// The change of a reproducible count, which does not depend on the state of the machine: the ratio of the medians,
/// with an interval as wide as the ranges of both sides together. With three samples per side, it excludes zero in at
/// most 4 % of trials without a change (simulated, with uniform, normal, skewed and two-valued noise); with more, in
/// fewer.
fn repeated(kind: Option<MetricKind>, before: &[f64], after: &[f64]) -> Option<Interval> {
    let apart = |counts: &[f64]| {
        let (low, high) = counts.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(*n), high.max(*n)));
        Some((high / low).ln()).filter(|apart| low > 0.0 && *apart <= MOST_APART)
    };
    if kind != Some(MetricKind::Instructions) || before.len().min(after.len()) < FEWEST_REPEATED {
        return None;
    }
    let value = (median(after)? / median(before)?).ln();
    let found = Interval { value, low: value, high: value, coverage: CONFIDENCE };
    Some(shares_of(found.widened(apart(before)? + apart(after)?)))
}

fn paired_relative(series: &PairedSeries, known: &Circumstances) -> Result<Effect, Undecided> {
    if !series.machines.is_empty() {
        return over_machines(series, known);
    }
    let n = series.pairs.len();
    let (before, after) = (series.side(|pair| pair.before), series.side(|pair| pair.after));
    if let Some(found) = repeated(series.spec.id.kind(), &before, &after) {
        return Ok(finding(found, Design::Paired, (n, n), known));
    }
    let too_few = || Undecided::Doubt(Doubt::TooFew { have: count(n), need: count(looks::FEWEST) });
    let level = series.plan.level(n).ok_or_else(too_few)?;
    let positive = series.pairs.iter().all(|pair| pair.before > 0.0 && pair.after > 0.0);
    let (differences, size) = if positive {
        (series.side(|pair| (pair.after / pair.before).ln()), None)
    } else {
        (series.side(|pair| pair.after - pair.before), Some(size_of(&series.side(|pair| pair.before))))
    };
    let found = winsorized::interval(&differences, level).ok_or_else(too_few)?;
    let shares = size.map_or_else(|| shares_of(found), |size| share_of(found, size));
    Ok(Effect {
        p_value: Some(winsorized::p_value(&differences)),
        from_zero: size == Some(0.0),
        ..finding(shares, Design::Paired, (n, n), known)
    })
}

fn finding(found: Interval, design: Design, (n_before, n_after): (usize, usize), known: &Circumstances) -> Effect {
    Effect {
        estimate: Estimate { value: found.value, low: found.low, high: found.high, confidence: CONFIDENCE },
        design,
        n_before: count(n_before),
        n_after: count(n_after),
        p_value: None,
        min_effect: known.min_effect,
        from_zero: false,
        unit: None,
    }
}

/// The magnitude of the baseline, to express differences as shares of it if values may be zero or negative.
fn size_of(before: &[f64]) -> f64 {
    median(before).unwrap_or(0.0).abs()
}

/// Converts a difference to a share of a baseline of this size; unchanged if the size is zero.
fn share_of(found: Interval, size: f64) -> Interval {
    let size = if size > 0.0 { size } else { 1.0 };
    Interval { value: found.value / size, low: found.low / size, high: found.high / size, ..found }
}

fn unpaired_relative(before: &Series, after: &Series, known: &Circumstances) -> Result<Effect, Undecided> {
    let (first, second) = (converted(before, after), &after.samples);
    if let Some(found) = repeated(after.spec.id.kind(), &first, second) {
        return Ok(finding(found, Design::Unpaired, (first.len(), second.len()), known));
    }
    let have = count(first.len().min(second.len()));
    let too_few = || Undecided::Doubt(Doubt::TooFew { have, need: FEWEST_UNPAIRED });
    if have < FEWEST_UNPAIRED {
        return Err(too_few());
    }
    let drift = drift(known)?;
    let positive = first.iter().chain(second).all(|value| *value > 0.0);
    let logs = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    let size = (!positive).then(|| size_of(&first));
    let found = match size {
        None => {
            let shift = rank_sum::shift(&logs(&first), &logs(second), CONFIDENCE).ok_or_else(too_few)?;
            shares_of(shift.widened(drift))
        }
        Some(size) => {
            let shift = rank_sum::shift(&first, second, CONFIDENCE).ok_or_else(too_few)?;
            // With a zero baseline, sessions differ by a share of the shift.
            let apart = if size > 0.0 { drift } else { shift.value.abs() * drift };
            share_of(shift, size).widened(apart)
        }
    };
    Ok(Effect {
        p_value: rank_sum::p_value(&first, second),
        from_zero: size == Some(0.0),
        ..finding(found, Design::Unpaired, (first.len(), second.len()), known)
    })
}

/// The difference between two sessions without any change, on the logarithmic scale: the movement of the reference
/// workload plus the session floor.
pub fn drift(known: &Circumstances) -> Result<f64, Undecided> {
    let ratio = known.reference_ratio.unwrap_or(1.0);
    let moved = ratio.ln().abs();
    // Infinite, or no number, where the ratio is not a positive one: that is never small enough.
    if moved <= MOST_DRIFT.ln_1p() {
        Ok(moved + known.session_floor.ln_1p())
    } else {
        Err(Undecided::Doubt(Doubt::Drift { ratio }))
    }
}

fn rate_difference(
    before: &Series,
    after: &Series,
    design: Design,
    known: &Circumstances,
) -> Result<Effect, Undecided> {
    let (before, after) = (&before.samples, &after.samples);
    let (first, second) = (Successes::of(before), Successes::of(after));
    let too_few = || Undecided::Doubt(Doubt::TooFew { have: count(before.len().min(after.len())), need: 1 });
    let found = proportion::difference(first, second).ok_or_else(too_few)?;
    let p_value = proportion::fisher_exact(first, second);
    Ok(Effect { p_value, ..finding(found, design, (before.len(), after.len()), known) })
}

fn the_value(samples: &[f64]) -> Result<f64, Undecided> {
    let not_exact = || Undecided::Doubt(Doubt::NotExact);
    let first = *samples.first().ok_or_else(not_exact)?;
    if samples.iter().all(|sample| *sample == first) { Ok(first) } else { Err(not_exact()) }
}

fn exact_relative(before: &Series, after: &Series, known: &Circumstances) -> Result<Effect, Undecided> {
    let first = the_value(&converted(before, after))?;
    let second = the_value(&after.samples)?;
    if known.same_code && first != second {
        return Err(Undecided::Doubt(Doubt::NotExact));
    }
    let from_zero = first == 0.0 && second != 0.0;
    let size = if from_zero { 1.0 } else { first.abs() };
    let share = if first == second { 0.0 } else { (second - first) / size };
    Ok(Effect { from_zero, ..exact_finding(share, before.samples.len(), after.samples.len()) })
}

fn exact_level(before: &Reading, after: &Series, known: &Circumstances) -> Result<Effect, Undecided> {
    let value = the_value(&after.samples)?;
    let mut n_before = 0;
    if let Ok(before) = before {
        n_before = before.samples.len();
        let differs = converted(before, after).iter().any(|sample| *sample != value);
        if known.same_code && before.spec.unit.factor_to(&after.spec.unit).is_some() && differs {
            return Err(Undecided::Doubt(Doubt::NotExact));
        }
    }
    Ok(exact_finding(value, n_before, after.samples.len()))
}

/// An exact value has no noise, so no noise floor applies.
fn exact_finding(value: f64, n_before: usize, n_after: usize) -> Effect {
    let no_width = Interval { value, low: value, high: value, coverage: 1.0 };
    let found = finding(no_width, Design::Exact, (n_before, n_after), &Circumstances::default());
    Effect { estimate: Estimate::exact(value), ..found }
}

/// The median (of a rate, the share of successes) with its interval. `precision` is the confidence of the interval and
/// the share by which it is widened for differences between sessions; `None` if there are too few samples.
fn level_of(
    series: &Series,
    design: Design,
    known: &Circumstances,
    precision: Option<(f64, f64)>,
) -> Result<Effect, Undecided> {
    let values = &series.samples;
    let n = count(values.len());
    let too_few = |need: u32| Undecided::Doubt(Doubt::TooFew { have: n, need });
    let found = if series.spec.sampling == Sampling::Rate {
        Successes::of(values).wilson().ok_or_else(|| too_few(1))?
    } else {
        let (confidence, floor) = precision.ok_or_else(|| too_few(FEWEST_LEVEL))?;
        let found = median_interval(values, confidence).ok_or_else(|| too_few(FEWEST_LEVEL))?;
        found.widened(found.value.abs() * floor)
    };
    Ok(finding(found, design, (values.len(), values.len()), known))
}

/// Ratio of the reference workload's medians, after over before; `None` if either side has none.
pub fn reference_ratio(before: &[f64], after: &[f64]) -> Option<f64> {
    let ratio = median(after)? / median(before)?;
    ratio.is_finite().then_some(ratio)
}

/// The caveat of a measurement on several machines, with the metrics about which they disagree.
pub fn several_machines(pair: &PairSession) -> Option<Caveat> {
    let machines = u32::try_from(pair.others.len()).ok().filter(|others| *others > 0)? + 1;
    let disagreement = |(id, reading): (MetricId, PairedReading)| {
        let effects = on_each(&reading.ok()?, &Circumstances::default()).ok()?;
        let share = pooled::random_effects(&effects)?.disagreement;
        (share >= DISAGREE).then_some((id, share))
    };
    Some(Caveat::SeveralMachines {
        machines,
        disagree: series::pair_metrics(pair).into_iter().filter_map(disagreement).collect(),
    })
}

/// The log-ratio on each machine, with its variance. The variance is derived from the interval, so that it accounts for
/// the planned looks as well.
fn on_each(series: &PairedSeries, known: &Circumstances) -> Result<Vec<(f64, f64)>, Undecided> {
    let least = f64::EPSILON.sqrt();
    let one = |machine: &PairedSeries| {
        if machine.pairs.iter().any(|pair| pair.before <= 0.0 || pair.after <= 0.0) {
            let what = "values of zero or below have no ratio to compare between machines".to_owned();
            return Err(Flaw::NotComparable { what }.into());
        }
        let Estimate { value, low, high, .. } = paired_relative(machine, known)?.estimate;
        Ok((value.ln_1p(), ((high.ln_1p() - low.ln_1p()) / (2.0 * normal::Z_95)).max(least).powi(2)))
    };
    series.machines.iter().map(one).collect()
}

/// The combined estimate of all machines, as a share.
fn over_machines(series: &PairedSeries, known: &Circumstances) -> Result<Effect, Undecided> {
    let effects = on_each(series, known)?;
    let too_few = || Undecided::Doubt(Doubt::TooFew { have: count(effects.len()), need: 2 });
    let found = pooled::random_effects(&effects).ok_or_else(too_few)?;
    let shares = shares_of(found.interval());
    let n = series.pairs.len();
    Ok(Effect { p_value: Some(found.p_value()), ..finding(shares, Design::Paired, (n, n), known) })
}
