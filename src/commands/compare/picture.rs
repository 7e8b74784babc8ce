//! Which samples are drawn: those of the contract's metrics, or without a contract of what decides, in pairs where there
//! are pairs.

use crate::judge::{Comparison, series};
use crate::model::{MetricId, PairSession, Snapshot};
use crate::report::compare::is_headline;
use crate::report::plot::Strip;

/// More than this in one picture is not looked at.
const MOST: usize = 12;

pub(crate) fn strips(comparison: &Comparison, sides: (&Snapshot, &Snapshot), pair: Option<&PairSession>) -> Vec<Strip> {
    let (before, after) = (series::metrics(sides.0), series::metrics(sides.1));
    let paired = pair.map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        Some(Err(_)) | None => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let judged = |id: &MetricId| comparison.criteria.iter().any(|row| row.criterion.metric == *id);
    let rows = comparison.metrics.iter().filter(|row| match comparison.criteria.is_empty() {
        true => is_headline(comparison, row),
        false => judged(&row.metric),
    });
    rows.filter_map(|row| strip(&row.metric)).take(MOST).collect()
}
