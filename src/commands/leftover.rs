//! Rejected changes, and such as were rolled back on record alone, whose commit is still in what is checked out. Must not take anything out.

use crate::commands::{Ctx, delta};
use crate::model::{Fix, InEffect, fix};
use crate::report::problem;
use crate::workflow::{Change, End};

/// Only the newest of them are looked at: asking git takes a moment for each.
const LOOKED_AT: usize = 3;

/// Those of `changes` that are rejected or were rolled back without a commit, and are still in the code here; the newest
/// first. What git cannot tell is left out.
pub(crate) fn among<'a>(ctx: &Ctx, changes: impl Iterator<Item = &'a Change>) -> Vec<&'a Change> {
    let ended = |change: &&Change| match &change.rollback {
        None => matches!(change.end, Some(End::Rejected { .. })),
        Some(rollback) => {
            change.end == Some(End::RolledBack) && rollback.commit.is_none() && rollback.confirmed.is_none()
        }
    };
    let mut found: Vec<&Change> = changes.filter(ended).collect();
    found.sort_by_key(|change| std::cmp::Reverse(change.latest_at));
    found.truncate(LOOKED_AT);
    found.retain(|change| {
        let commits = delta::commits_to_revert(ctx, change).unwrap_or_default();
        match change.rollback {
            Some(_) => !commits.is_empty() && delta::still_in_effect(ctx, change).is_ok_and(|still| !still.is_empty()),
            None => matches!(delta::commits_in_effect(ctx, commits), Ok(InEffect::Yes)),
        }
    });
    found
}

/// Tells how to take the change out, where its commit is still here.
pub(crate) fn hint(ctx: &Ctx, change: &Change) {
    for change in among(ctx, std::iter::once(change)) {
        let apply = fix::with_reason(change.id(), "rollback").word("--apply");
        let fixes = [Fix::next("its commit is still in the tree: take it out", apply)];
        ctx.ui.status(&problem::lines(&fixes).join("\n"));
    }
}
