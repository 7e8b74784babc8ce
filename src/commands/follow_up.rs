//! `change follow-up`: name the change that takes an emergency's override over.

use clap::Args;

use crate::commands::{Ctx, choose, commit, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::workflow::Command;

/// Name the change that takes an emergency's override over
#[derive(Debug, Args)]
pub struct FollowUpArgs {
    /// The emergency [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// The change that moves the override into a tuneable or into code
    #[arg(long, value_name = "ID")]
    by: String,
}

/// The other change has to exist; that it was promoted is demanded at verification.
pub fn run(ctx: &Ctx, args: FollowUpArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let by: ChangeId = args.by.parse()?;
    commit::load(ctx, &by)?;
    let change = commit::commit(ctx, &id, &Command::FollowUp { by }, &[])?;
    show::state(ctx, &change)
}
