//! Rejected changes whose commit is still in what is checked out. Must not take anything out.

use crate::change::facts::InEffect;
use crate::change::rollback_text;
use crate::change::state::Change;
use crate::change::state::End;
use crate::commands::Ctx;
use crate::commands::delta;
use crate::report::invocation;
use crate::report::invocation::Hint;

/// Only the newest rejected changes are looked at: asking git takes a moment for each.
const LOOKED_AT: usize = 3;

/// Those of `changes` that are rejected, not rolled back, and still in the code here; the newest first. What git
/// cannot tell is left out.
pub(super) fn among<'a>(ctx: &Ctx, changes: impl Iterator<Item = &'a Change>) -> Vec<&'a Change> {
    let rejected = |change: &&Change| matches!(change.end, Some(End::Rejected { .. })) && change.rollback.is_none();
    let mut found: Vec<&Change> = changes.filter(rejected).collect();
    found.sort_by_key(|change| std::cmp::Reverse(change.latest_at));
    found.truncate(LOOKED_AT);
    found.retain(|change| {
        let commits = rollback_text::commits(change);
        matches!(delta::commits_in_effect(ctx, commits), Ok(InEffect::Yes))
    });
    found
}

/// Tells how to take the change out, where its commit is still here.
pub(super) fn hint(ctx: &Ctx, change: &Change) {
    for change in among(ctx, std::iter::once(change)) {
        let apply = format!("{} --apply", invocation::with_reason(change.id(), "rollback"));
        ctx.ui.hint(&Hint::to("its commit is still in the tree: take it out", apply).line());
    }
}
