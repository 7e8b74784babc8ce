//! The tuneables as they are in force, held against what was measured last.

use crate::commands::{Ctx, evidence};
use crate::error::CommandError;
use crate::judge::compare::{TuneableChange, tuneables};
use crate::measure::{self, Effective, ProcessEnvironment};
use crate::model::{Snapshot, Taken};
use crate::workflow::{Change, End};

/// The tuneables now and then.
pub struct Knobs {
    pub now: Effective,
    /// What was measured last and is expected to be in force, with the path of its file.
    pub expected: Option<(String, Snapshot)>,
    pub moved: Vec<TuneableChange>,
}

/// Reads them.
pub fn read(ctx: &Ctx, changes: &[&Change]) -> Result<Knobs, CommandError> {
    let config = &ctx.config()?.tuneables;
    let now = measure::tuneables::read(ctx.project.root(), config, &ProcessEnvironment)?;
    let newest = changes.iter().filter_map(|change| expected(change)).max_by_key(|(last, _)| *last);
    // Evidence that was altered says nothing of what is expected; `verify` and `check` tell of it.
    let expected = newest.and_then(|(_, taken)| {
        let snapshot = evidence::snapshot(ctx, &taken.snapshot).ok()?;
        Some((taken.snapshot.path.clone(), snapshot))
    });
    let moved = expected.as_ref().map_or_else(Vec::new, |(_, before)| {
        let mut after = before.clone();
        after.tuneables = now.values.clone();
        let mut list = tuneables::changes(before, &after);
        list.retain(|change| change.old != change.new);
        list
    });
    Ok(Knobs { now, expected, moved })
}

/// What a change leaves in force, with the moment of its last measurement: what it measured last, or its baseline
/// where it was dropped.
fn expected(change: &Change) -> Option<(chrono::DateTime<chrono::Utc>, &Taken)> {
    let last = change.events.iter().rev().find_map(|event| event.what.taken())?;
    let stays = matches!(change.end, None | Some(End::Verified { .. }));
    let taken = if stays { last } else { &change.baseline.as_ref()?.taken };
    Some((last.taken_at, taken))
}
