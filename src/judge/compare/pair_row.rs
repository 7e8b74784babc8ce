//! What a paired measurement alone says: each timed command's wall and CPU time and its peak memory, and the KPIs. Must
//! not know any criterion.

use serde::Serialize;

use crate::judge::compare::metric_row::for_metric;
use crate::judge::{Change, Circumstances, Decisive, Measured, PairSample, PairedReading, Settings, rule, series};
use crate::model::{Better, MetricId, PairSession, Reading, Sampling, Unit, Unusable};
use crate::stats::median;

/// One metric in pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairRow {
    /// The command's name; null for a KPI.
    pub command: Option<String>,
    pub metric: MetricId,
    pub unit: Unit,
    /// Whether it decides about the command; every KPI does about itself.
    pub decisive: bool,
    pub pairs: u32,
    /// Median of the baseline's runs; null where there are none.
    pub before: Option<f64>,
    /// Median of the head's runs; null where there are none.
    pub after: Option<f64>,
    pub change: Change,
}

/// A row for every metric that varies, command by command (rates are told by the failure itself), then the KPIs.
pub fn of_pairs(session: &PairSession, settings: &Settings) -> Vec<PairRow> {
    let mut rows = Vec::new();
    for command in &session.commands {
        let decisive = Decisive::of_pairs(command).metric(&command.name);
        for (metric, reading) in series::command_pairs(command) {
            let is_rate = reading.as_ref().is_ok_and(|series| series.sampling == Sampling::Rate);
            if is_rate || (reading.is_err() && metric != decisive) {
                continue;
            }
            let decides = metric == decisive;
            rows.push(PairRow {
                command: Some(command.name.clone()),
                decisive: decides,
                ..row(metric, &reading, Better::Lower, settings)
            });
        }
    }
    for measured in &session.kpis {
        let metric = MetricId::new(format!("kpi.{}", measured.kpi.name));
        rows.push(row(metric, &series::kpi_pairs(measured), measured.kpi.better, settings));
    }
    rows
}

fn row(metric: MetricId, reading: &PairedReading, better: Better, settings: &Settings) -> PairRow {
    let nothing: Reading = Err(Unusable::NotMeasured);
    let known = Circumstances { min_effect: settings.min_effect, ..Circumstances::default() };
    let measured = Measured { before: &nothing, after: &nothing, paired: Some(reading) };
    let change = rule::change(measured, better, &for_metric(&known, settings, &metric));
    let series = reading.as_ref().ok();
    let middle = |side: fn(&PairSample) -> f64| {
        series.and_then(|series| median::median(&series.pairs.iter().map(side).collect::<Vec<_>>()))
    };
    PairRow {
        command: None,
        unit: series.map_or_else(Unit::seconds, |series| series.unit.clone()),
        decisive: true,
        pairs: series.map_or(0, |series| u32::try_from(series.pairs.len()).unwrap_or(u32::MAX)),
        before: middle(|pair| pair.before),
        after: middle(|pair| pair.after),
        metric,
        change,
    }
}
