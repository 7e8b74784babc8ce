//! `change note`: write something down in a change's record.

use clap::Args;

use crate::commands::{Ctx, choose, commit, parse, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::workflow::Command;

/// Write something down in a change's record
#[derive(Debug, Args)]
pub struct NoteArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// The note
    #[arg(value_name = "TEXT")]
    text: String,
}

/// Records the note; ended changes take notes too.
pub fn run(ctx: &Ctx, args: NoteArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let text = parse::required("the note", &args.text)?;
    let change = commit::commit(ctx, &id, &Command::Note { text }, &[])?;
    show::state(ctx, &change)
}
