//! `change trailer`: the line that ties a commit or a pull request to a change.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, choose, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;

/// Print the trailer that ties a commit or a pull request to a change
#[derive(Debug, Args)]
pub struct TrailerArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// The line alone, so that it can be put into a message by a script.
pub fn run(ctx: &Ctx, args: TrailerArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
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
