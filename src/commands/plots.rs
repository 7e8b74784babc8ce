//! Which samples are drawn: those of the metrics that a comparison turns on, in pairs where there are pairs.
//! Must not draw.

use crate::evidence::compare::Comparison;
use crate::evidence::metric::MetricId;
use crate::evidence::pair::PairSession;
use crate::evidence::series;
use crate::evidence::snapshot::Snapshot;
use crate::report::compare::detail::is_headline;
use crate::report::plot::strip::Strip;

/// A strip for every metric of the contract and every decisive time that has samples to show.
pub fn strips(comparison: &Comparison, sides: (&Snapshot, &Snapshot), pair: Option<&PairSession>) -> Vec<Strip> {
    let (before, after) = (series::metrics(sides.0), series::metrics(sides.1));
    let paired = pair.map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        _ => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let headline = comparison.metrics.iter().filter(|row| is_headline(comparison, row));
    headline.filter_map(|row| strip(&row.metric)).collect()
}
