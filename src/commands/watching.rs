//! Holding a measurement against what a rolled out change is measured by: reads the files that `change/watch.rs` judges.

use crate::commands::{Ctx, evidence};
use crate::error::CommandError;
use crate::judge::{Comparison, Settings};
use crate::model::Snapshot;
use crate::workflow::{Change, Unjudged, Watch, watch};

/// The verdicts of a measurement on the contract; `None` where there is nothing to hold it against, as at the first
/// stage of an emergency.
pub fn judge(ctx: &Ctx, change: &Change, today: &Snapshot) -> Result<Option<Watch>, CommandError> {
    let Some(reference) = watch::reference(change) else { return Ok(None) };
    let reference = evidence::snapshot(ctx, reference)?;
    Ok(Some(watch::watch(change, &reference, today, &settings(ctx, change)?)))
}

/// How far a measurement has drifted from the state right after the change (for an emergency, at its rollout).
pub fn drift(ctx: &Ctx, change: &Change, today: &Snapshot) -> Result<Option<Comparison>, CommandError> {
    let after = change.after.as_ref().map(|after| &after.taken.snapshot);
    let Some(after) = after.or_else(|| watch::reference(change)) else { return Ok(None) };
    let after = evidence::snapshot(ctx, after)?;
    Ok(Some(watch::drift(&after, today, &settings(ctx, change)?)))
}

/// What the monitored days of a change leave unjudged. A day whose file is not there any more is told by others.
pub fn unjudged(ctx: &Ctx, change: &Change) -> Result<Unjudged, CommandError> {
    let mut days = Vec::new();
    for tick in &change.ticks {
        let Ok(snapshot) = evidence::snapshot(ctx, &tick.taken.snapshot) else { continue };
        days.push((tick.utc_date, judge(ctx, change, &snapshot)?.unwrap_or_default()));
    }
    Ok(watch::unjudged(change, &days))
}

fn settings(ctx: &Ctx, change: &Change) -> Result<Settings, CommandError> {
    let recorded = match &change.comparison {
        Some(comparison) => Some(evidence::comparison_file(ctx, &comparison.json)?),
        None => None,
    };
    Ok(watch::settings(change, recorded.as_ref()))
}
