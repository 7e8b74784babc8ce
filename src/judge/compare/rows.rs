//! The rows of a comparison: each metric with the levels of both sides and its change; and the rows of a standalone
//! paired measurement. Owns how samples are summarized for display; knows no criteria.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::judge::compare::changes;
use crate::judge::series::NOT_MEASURED;
use crate::judge::{
    Circumstances, Decisive, MetricChange, MetricReadings, PairSample, PairedReading, Reading, Settings, rule, series,
};
use crate::model::{
    Better, MetricId, MetricKind, MetricSpec, PairSession, ReadFile, Sampling, Snapshot, Unit, Unusable,
};
use crate::stats::{CONFIDENCE, median, median_interval};

/// A metric on both sides.
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    pub result: MetricChange,
}

impl MetricRow {
    /// Whether it is a rate without a failure on any measured side.
    pub fn never_failed(&self) -> bool {
        self.sampling == Sampling::Rate && [self.before, self.after].iter().flatten().all(|level| level.value >= 1.0)
    }
}

/// Samples summed up.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub n: u32,
    /// Their median; the share of successes for a rate.
    pub value: f64,
    /// The ends of the median's 95 % interval by order statistics; null below 6 samples.
    pub interval: Option<(f64, f64)>,
}

pub(crate) struct Sides {
    pub(crate) before: BTreeMap<MetricId, Reading>,
    pub(crate) after: BTreeMap<MetricId, Reading>,
    pub(crate) paired: BTreeMap<MetricId, PairedReading>,
}

impl Sides {
    /// Removes the values of metrics whose definition changed, as they must not be compared.
    pub(crate) fn refuse_redefined(&mut self, redefined: &[String]) {
        let is_one = |id: &MetricId| redefined.iter().any(|stem| changes::governs(stem, id));
        for (_, reading) in self.after.iter_mut().filter(|(id, _)| is_one(id)) {
            *reading = Err(Unusable::Redefined);
        }
        self.paired.retain(|id, _| !is_one(id));
    }

    /// Removes values read from files that were not written again since the baseline, which cannot be of the new code.
    pub(crate) fn refuse_unwritten(&mut self, before: &Snapshot, after: &Snapshot) {
        // On the day of the rollout, monitoring may read the same result.
        if before.revision.is_none() && before.generated_at.date_naive() == after.generated_at.date_naive() {
            return;
        }
        let olds = files_read(before);
        for (stem, new) in files_read(after) {
            let unwritten = olds.get(&stem).is_some_and(|old| new.unwritten_since(old));
            for (_, reading) in self.after.iter_mut().filter(|(id, _)| unwritten && changes::governs(&stem, id)) {
                if reading.is_ok() {
                    *reading = Err(Unusable::Stale { path: new.path.clone(), than: None });
                }
            }
        }
    }

    /// The metric of the tracked bytes for a size, if both sides recorded it: ignored files vary with builds and are in
    /// no commit.
    pub(crate) fn in_git(&self, id: &MetricId) -> Option<MetricId> {
        let path = id.subject().filter(|_| id.kind() == Some(MetricKind::Bytes))?;
        let tracked = MetricKind::TrackedBytes.of(path);
        let is_known = |side: &BTreeMap<MetricId, Reading>| side.get(&tracked).is_some_and(Result::is_ok);
        (is_known(&self.before) && is_known(&self.after)).then_some(tracked)
    }

    /// Whether a metric is more than 0 on either side.
    fn is_any(&self, id: &MetricId) -> bool {
        let more = |side: &BTreeMap<MetricId, Reading>| {
            side.get(id)
                .is_some_and(|it| it.as_ref().is_ok_and(|series| series.samples.iter().any(|value| *value > 0.0)))
        };
        more(&self.before) || more(&self.after)
    }

    pub(crate) fn measured(&self, id: &MetricId) -> MetricReadings<'_> {
        MetricReadings {
            before: self.before.get(id).unwrap_or(&NOT_MEASURED),
            after: self.after.get(id).unwrap_or(&NOT_MEASURED),
            paired: self.paired.get(id),
        }
    }
}

/// The files that metrics were read from, by the common prefix of the metrics' names.
pub(crate) fn files_read(snapshot: &Snapshot) -> BTreeMap<String, &ReadFile> {
    let timings = snapshot.timings.iter().map(|it| (format!("timing.{}", it.name), &it.read_from));
    let kpis = snapshot.kpis.iter().map(|it| (format!("kpi.{}", it.name), &it.read_from));
    timings.chain(kpis).filter_map(|(stem, file)| Some((stem, file.as_ref()?))).collect()
}

/// The circumstances of one metric, with its own noise floor as the lower bound of the minimum effect.
pub fn for_metric(known: &Circumstances, settings: &Settings, id: &MetricId) -> Circumstances {
    let floor = settings.noise_floors.get(id).copied().unwrap_or(0.0);
    let session_floor = settings.session_floors.get(id).copied().unwrap_or(known.session_floor);
    Circumstances { min_effect: settings.min_effect.max(floor), session_floor, ..known.clone() }
}

pub(crate) fn metric_rows(sides: &Sides, known: &Circumstances, settings: &Settings) -> Vec<MetricRow> {
    let ids: BTreeSet<&MetricId> = sides.before.keys().chain(sides.after.keys()).chain(sides.paired.keys()).collect();
    let row = |id: &MetricId| {
        // Tracked bytes, as for the criterion, unless git tracks nothing there.
        let in_git = sides.in_git(id).filter(|id| sides.is_any(id));
        metric_row(id, sides.measured(in_git.as_ref().unwrap_or(id)), &for_metric(known, settings, id))
    };
    ids.into_iter().filter_map(row).collect()
}

/// `None` for a metric that neither side measured, without a known reason, such as CPU times in old files.
fn metric_row(id: &MetricId, measured: MetricReadings<'_>, known: &Circumstances) -> Option<MetricRow> {
    let sides = [measured.after, measured.before].into_iter().find_map(|side| side.as_ref().ok());
    let pairs = measured.paired.and_then(|paired| paired.as_ref().ok());
    let spec = match sides.map(|series| &series.spec).or(pairs.map(|series| &series.spec)) {
        Some(spec) => spec.clone(),
        None => {
            let mut why = [measured.before, measured.after].into_iter().filter_map(|side| side.as_ref().err());
            if why.all(|reason| *reason == Unusable::NotMeasured) {
                return None;
            }
            by_name(id)
        }
    };
    // If there are pairs, the verdict is about them, and the levels of another session could contradict it.
    let of_pairs = |side: fn(&PairSample) -> f64| pairs.map(|series| level(&series.side(side), series.spec.sampling));
    let of_side = |side: &Reading| side.as_ref().ok().map(|series| level(&series.samples, series.spec.sampling));
    Some(MetricRow {
        metric: id.clone(),
        unit: spec.unit,
        better: spec.better,
        sampling: spec.sampling,
        before: of_pairs(|pair| pair.before).or_else(|| of_side(measured.before)),
        after: of_pairs(|pair| pair.after).or_else(|| of_side(measured.after)),
        pairs: pairs.map(|series| u32::try_from(series.pairs.len()).unwrap_or(u32::MAX)),
        result: rule::change(measured, spec.better, known),
    })
}

/// The specification of a metric that was never measured, from its name alone.
fn by_name(id: &MetricId) -> MetricSpec {
    let kpi = || MetricSpec { id: id.clone(), unit: Unit::none(), better: Better::Lower, sampling: Sampling::Sampled };
    id.kind().zip(id.subject()).map_or_else(kpi, |(kind, name)| kind.spec(name))
}

fn level(samples: &[f64], sampling: Sampling) -> Level {
    let n = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    if sampling == Sampling::Rate {
        let value = samples.iter().sum::<f64>() / f64::from(n.max(1));
        return Level { n, value, interval: None };
    }
    let interval = median_interval(samples, CONFIDENCE).map(|found| (found.low, found.high));
    Level { n, value: median(samples).unwrap_or_default(), interval }
}

/// One metric of a standalone paired measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairRow {
    /// The command's name; null for a KPI.
    pub command: Option<String>,
    pub metric: MetricId,
    pub unit: Unit,
    /// Whether it is the decisive metric of its command; true for every KPI.
    pub decisive: bool,
    pub pairs: u32,
    /// Median of the runs; null if there are none.
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub change: MetricChange,
}

/// A row for every metric but rates, command by command, then the KPIs. Rates need none: a failed run already makes the
/// decisive metric unusable.
pub fn pair_rows(session: &PairSession, settings: &Settings) -> Vec<PairRow> {
    let mut rows = Vec::new();
    let all = series::pair_metrics(session);
    let of_all = |metric: &MetricId, own: PairedReading| all.get(metric).cloned().unwrap_or(own);
    for command in &session.commands {
        let decisive = Decisive::of_pairs(command).metric(&command.name);
        for (metric, reading) in series::command_pairs(command) {
            let reading = of_all(&metric, reading);
            let is_rate = reading.as_ref().is_ok_and(|series| series.spec.sampling == Sampling::Rate);
            if is_rate || (reading.is_err() && metric != decisive) {
                continue;
            }
            rows.push(PairRow {
                command: Some(command.name.clone()),
                decisive: metric == decisive,
                ..pair_row(metric, &reading, Better::Lower, settings)
            });
        }
    }
    for measured in &session.kpis {
        let metric = measured.metric();
        let reading = of_all(&metric, series::kpi_pairs(measured));
        rows.push(pair_row(metric, &reading, measured.kpi.better, settings));
    }
    rows
}

fn pair_row(metric: MetricId, reading: &PairedReading, better: Better, settings: &Settings) -> PairRow {
    let known = Circumstances { min_effect: settings.min_effect, ..Circumstances::default() };
    let change = rule::change(MetricReadings::of_pairs(reading), better, &for_metric(&known, settings, &metric));
    let series = reading.as_ref().ok();
    let middle = |side: fn(&PairSample) -> f64| series.and_then(|series| median(&series.side(side)));
    PairRow {
        command: None,
        unit: series.map_or_else(Unit::seconds, |series| series.spec.unit.clone()),
        decisive: true,
        pairs: series.map_or(0, |series| u32::try_from(series.pairs.len()).unwrap_or(u32::MAX)),
        before: middle(|pair| pair.before),
        after: middle(|pair| pair.after),
        metric,
        change,
    }
}
