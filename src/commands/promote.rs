//! `change promote`: promote a change whose evidence is complete. There is no override.

use clap::Args;

use crate::commands::{Ctx, Pending, choose, collect, commit, evidence, rehearse, show, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, Gate, Kind, Promotion};
use crate::report;
use crate::store::Role;
use crate::workflow::gates;

/// Promote a change whose evidence is complete
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// Exit 0 when promoted, 1 when refused, 3 when refused only because a verdict is inconclusive.
pub fn run(ctx: &Ctx, args: PromoteArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    promote(ctx, &id)
}

/// The whole gate.
pub(crate) fn promote(ctx: &Ctx, id: &ChangeId) -> Result<Exit, CommandError> {
    let change = commit::load(ctx, id)?;
    evidence::check_record(ctx, &change)?;
    let world = collect::world(ctx, &change, Gate::Decide)?;
    commit::ask(ctx, &change, gates::may_promote(&change, &world))?;
    ctx.ui.status("rehearsing the rollback in a scratch worktree");
    let rehearsal = rehearse::revert(ctx, &change)?;
    let note = report::rollback::note(&change, &rehearsal);
    let pending = Pending { role: Role::Rollback, bytes: note.into_bytes() };
    let promotion = Promotion { rehearsal, policy: world.policy.clone(), note: pending.artifact(id)? };
    let change = commit::commit(ctx, id, Kind::Promoted(promotion), &world, &[pending])?;
    let exit = show::state(ctx, &change)?;
    uncommitted::hint(ctx, &change);
    Ok(exit)
}
