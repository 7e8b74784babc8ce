//! `change promote`: promote a change whose evidence is complete. There is no override.

use clap::Args;

use crate::commands::{Ctx, Pending, choose, commit, evidence, policy, rehearse, show, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::report;
use crate::store::Role;
use crate::workflow::{Command, PromoteFacts};

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
    evidence::lawful(ctx, &change)?;
    let faults = evidence::faults(ctx, &change)?;
    // Evidence that is not what was recorded is told by its path; there is nothing to recompute from it.
    let reproduced = faults.is_empty() && evidence::reproduced(ctx, &change)?;
    let mut facts = PromoteFacts { faults, reproduced, policy: policy::in_force(ctx)?, rehearsed: None };
    commit::ask(ctx, &change, &Command::Promote(facts.clone()))?;
    ctx.ui.status("rehearsing the rollback in a scratch worktree");
    let rehearsal = rehearse::revert(ctx, &change)?;
    let note = report::rollback::note(&change, &rehearsal);
    let pending = Pending { role: Role::Rollback, bytes: note.into_bytes() };
    facts.rehearsed = Some((rehearsal, pending.artifact(id)?));
    let change = commit::commit(ctx, id, &Command::Promote(facts), &[pending])?;
    let exit = show::state(ctx, &change)?;
    uncommitted::hint(ctx, &change);
    Ok(exit)
}
