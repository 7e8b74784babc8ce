//! `change use`: choose the change that commands mean when they are not told.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, CommandLine, Fix, fix};
use crate::store::guard;
use crate::workflow::Change;

/// Choose the change that commands mean when they are not told
#[derive(Debug, Args)]
pub struct UseArgs {
    /// The change
    #[arg(value_name = "ID", required_unless_present_any = ["clear", "change_id"])]
    id: Option<String>,
    /// The change, as other commands name it
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    change_id: Option<String>,
    /// Choose none
    #[arg(long, conflicts_with_all = ["id", "change_id"])]
    clear: bool,
}

/// Commands mean open changes only, so to choose another would leave them to mean something else.
fn open(change: Change) -> Result<Change, CommandError> {
    let Some(end) = &change.end else { return Ok(change) };
    let message = format!("{} has ended ({}), and commands mean open changes", change.id(), end.name());
    Err(CommandError::failed(message).fixed_by([
        Fix::next("see which are open", CommandLine::tool("change list")),
        Fix::or("name the ended one where it is meant", fix::on(change.id(), "change show")),
    ]))
}

/// Writes the choice into this checkout's state; it is not committed.
pub fn run(ctx: &Ctx, args: UseArgs) -> Result<Exit, CommandError> {
    let chosen = match args.id.or(args.change_id).filter(|_| !args.clear) {
        Some(text) => {
            let id: ChangeId = text.parse()?;
            Some(open(commit::load(ctx, &id)?)?)
        }
        None => None,
    };
    let _lock = ctx.lock()?;
    let text = chosen.as_ref().map_or_else(String::new, |change| format!("{}\n", change.id()));
    if text.is_empty() {
        // An empty file and no file mean the same; removing it leaves nothing behind.
        match std::fs::remove_file(ctx.project.active_path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => ctx.ui.status("No change is chosen."),
        }
        if ctx.json(false) {
            ctx.ui.answer(&failure::pretty(&json!({ "change_id": null })))?;
        }
        return Ok(Exit::Yes);
    }
    guard::write(&ctx.project, &ctx.project.active_path(), text.as_bytes())?;
    if ctx.json(false) {
        ctx.ui.answer(&failure::pretty(&json!({ "change_id": text.trim_end() })))?;
    } else {
        ctx.ui.answer(text.trim_end())?;
    }
    Ok(Exit::Yes)
}
