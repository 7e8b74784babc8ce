//! `change show`: one change with all its evidence.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Ctx, choose, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report;
use crate::workflow::{Change, next, view_v1};

/// Show one change with all its evidence
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The change, as other commands name it
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    change_id: Option<String>,
}

/// Text, or the whole record as JSON.
pub(crate) fn run(ctx: &Ctx, args: ShowArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.id.or(args.change_id).as_deref())?;
    let change = commit::load(ctx, &id)?;
    if ctx.json(false) {
        let mut fields = view_v1::fields(&change);
        fields.insert("contract".to_owned(), json!(change.contract));
        fields.insert("next".to_owned(), json!(next::next(&change, &ctx.policy()?, ctx.now())));
        fields.insert("events".to_owned(), json!(change.events));
        ctx.ui.answer(&failure::pretty(&Value::Object(fields)))?;
    } else {
        ctx.show(&report::show::document(&change))?;
    }
    Ok(Exit::Yes)
}

/// The answer of commands that move a change: its id and state, and what comes next.
pub(crate) fn state(ctx: &Ctx, change: &Change) -> Result<Exit, CommandError> {
    standing(ctx, change)?;
    ctx.hint_next(change)?;
    Ok(Exit::Yes)
}

/// Its id and state alone, where what comes next has been told.
pub(crate) fn standing(ctx: &Ctx, change: &Change) -> Result<Exit, CommandError> {
    if ctx.json(false) {
        let step = next::next(change, &ctx.policy()?, ctx.now());
        let answer = json!({ "change_id": change.id(), "status": view_v1::status(change), "next": step });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.ui.answer(&format!("{} {}", change.id(), view_v1::status(change)))?;
    }
    Ok(Exit::Yes)
}
