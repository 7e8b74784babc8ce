//! `review`: what a reviewer has to see, and saying that one has seen it.

pub mod attest;
pub mod bundle;

use clap::Subcommand;

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::exit::Exit;

/// Have a change reviewed, and attest that it was
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Write everything that a reviewer has to see into one file
    Bundle(bundle::BundleArgs),
    /// Attest that the change was reviewed as it stands now
    Attest(attest::AttestArgs),
}

/// Sends each verb to its file.
pub fn run(ctx: &Ctx, command: ReviewCommand) -> Result<Exit, CommandError> {
    match command {
        ReviewCommand::Bundle(args) => bundle::run(ctx, args),
        ReviewCommand::Attest(args) => attest::run(ctx, args),
    }
}
