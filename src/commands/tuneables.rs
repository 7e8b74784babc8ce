//! The tuneables as they are in force, held against what was measured last; and the file outside the repository as it
//! was when a snapshot was taken.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::commands::{Ctx, evidence};
use crate::error::CommandError;
use crate::judge::compare::{TuneableChange, tuneable_changes};
use crate::measure::tuneables::{Effective, locate, read as effective};
use crate::model::{Digest, Snapshot, Taken};
use crate::store::{atomic, guard};
use crate::workflow::{Change, End};

const LIMIT: u64 = 8 * 1024 * 1024;

pub(crate) struct InForce {
    pub(crate) now: Effective,
    /// What was measured last and is expected to be in force, with the path of its file.
    pub(crate) expected: Option<(String, Snapshot)>,
    pub(crate) moved: Vec<TuneableChange>,
}

pub(crate) fn read(ctx: &Ctx, changes: &[&Change]) -> Result<InForce, CommandError> {
    let now = effective(ctx.project.root(), &ctx.config()?.tuneables)?;
    let newest = changes.iter().filter_map(|change| expected(change)).max_by_key(|(last, _)| *last);
    // Evidence that was altered says nothing of what is expected; `verify` and `check` tell of it.
    let expected = newest.and_then(|(_, taken)| {
        let snapshot = evidence::snapshot(ctx, &taken.snapshot).ok()?;
        Some((taken.snapshot.path.clone(), snapshot))
    });
    let moved = expected.as_ref().map_or_else(Vec::new, |(_, before)| {
        let mut after = before.clone();
        after.tuneables = now.values.clone();
        let mut list = tuneable_changes(before, &after);
        list.retain(|change| change.old != change.new);
        list
    });
    Ok(InForce { now, expected, moved })
}

/// What a change leaves in force, with the moment of its last measurement: what it measured last, or its baseline
/// where it was dropped.
fn expected(change: &Change) -> Option<(DateTime<Utc>, &Taken)> {
    let last = change.events.iter().rev().find_map(|event| event.what.taken())?;
    let stays = matches!(change.end, None | Some(End::Verified { .. }));
    let taken = if stays { last } else { &change.baseline.as_ref()?.taken };
    Some((last.taken_at, taken))
}

/// The one configured tuneables file outside the repository that pairs are to see as it was.
pub(crate) fn outside(ctx: &Ctx) -> Result<Option<PathBuf>, CommandError> {
    let config = ctx.config()?;
    if config.pair.tuneables_env.is_none() {
        return Ok(None);
    }
    for file in config.tuneables.files.iter().rev() {
        let path = locate(ctx.project.root(), file)?;
        if !ctx.repo()?.is_some_and(|repo| path.starts_with(repo.root())) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Keeps that file as it is now, by its digest, in the cache: it may hold secrets, so it is never evidence, but pairs
/// need it as it was.
pub(crate) fn keep(ctx: &Ctx) -> Result<(), CommandError> {
    let Some(path) = outside(ctx)? else { return Ok(()) };
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(()) };
    let kept = kept_path(ctx, &Digest::of_bytes(&bytes));
    if !kept.exists() {
        guard::write(&ctx.project, &kept, &bytes)?;
    }
    Ok(())
}

/// That file as it was when a snapshot was taken; `None` when it was not kept in this checkout.
pub(crate) fn kept(ctx: &Ctx, snapshot: &Snapshot) -> Result<Option<Vec<u8>>, CommandError> {
    let Some(path) = outside(ctx)? else { return Ok(None) };
    let is_it = |file: &str| locate(ctx.project.root(), file).is_ok_and(|at| at == path);
    let recorded = snapshot.tuneable_files.iter().find(|file| is_it(&file.path));
    let Some(digest) = recorded.and_then(|file| file.sha256.as_ref()) else { return Ok(None) };
    let bytes = atomic::read(&kept_path(ctx, digest), LIMIT)?;
    Ok(bytes.filter(|bytes| Digest::of_bytes(bytes) == *digest))
}

fn kept_path(ctx: &Ctx, digest: &Digest) -> PathBuf {
    ctx.project.cache_dir().join("tuneables").join(digest.as_str())
}
