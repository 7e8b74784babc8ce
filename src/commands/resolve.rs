//! `change resolve`: declare a change's open alarms harmless, with the reason on record.

use clap::Args;

use crate::commands::{Ctx, choose, commit, parse, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::workflow::Command;

/// Declare a change's open alarms harmless
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// What was found out; it goes into the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Exit 0 when resolved, 1 when no alarm is open or no reason is given.
pub fn run(ctx: &Ctx, args: ResolveArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let reason = parse::prose("--reason", &args.reason)?;
    let change = commit::commit(ctx, &id, &Command::ResolveAlarms { reason }, &[])?;
    show::state(ctx, &change)
}
