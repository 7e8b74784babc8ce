//! `change reject`: drop a change.

use clap::Args;

use crate::commands::{Ctx, choose, commit, leftover, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::workflow::Command;

/// Drop a change
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Why; it goes into the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Records the decision with its reason.
pub fn run(ctx: &Ctx, args: RejectArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let reason = crate::commands::parse::prose("--reason", &args.reason)?;
    let change = commit::commit(ctx, &id, &Command::Reject { reason }, &[])?;
    let exit = show::state(ctx, &change)?;
    leftover::hint(ctx, &change);
    Ok(exit)
}
