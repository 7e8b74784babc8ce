//! Whether a paired measurement is the one that a comparison may rest on: of this change and its commits, made between
//! the state after and the comparison, with the exact values that the snapshots have. Must not read files.

use crate::audit::record::CLOCK_TOLERANCE;
use crate::model::{Arm, PairSession, PairedKpi, Revision, Sampling, Snapshot};
use crate::workflow::Change;

/// How far, as a share, an exact KPI may have changed otherwise in the arms than between the snapshots: the arms lie at
/// another place, which a size or a count may show.
const EXACT_TOLERANCE: f64 = 0.01;

/// What is wrong with the pairs of a change's comparison.
pub(crate) fn problem(change: &Change, sides: (&Snapshot, &Snapshot), pair: &PairSession) -> Option<String> {
    let (baseline, after, compared) = (change.baseline.as_ref()?, change.after.as_ref()?, change.comparison.as_ref()?);
    if pair.change_id.as_deref() != Some(change.id().as_str()) {
        return Some("it belongs to another change".to_owned());
    }
    if !is_of(&pair.before, &baseline.taken.revision) || !is_of(&pair.after, &after.taken.revision) {
        return Some("its arms are other commits than those of the snapshots".to_owned());
    }
    // Where the clock was set back in between, only the comparison bounds it.
    let early = after.at <= compared.at && pair.started_at < after.at - CLOCK_TOLERANCE;
    let late = pair.generated_at > compared.at + CLOCK_TOLERANCE;
    if early || late || pair.started_at > pair.generated_at + CLOCK_TOLERANCE {
        return Some("it was not measured between the state after and the comparison".to_owned());
    }
    let other = pair.kpis.iter().find(|paired| differs(paired, sides));
    other.map(|paired| {
        format!("{} is exact, and changes otherwise in the pairs than between the snapshots; `compare --no-pair` judges by the snapshots alone", paired.kpi.name)
    })
}

fn is_of(arm: &Arm, revision: &Revision) -> bool {
    arm.commit.is_some() && arm.commit == revision.commit
}

/// Whether an exact KPI changes otherwise in a pair than between the snapshots.
fn differs(paired: &PairedKpi, (before, after): (&Snapshot, &Snapshot)) -> bool {
    let value = |snapshot: &Snapshot| {
        let kpi = snapshot.kpis.iter().find(|kpi| kpi.name == paired.kpi.name)?;
        (kpi.sampling == Sampling::Exact).then(|| kpi.values.first().copied())?
    };
    let (Some(old), Some(new)) = (value(before), value(after)) else { return false };
    let allowed = EXACT_TOLERANCE * old.abs().max(new.abs());
    paired.pairs.iter().any(|(before, after)| ((after - before) - (new - old)).abs() > allowed)
}
