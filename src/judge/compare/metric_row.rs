//! The rows of a comparison: each metric with both its levels and whether it changed. Owns how samples are summed
//! up for a reader; must not know any criterion.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::judge::compare::definition;
use crate::judge::{Change, Circumstances, Measured, PairSample, PairedReading, Settings, effect, rule};
use crate::model::{Better, MetricId, Reading, Sampling, Unit, Unusable};
use crate::stats::median;

/// A metric on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    pub metric: MetricId,
    pub unit: Unit,
    pub better: Better,
    pub sampling: Sampling,
    /// The baseline's samples, summed up; null where there are none, with the reason in `result`.
    pub before: Option<Level>,
    pub after: Option<Level>,
    /// How many pairs both levels are of; none where they are of the snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<u32>,
    pub result: Change,
}

/// Samples summed up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub n: u32,
    /// Their median; the share of successes for a rate.
    pub value: f64,
    /// The ends of the median's 95 % interval by order statistics; null below 6 samples.
    pub interval: Option<(f64, f64)>,
}

/// Everything that was measured, by metric.
pub(crate) struct Sides {
    pub(crate) before: BTreeMap<MetricId, Reading>,
    pub(crate) after: BTreeMap<MetricId, Reading>,
    pub(crate) paired: BTreeMap<MetricId, PairedReading>,
}

static NOT_MEASURED: Reading = Err(Unusable::NotMeasured);

impl Sides {
    /// What was measured in another way before is as good as not measured after: no number of it may be compared.
    pub(crate) fn refuse_redefined(&mut self, redefined: &[String]) {
        let is_one = |id: &MetricId| redefined.iter().any(|stem| definition::governs(stem, id));
        for (_, reading) in self.after.iter_mut().filter(|(id, _)| is_one(id)) {
            *reading = Err(Unusable::Redefined);
        }
        self.paired.retain(|id, _| !is_one(id));
    }

    pub(crate) fn measured(&self, id: &MetricId) -> Measured<'_> {
        Measured {
            before: self.before.get(id).unwrap_or(&NOT_MEASURED),
            after: self.after.get(id).unwrap_or(&NOT_MEASURED),
            paired: self.paired.get(id),
        }
    }
}

/// The circumstances of one metric: its noise floor is the least that counts.
pub fn for_metric(known: &Circumstances, settings: &Settings, id: &MetricId) -> Circumstances {
    let floor = settings.noise_floors.get(id).copied().unwrap_or(0.0);
    let session_floor = settings.session_floors.get(id).copied().unwrap_or(known.session_floor);
    Circumstances { min_effect: settings.min_effect.max(floor), session_floor, ..known.clone() }
}

/// A row for every metric of either side, by name.
pub(crate) fn metric_rows(sides: &Sides, known: &Circumstances, settings: &Settings) -> Vec<MetricRow> {
    let ids: BTreeSet<&MetricId> = sides.before.keys().chain(sides.after.keys()).chain(sides.paired.keys()).collect();
    ids.into_iter().filter_map(|id| metric_row(id, sides.measured(id), &for_metric(known, settings, id))).collect()
}

/// `None` for a metric that neither side measured and no reason is known for: the old files have no CPU times at all.
fn metric_row(id: &MetricId, measured: Measured<'_>, known: &Circumstances) -> Option<MetricRow> {
    let sides = [measured.after, measured.before].into_iter().find_map(|side| side.as_ref().ok());
    let pairs = measured.paired.and_then(|paired| paired.as_ref().ok());
    let (unit, better, sampling) = match (sides, pairs) {
        (Some(series), _) => (series.unit.clone(), series.better, series.sampling),
        (None, Some(series)) => (series.unit.clone(), series.better, series.sampling),
        (None, None) => {
            let why = [measured.before, measured.after].into_iter().filter_map(|side| side.as_ref().err());
            if why.into_iter().all(|reason| *reason == Unusable::NotMeasured) {
                return None;
            }
            guessed_kind(id)
        }
    };
    // Where there are pairs, the verdict is theirs; levels of another session beside it would contradict it.
    let of_arm = |side: fn(&PairSample) -> f64| {
        pairs.map(|series| level(&series.pairs.iter().map(side).collect::<Vec<_>>(), series.sampling))
    };
    let of_side = |side: &Reading| side.as_ref().ok().map(|series| level(&series.samples, series.sampling));
    Some(MetricRow {
        metric: id.clone(),
        unit,
        better,
        sampling,
        before: of_arm(|pair| pair.before).or_else(|| of_side(measured.before)),
        after: of_arm(|pair| pair.after).or_else(|| of_side(measured.after)),
        pairs: pairs.map(|series| u32::try_from(series.pairs.len()).unwrap_or(u32::MAX)),
        result: rule::change(measured, better, known),
    })
}

/// Unit, direction and sampling of a metric that was never measured, by its name.
fn guessed_kind(id: &MetricId) -> (Unit, Better, Sampling) {
    let name = id.as_str();
    let unit = if name.ends_with(".wall") || name.ends_with(".cpu") || name.ends_with(".latency") {
        Unit::seconds()
    } else if name.ends_with(".files") || name.starts_with("kpi.") || name.ends_with(".ok") {
        Unit::none()
    } else {
        Unit::bytes()
    };
    let sampling = if name.starts_with("size.") { Sampling::Exact } else { Sampling::Sampled };
    (unit, Better::Lower, sampling)
}

fn level(samples: &[f64], sampling: Sampling) -> Level {
    let n = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    if sampling == Sampling::Rate {
        let value = samples.iter().sum::<f64>() / f64::from(n.max(1));
        return Level { n, value, interval: None };
    }
    let interval = median::interval(samples, effect::CONFIDENCE).map(|found| (found.low, found.high));
    Level { n, value: median::median(samples).unwrap_or_default(), interval }
}
