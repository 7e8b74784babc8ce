//! Finds measurements that are copies of others, in the same record or in another one, and those that leave out what every
//! measurement records by now.

use std::collections::BTreeSet;

use chrono::Duration;

use crate::audit::evidence::{CONTRACT, Fetch, snapshot};
use crate::model::{Kind, RecordedSnapshot, Snapshot};
use crate::workflow::Change;

/// Measurements with one id are recorded within this time, since the id contains the moment at which it was made.
const SAME_MOMENT: Duration = Duration::seconds(4);

#[derive(Default)]
pub(crate) struct SeenMeasurements {
    ids: BTreeSet<String>,
    runs: BTreeSet<Vec<u64>>,
}

impl SeenMeasurements {
    /// Run times in nanoseconds never repeat exactly; if they do, a file was copied.
    pub(crate) fn again(&mut self, snapshot: &Snapshot) -> Option<String> {
        if !snapshot.id.iter().all(|id| self.ids.insert(id.clone())) {
            return Some("its id is that of another measurement".to_owned());
        }
        let runs = snapshot.timings.iter().flat_map(|timing| &timing.samples).map(|run| run.wall_s.to_bits());
        let runs: Vec<u64> = runs.collect();
        let copied = !runs.is_empty() && !self.runs.insert(runs);
        copied.then(|| "its run times are those of another measurement, to the last digit".to_owned())
    }
}

/// The measurements of a change that belong to all but its first `known` events.
fn measurements(change: &Change, known: usize) -> impl Iterator<Item = (&Kind, &RecordedSnapshot)> {
    let current = change.artifacts();
    let all = change.events.iter().skip(known).filter_map(|event| Some((&event.what, event.what.recorded_snapshot()?)));
    all.filter(move |(_, taken)| current.contains(&&taken.snapshot))
}

/// A measurement that a range brings and that another change has, too. Only what was measured at the same moment is read.
pub(crate) fn of_another<'c>(
    (change, known): (&Change, usize),
    others: impl Iterator<Item = &'c Change> + Clone,
    fetch: &Fetch<'_>,
) -> Option<String> {
    measurements(change, known).find_map(|(_, own)| {
        let is_near = |taken: &RecordedSnapshot| (taken.taken_at - own.taken_at).abs() <= SAME_MOMENT;
        let near = others.clone().flat_map(|other| measurements(other, 0).map(move |(_, taken)| (other, taken)));
        near.filter(|(_, taken)| is_near(taken)).find_map(|(other, taken)| {
            let mut seen = SeenMeasurements::default();
            seen.again(&snapshot(&taken.snapshot, fetch)?);
            let problem = seen.again(&snapshot(&own.snapshot, fetch)?)?;
            Some(format!("{}: {problem}, of {}", own.snapshot.path, other.id()))
        })
    })
}

/// A measurement that a range brings and that leaves out what only early versions did not record.
pub(crate) fn outdated(change: &Change, known: usize, fetch: &Fetch<'_>) -> Option<String> {
    measurements(change, known).find_map(|(what, taken)| {
        let definitions = snapshot(&taken.snapshot, fetch)?.definitions;
        let problem = if definitions.is_empty() {
            "it does not say how anything is measured"
        } else if matches!(what, Kind::BaselineTaken(_)) && !definitions.contains_key(CONTRACT) {
            "it does not say which contract it was measured for"
        } else {
            return None;
        };
        Some(format!("{}: {problem}", taken.snapshot.path))
    })
}
