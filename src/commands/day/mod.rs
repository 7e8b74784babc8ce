//! `day`: the workflow's daily operating discipline, in the morning and in the evening.

pub mod close;
pub mod open;

use clap::Subcommand;

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::exit::Exit;

/// Go through the day's lists
#[derive(Debug, Subcommand)]
pub enum DayCommand {
    /// Check health, tuneables and the open changes at the start of a day
    Open(open::OpenArgs),
    /// Measure what is due and write down a decision on every open change at the end of a day
    Close(close::CloseArgs),
}

/// Sends each verb to its file.
pub fn run(ctx: &Ctx, command: DayCommand) -> Result<Exit, CommandError> {
    match command {
        DayCommand::Open(args) => open::run(ctx, args),
        DayCommand::Close(args) => close::run(ctx, args),
    }
}
