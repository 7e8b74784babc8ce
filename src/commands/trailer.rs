//! `change trailer`: the line that ties a commit or a pull request to a change.

use clap::Args;
use serde_json::json;

use crate::commands::{ChangeArg, Ctx, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;

/// Print the trailer that ties a commit or a pull request to a change
#[derive(Debug, Args)]
pub(crate) struct TrailerArgs {
    #[command(flatten)]
    change: ChangeArg,
}

/// The line alone, so that it can be put into a message by a script.
pub(crate) fn run(ctx: &Ctx, args: TrailerArgs) -> Result<Exit, CommandError> {
    let id = args.change.choose(ctx)?;
    let change = commit::load(ctx, &id)?;
    let key = &ctx.config()?.enforcement.trailer;
    let line = format!("{key}: {}", change.id());
    if ctx.json(false) {
        ctx.ui.answer(&failure::pretty(&json!({ "key": key, "value": change.id(), "line": line })))?;
    } else {
        ctx.ui.answer(&line)?;
        ctx.ui.hint("put it last in the message or the pull request's text, after an empty line");
    }
    Ok(Exit::Yes)
}
