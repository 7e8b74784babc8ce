//! A change measured on several machines: the combined estimate, and whether the machines disagree.

use crate::judge::effect;
use crate::judge::{Caveat, Circumstances, PairedReading, PairedSeries, Undecided, series};
use crate::model::{Design, Doubt, Estimate, Finding, Flaw, MetricId, PairSession};
use crate::stats::{normal, pooled};

/// The I² from which machines are reported to disagree.
const DISAGREE: f64 = 0.5;

/// The caveat of a measurement on several machines, with the metrics about which they disagree.
pub fn caveat(pair: &PairSession) -> Option<Caveat> {
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
        let Estimate { value, low, high, .. } = effect::paired_relative(machine, known)?.estimate;
        Ok((value.ln_1p(), ((high.ln_1p() - low.ln_1p()) / (2.0 * normal::Z_95)).max(least).powi(2)))
    };
    series.machines.iter().map(one).collect()
}

/// The combined estimate of all machines, as a share.
pub(crate) fn relative(series: &PairedSeries, known: &Circumstances) -> Result<Finding, Undecided> {
    let effects = on_each(series, known)?;
    let too_few = || Undecided::Doubt(Doubt::TooFew { have: effect::count(effects.len()), need: 2 });
    let found = pooled::random_effects(&effects).ok_or_else(too_few)?;
    let shares = effect::shares_of(found.interval());
    let n = series.pairs.len();
    Ok(Finding { p_value: Some(found.p_value()), ..effect::finding(shares, Design::Paired, (n, n), known) })
}
